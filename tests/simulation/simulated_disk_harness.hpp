// What the tests of the simulated disk share: a disk with one mount, /mail, and short names for
// calls that are expected to succeed.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "simulation/simulated_disk.hpp"

namespace gatepost::simulation {

constexpr std::uint64_t seeds = 200;
constexpr MountKind kinds[] = {MountKind::generic, MountKind::journaled, MountKind::unjournaled};
constexpr unsigned write_and_wait =
    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

class TestDisk : public SimulatedDisk {
 public:
  explicit TestDisk(MountKind kind, std::uint64_t seed = 1, MountOptions mount = {})
      : TestDisk(options(kind, seed, std::move(mount))) {}
  explicit TestDisk(DiskOptions options) : SimulatedDisk(std::move(options)) {
    for (const char* path : {"/mail/tmp", "/mail/new"}) EXPECT_EQ(mkdir(path), 0);
    root = open_directory("/mail");
    tmp = open_directory("/mail/tmp");
    fresh = open_directory("/mail/new");
    EXPECT_EQ(fsync(root), 0);
  }

  static DiskOptions options(MountKind kind, std::uint64_t seed, MountOptions mount = {}) {
    mount.path = "/mail";
    mount.kind = kind;
    DiskOptions all;
    all.mounts.push_back(std::move(mount));
    all.seed = seed;
    return all;
  }

  int open_directory(const std::string& path) {
    const int fd = open(path, O_RDONLY | O_DIRECTORY);
    EXPECT_GE(fd, 0) << path;
    return fd;
  }
  int create(int directory, const std::string& name) {
    const int fd = openat(directory, name, O_CREAT | O_EXCL | O_RDWR, 0600);
    EXPECT_GE(fd, 0) << name;
    return fd;
  }
  int create_unnamed() {
    const int fd = openat(tmp, ".", O_TMPFILE | O_RDWR, 0600);
    EXPECT_GE(fd, 0);
    return fd;
  }
  ssize_t write(int fd, const std::string& content) {
    const iovec vector{const_cast<char*>(content.data()), content.size()};
    return writev(fd, &vector, 1);
  }
  int link(int fd, int directory, const std::string& name) {
    return linkat(fd, "", directory, name, AT_EMPTY_PATH);
  }
  std::string read(int fd) {
    std::string content(1 << 20, '\0');
    content.resize(static_cast<std::size_t>(pread(fd, content.data(), content.size(), 0)));
    return content;
  }

  int root = -1;
  int tmp = -1;
  int fresh = -1;  // /mail/new
};

// Of a path among files; nothing when it is not there.
inline std::optional<std::string> content_of(const std::vector<DiskFile>& files,
                                             const std::string& path) {
  const auto found =
      std::ranges::find_if(files, [&](const DiskFile& file) { return file.path == path; });
  if (found == files.end()) return std::nullopt;
  return found->content;
}

// Octets that are never zero, so that a lost page shows. At most 64 KiB.
inline std::string some_content(std::size_t size) {
  static const std::string all = [] {
    std::string content(64 * 1024, 'a');
    for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>('a' + i % 23);
    return content;
  }();
  EXPECT_LE(size, all.size());
  return all.substr(0, size);
}

}  // namespace gatepost::simulation
