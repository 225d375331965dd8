// A descriptor by which other threads wake the one that waits on a ring or in poll(2): eventfd(2).
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/check.hpp"

namespace gatepost {

class Wakeup {
 public:
  // Aborts the process where the kernel gives no eventfd.
  Wakeup() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { GP_CHECK(fd_ >= 0); }
  ~Wakeup() { close(fd_); }
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  // Readable from signal() to reset(). Owned by this object.
  int fd() const { return fd_; }
  // Any thread; also a signal handler.
  void signal() {
    // Cannot fail: the counter has room for 2^64 - 2 signals.
    eventfd_write(fd_, 1);
  }
  // Returns how many signals there were since the last call.
  std::uint64_t reset() {
    eventfd_t count = 0;
    return eventfd_read(fd_, &count) == 0 ? count : 0;
  }

 private:
  const int fd_;
};

}  // namespace gatepost
