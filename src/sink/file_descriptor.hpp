// A file descriptor that closes itself.
#pragma once

#include <utility>

#include "sink/files.hpp"

namespace gatepost {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void reset() {
    // What close(2) may report was asked for before, by fsync or syncfs.
    if (fd_ >= 0) files::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

}  // namespace gatepost
