#include "observe/log_output.hpp"

#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace gatepost::observe {

LogOutput::LogOutput(int fd) : fd_(fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return;
  if (S_ISFIFO(status.st_mode)) kind_ = Kind::pipe;
  if (S_ISSOCK(status.st_mode)) kind_ = Kind::socket;
}

bool LogOutput::wait_for_room() {
  for (;;) {
    pollfd entry{fd_, POLLOUT, 0};
    int ready = poll(&entry, 1, 50);
    if (ready > 0) return true;  // also on POLLERR: the write tells the error
    if (ready < 0 && errno != EINTR) return false;
    if (SystemClock::monotonic_ns() >= deadline_.load(std::memory_order_relaxed)) return false;
  }
}

bool LogOutput::write(std::string_view lines) {
  while (!lines.empty()) {
    ssize_t written;
    if (kind_ == Kind::socket) {
      written = send(fd_, lines.data(), lines.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } else if (kind_ == Kind::pipe) {
      // The descriptor's O_NONBLOCK is shared with other processes and not ours to set. But a pipe
      // that polls writable takes PIPE_BUF octets without blocking (pipe(7)).
      if (!wait_for_room()) return false;
      written = ::write(fd_, lines.data(), std::min<std::size_t>(lines.size(), PIPE_BUF));
    } else {
      written = ::write(fd_, lines.data(), lines.size());
    }
    if (written >= 0) {
      lines.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN || !wait_for_room()) return false;
  }
  return true;
}

}  // namespace gatepost::observe
