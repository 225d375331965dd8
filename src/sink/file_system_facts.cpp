#include "sink/file_system_facts.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <climits>
#include <fstream>
#include <iterator>
#include <string_view>

#include "fmt/format.h"

namespace gatepost {
namespace {

// linux/magic.h; ext2 and ext3 share ext4's number.
constexpr unsigned long ext4_magic = 0xEF53;
constexpr unsigned long xfs_magic = 0x58465342;

// The kernel's name of a block device, "sda1", under which /proc/fs/ext4 lists it. Empty when the
// device has none.
std::string device_name(dev_t device) {
  char target[PATH_MAX];
  const std::string link = fmt::format("/sys/dev/block/{}:{}", major(device), minor(device));
  const ssize_t length = readlink(link.c_str(), target, sizeof target);
  if (length <= 0) return {};
  const std::string_view path(target, static_cast<std::size_t>(length));
  return std::string(path.substr(path.rfind('/') + 1));
}

// The type as /proc/self/mountinfo has it (proc_pid_mountinfo(5)); for display.
std::string mounted_type(dev_t device) {
  const std::string wanted = fmt::format(" {}:{} ", major(device), minor(device));
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const std::size_t separator = line.find(" - ");
    if (line.find(wanted) == std::string::npos || separator == std::string::npos) continue;
    const std::size_t start = separator + 3;
    return line.substr(start, line.find(' ', start) - start);
  }
  return "unknown file system";
}

}  // namespace

FileSystemFacts file_system_facts(int fd) {
  FileSystemFacts facts;
  struct statfs file_system {};
  struct stat file {};
  if (fstatfs(fd, &file_system) != 0 || fstat(fd, &file) != 0) return facts;
  facts.type = mounted_type(file.st_dev);
  const auto magic = static_cast<unsigned long>(file_system.f_type);
  if (magic == xfs_magic) {
    facts.kind = FileSystemFacts::Kind::xfs;
  } else if (magic == ext4_magic) {
    facts.kind = FileSystemFacts::Kind::ext4;
    std::ifstream options(fmt::format("/proc/fs/ext4/{}/options", device_name(file.st_dev)));
    facts.ext4_options.assign(std::istreambuf_iterator<char>(options), {});
  } else {
    facts.kind = FileSystemFacts::Kind::other;
  }
  return facts;
}

}  // namespace gatepost
