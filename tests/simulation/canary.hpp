// A client that asks for nothing but an answer, and must always get it at once: whatever happens to
// other connections, to the sink or the disk is not its concern.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "simulation/simulated_kernel.hpp"

namespace gatepost::simulation {

class Canary final : public LinkClient {
 public:
  // Connects, says NOOP now and then, QUIT after a while, and begins anew, until stop().
  Canary(unsigned number, Random random);
  ~Canary();

  void stop();
  // Nothing of it is left with the server.
  bool finished() const { return stopped_ && link_ == nullptr; }
  std::uint64_t answers() const { return answers_; }

  void link_connected() override {}
  void link_refused() override;
  void link_octets(std::string_view octets) override;
  void link_ended() override;
  void link_reset() override;
  void link_drained() override {}
  bool link_reading() override { return true; }

 private:
  void connect();
  void again();
  void say(std::string_view line);
  void speak();

  const unsigned number_;
  Random random_;
  std::shared_ptr<Link> link_;
  std::string received_;
  unsigned said_ = 0;
  std::uint16_t port_ = 60'000;
  std::uint64_t answers_ = 0;
  bool stopped_ = false;
};

}  // namespace gatepost::simulation
