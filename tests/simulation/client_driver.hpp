// Carries out a client model's wishes over the simulated network, and tells it what happens.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "simulation/client_model.hpp"
#include "simulation/simulated_kernel.hpp"

namespace gatepost::simulation {

class ClientDriver final : public LinkClient {
 public:
  struct Options {
    unsigned number = 0;
    std::uint64_t seed = 0;
    LinkOptions link;
    SimulatedNs begins_after = 0;
    unsigned retries_max = 20;  // of connections that are refused
  };

  // after_event: called whenever the client was told something. settings, ledger and verdicts
  // outlive the driver.
  ClientDriver(const Options& options, const ClientSettings& settings, Ledger& ledger,
               Verdicts& verdicts, std::function<void(ClientDriver&)> after_event);
  ~ClientDriver();

  unsigned number() const { return options_.number; }
  ClientModel& model() { return *model_; }
  const ClientModel& model() const { return *model_; }
  bool connected() const { return connected_; }
  // It has nothing to do with the server any more.
  bool finished() const { return finished_; }
  // The server keeps a connection with it.
  bool served() const { return link_ != nullptr && link_->server_open(); }
  void stop_talking();
  // Something between the two cuts the connection.
  void cut();
  // Since when it has been silent for good; 0: it is not.
  SimulatedNs stalled_since() const { return stalled_since_; }

  void link_connected() override;
  void link_refused() override;
  void link_octets(std::string_view octets) override;
  void link_ended() override;
  void link_reset() override;
  void link_drained() override { pump(); }
  bool link_reading() override { return model_->reading(); }

 private:
  void connect();
  void pump();
  void told();
  void finish();
  std::uint64_t now_us() const;

  const Options options_;
  Random random_;
  std::unique_ptr<ClientModel> model_;
  std::function<void(ClientDriver&)> after_event_;
  std::shared_ptr<Link> link_;
  std::uint64_t wait_ = 0;  // the number of the wait that counts
  unsigned tries_ = 0;
  bool stopped_ = false;
  bool connected_ = false;
  bool finished_ = false;
  bool pumping_ = false;
  bool lost_ = false;  // what it sends goes nowhere
  SimulatedNs stalled_since_ = 0;
};

}  // namespace gatepost::simulation
