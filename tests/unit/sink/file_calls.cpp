#include "file_calls.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace gatepost::test {
namespace {

std::mutex active_mutex;
FileCalls* active = nullptr;

// What stands in the log for a descriptor.
std::string kind_of(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 && S_ISDIR(info.st_mode) ? "directory" : "file";
}

FileCalls* current() {
  const std::lock_guard lock(active_mutex);
  return active;
}

// True when the call is to fail, with errno set.
bool fails(const std::string& name, const std::string& logged) {
  FileCalls* const calls = current();
  const int error = calls != nullptr ? calls->before(name, logged) : 0;
  if (error != 0) errno = error;
  return error != 0;
}

template <class Function>
Function* library(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

FileCalls::FileCalls() {
  const std::lock_guard lock(active_mutex);
  active = this;
}

FileCalls::~FileCalls() {
  release();
  const std::lock_guard lock(active_mutex);
  active = nullptr;
}

void FileCalls::fail(const std::string& name, int error) {
  const std::lock_guard lock(mutex_);
  failing_ = name;
  error_ = error;
}

void FileCalls::hold(const std::string& name) {
  const std::lock_guard lock(mutex_);
  held_ = name;
  changed_.notify_all();
}

void FileCalls::release() {
  const std::lock_guard lock(mutex_);
  held_.clear();
  changed_.notify_all();
}

bool FileCalls::holding() {
  const std::lock_guard lock(mutex_);
  return waiting_ > 0;
}

std::vector<std::string> FileCalls::log() {
  const std::lock_guard lock(mutex_);
  return log_;
}

void FileCalls::clear_log() {
  const std::lock_guard lock(mutex_);
  log_.clear();
}

int FileCalls::before(const std::string& name, const std::string& logged) {
  std::unique_lock lock(mutex_);
  if (!logged.empty()) log_.push_back(logged);
  if (held_ == name) {
    ++waiting_;
    changed_.wait(lock, [&] { return held_ != name; });
    --waiting_;
  }
  return failing_ == name ? error_ : 0;
}

}  // namespace gatepost::test

using gatepost::test::fails;
using gatepost::test::library;

extern "C" {

int fsync(int fd) {
  static auto* const real = library<int(int)>("fsync");
  return fails("fsync", "fsync " + gatepost::test::kind_of(fd)) ? -1 : real(fd);
}

int syncfs(int fd) noexcept {
  static auto* const real = library<int(int)>("syncfs");
  return fails("syncfs", "syncfs") ? -1 : real(fd);
}

int fstatvfs(int fd, struct statvfs* info) noexcept {
  static auto* const real = library<int(int, struct statvfs*)>("fstatvfs64");
  const int result = real(fd, info);
  if (fails("read-only", "")) info->f_flag |= ST_RDONLY;
  return result;
}

int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
  static auto* const real = library<int(int, off64_t, off64_t, unsigned)>("sync_file_range");
  const bool waits = (flags & SYNC_FILE_RANGE_WAIT_AFTER) != 0;
  if (waits && fails("wait data", "wait data")) return -1;
  return real(fd, offset, size, flags);
}

int linkat(int from, const char* old_name, int to, const char* new_name, int flags) noexcept {
  static auto* const real = library<int(int, const char*, int, const char*, int)>("linkat");
  const bool by_descriptor = (flags & AT_EMPTY_PATH) != 0;
  if (by_descriptor && fails("linkat by descriptor", "")) return -1;
  return fails("linkat", "linkat") ? -1 : real(from, old_name, to, new_name, flags);
}

int renameat2(int from, const char* old_name, int to, const char* new_name,
              unsigned flags) noexcept {
  static auto* const real = library<int(int, const char*, int, const char*, unsigned)>("renameat2");
  return fails("renameat2", "renameat2") ? -1 : real(from, old_name, to, new_name, flags);
}

}  // extern "C"
