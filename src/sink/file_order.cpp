#include "sink/file_order.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <fstream>
#include <iterator>

#include "fmt/format.h"

namespace gatepost {
namespace {

// linux/magic.h; ext2 and ext3 share ext4's number.
constexpr unsigned long ext4_magic = 0xEF53;
constexpr unsigned long xfs_magic = 0x58465342;
constexpr std::size_t file_systems_max = 64;

bool has_line(std::string_view text, std::string_view line) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (text.substr(0, end) == line) return true;
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return false;
}

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

FileSystemInfo inspect_ext4(dev_t device, std::string name) {
  std::ifstream file(fmt::format("/proc/fs/ext4/{}/options", device_name(device)));
  const std::string options{std::istreambuf_iterator<char>(file), {}};
  const std::optional<FileOrder> order = order_of_ext4_options(options);
  if (!order) return {FileOrder::portable, false, std::move(name)};
  const bool no_journal = *order == FileOrder::flushed;
  if (no_journal) name += " without journal";
  return {*order, no_journal, std::move(name)};
}

}  // namespace

std::optional<MaildirSync> parse_maildir_sync(std::string_view text) {
  if (text == "auto") return MaildirSync::automatic;
  if (text == "portable") return MaildirSync::portable;
  if (text == "batched") return MaildirSync::batched;
  return std::nullopt;
}

std::optional<FileOrder> order_of_ext4_options(std::string_view options) {
  if (options.empty()) return std::nullopt;
  if (has_line(options, "data=ordered") || has_line(options, "data=journal")) {
    return FileOrder::journaled;
  }
  if (has_line(options, "data=writeback")) return FileOrder::portable;
  // The kernel names the data mode of every file system that has a journal.
  return FileOrder::flushed;
}

FileSystemInfo inspect_file_system(int fd, MaildirSync wanted) {
  struct statfs file_system {};
  struct stat file {};
  if (fstatfs(fd, &file_system) != 0 || fstat(fd, &file) != 0) {
    return {FileOrder::portable, false, "unknown file system"};
  }
  const auto magic = static_cast<unsigned long>(file_system.f_type);
  std::string name = mounted_type(file.st_dev);
  FileSystemInfo info{FileOrder::portable, false, name};
  if (magic == xfs_magic) {
    info.order = FileOrder::journaled;
  } else if (magic == ext4_magic) {
    info = inspect_ext4(file.st_dev, std::move(name));
  }
  if (wanted == MaildirSync::portable) {
    info.order = FileOrder::portable;
  } else if (wanted == MaildirSync::batched && info.order == FileOrder::portable) {
    info.order = FileOrder::flushed;
    info.flush_after_syncfs = true;
  }
  return info;
}

int FileSystem::flush() const {
  if (syncfs(descriptor.get()) != 0) return errno;
  // After an error in its journal ext4 may have gone read-only, and then older kernels have syncfs
  // do nothing and succeed.
  struct statvfs now {};
  if (fstatvfs(descriptor.get(), &now) != 0) return errno;
  if ((now.f_flag & ST_RDONLY) != 0) return EROFS;
  if (info.flush_after_syncfs && fsync(descriptor.get()) != 0) return errno;
  return 0;
}

const FileSystem& FileSystems::of(dev_t device, int directory) {
  for (const auto& each : known_) {
    if (each->device == device) return *each;
  }
  FileDescriptor own(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (known_.size() >= file_systems_max || !own.valid()) return any_other_;
  FileSystemInfo info = inspect_file_system(own.get(), wanted_);
  known_.push_back(
      std::make_unique<FileSystem>(FileSystem{device, std::move(info), std::move(own)}));
  return *known_.back();
}

}  // namespace gatepost
