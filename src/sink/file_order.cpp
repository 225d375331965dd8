#include "sink/file_order.hpp"

#include <cerrno>

#include "sink/file_system_facts.hpp"
#include "sink/files.hpp"

namespace gatepost {
namespace {

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
  FileSystemFacts facts = file_system_facts(fd);
  FileSystemInfo info{FileOrder::portable, false, std::move(facts.type)};
  if (facts.kind == FileSystemFacts::Kind::unknown) return info;
  if (facts.kind == FileSystemFacts::Kind::xfs) {
    info.order = FileOrder::journaled;
  } else if (facts.kind == FileSystemFacts::Kind::ext4) {
    info.order = order_of_ext4_options(facts.ext4_options).value_or(FileOrder::portable);
    info.flush_after_syncfs = info.order == FileOrder::flushed;
    if (info.flush_after_syncfs) info.name += " without journal";
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
  if (files::syncfs(descriptor.get()) != 0) return errno;
  // After an error in its journal ext4 may have gone read-only, and then older kernels have syncfs
  // do nothing and succeed.
  struct statvfs now {};
  if (files::fstatvfs(descriptor.get(), &now) != 0) return errno;
  if ((now.f_flag & ST_RDONLY) != 0) return EROFS;
  if (info.flush_after_syncfs && files::fsync(descriptor.get()) != 0) return errno;
  return 0;
}

const FileSystem& FileSystems::of(dev_t device, int directory) {
  for (const auto& each : known_) {
    if (each->device == device) return *each;
  }
  FileDescriptor own(files::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (known_.size() >= file_systems_max || !own.valid()) return any_other_;
  FileSystemInfo info = inspect_file_system(own.get(), wanted_);
  known_.push_back(
      std::make_unique<FileSystem>(FileSystem{device, std::move(info), std::move(own)}));
  return *known_.back();
}

}  // namespace gatepost
