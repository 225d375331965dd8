// Stands in for src/sink/files.hpp: the calls end on the simulated disk. Each takes its time,
// in which other fibers run, and may fail by the fault profile; errno is set as by the kernel.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace gatepost::files {

int open(const char* path, int flags, mode_t mode = 0);
int openat(int directory, const char* path, int flags, mode_t mode = 0);
int close(int fd);
int mkdir(const char* path, mode_t mode);
ssize_t writev(int fd, const iovec* vectors, int count);
ssize_t pread(int fd, void* buffer, std::size_t size, off_t offset);
int fsync(int fd);
int fdatasync(int fd);
int syncfs(int fd);
int sync_file_range(int fd, off_t offset, off_t size, unsigned flags);
int linkat(int from, const char* old_path, int to, const char* new_path, int flags);
int renameat(int from, const char* old_path, int to, const char* new_path);
int renameat2(int from, const char* old_path, int to, const char* new_path, unsigned flags);
int unlinkat(int directory, const char* path, int flags);
int stat(const char* path, struct stat* info);
int fstat(int fd, struct stat* info);
int fstatat(int directory, const char* path, struct stat* info, int flags);
int statvfs(const char* path, struct statvfs* info);
int fstatvfs(int fd, struct statvfs* info);

class DirectoryReader {
 public:
  explicit DirectoryReader(int descriptor);
  ~DirectoryReader();
  DirectoryReader(const DirectoryReader&) = delete;
  DirectoryReader& operator=(const DirectoryReader&) = delete;

  bool valid() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  const char* next();

 private:
  int descriptor_;
  std::vector<std::string> names_;
  std::size_t next_ = 0;
};

bool process_alive(std::uint32_t pid);

}  // namespace gatepost::files
