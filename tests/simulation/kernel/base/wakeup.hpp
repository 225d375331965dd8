// Stands in for src/base/wakeup.hpp: a descriptor of the simulated kernel.
#pragma once

#include <cstdint>

namespace gatepost {

class Wakeup {
 public:
  Wakeup();
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  int fd() const { return fd_; }
  void signal();
  std::uint64_t reset();

 private:
  const int fd_;
};

}  // namespace gatepost
