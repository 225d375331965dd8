// The calls by which sinks reach files. They are the kernel's own, with their errno; the
// simulator's stand-in for this header has them end on a disk of its own.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>

namespace gatepost::files {

using ::close;
using ::fdatasync;
using ::fstat;
using ::fstatat;
using ::fstatvfs;
using ::fsync;
using ::linkat;
using ::mkdir;
using ::open;
using ::openat;
using ::pread;
using ::renameat;
using ::renameat2;
using ::stat;
using ::statvfs;
using ::sync_file_range;
using ::syncfs;
using ::unlinkat;
using ::writev;

// The entries of an open directory, "." and ".." too (readdir(3)).
class DirectoryReader {
 public:
  // Takes over `descriptor`, which may be -1: such a directory has no entries.
  explicit DirectoryReader(int descriptor)
      : directory_(descriptor >= 0 ? fdopendir(descriptor) : nullptr) {
    if (directory_ == nullptr && descriptor >= 0) ::close(descriptor);
  }
  ~DirectoryReader() {
    if (directory_ != nullptr) closedir(directory_);
  }
  DirectoryReader(const DirectoryReader&) = delete;
  DirectoryReader& operator=(const DirectoryReader&) = delete;

  bool valid() const { return directory_ != nullptr; }
  int descriptor() const { return dirfd(directory_); }
  // The next name, or nullptr. Valid until the next call.
  const char* next() {
    const dirent* const entry = directory_ != nullptr ? readdir(directory_) : nullptr;
    return entry != nullptr ? entry->d_name : nullptr;
  }

 private:
  DIR* const directory_;
};

// Whether a process of that number exists, ours or another's.
inline bool process_alive(std::uint32_t pid) {
  return kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH;
}

}  // namespace gatepost::files
