// Writes finished log lines to a descriptor without ever waiting past a deadline.
#pragma once

#include <atomic>
#include <string_view>

#include "base/clock.hpp"

namespace gatepost::observe {

// Used on the log thread; abandon_at() on any thread.
class LogOutput {
 public:
  // fd: not closed. A pipe or a socket whose reader does not read is waited for, until
  // abandon_at().
  explicit LogOutput(int fd);

  // Writes all of `lines`, which end with a line end. False when some of it could not be written,
  // because of an error (a full disk, a pipe without a reader) or because it was abandoned.
  bool write(std::string_view lines);
  // From this moment on a write that would have to wait fails instead.
  void abandon_at(MonotonicNs moment) { deadline_.store(moment, std::memory_order_relaxed); }

 private:
  enum class Kind { file, pipe, socket };
  bool wait_for_room();

  const int fd_;
  Kind kind_ = Kind::file;
  std::atomic<MonotonicNs> deadline_{~MonotonicNs{0}};
};

}  // namespace gatepost::observe
