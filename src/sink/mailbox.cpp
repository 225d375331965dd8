#include "sink/mailbox.hpp"

#include <array>
#include <cerrno>

namespace gatepost {
namespace {

constexpr mode_t directory_mode = 0700;
constexpr MonotonicNs recheck_after_ns = 1'000'000'000;

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string_view::npos ? "/" : path.substr(0, slash);
}

int open_directory(const std::string& path) {
  return files::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

}  // namespace

int make_directories(const std::string& path, std::string* synced_from) {
  if (files::mkdir(path.c_str(), directory_mode) == 0) {
    // The topmost one is made first, so that the first to write here is right.
    if (synced_from != nullptr && synced_from->empty()) *synced_from = parent_of(path);
    return 0;
  }
  if (errno == EEXIST) return 0;
  if (errno != ENOENT || path.size() <= 1) return errno;
  if (const int error = make_directories(std::string(parent_of(path)), synced_from)) return error;
  if (files::mkdir(path.c_str(), directory_mode) == 0 || errno == EEXIST) return 0;
  return errno;
}

FileFailure sync_directories(const std::string& path, std::string_view top) {
  std::string_view current = path;
  for (;;) {
    const std::string name(current);
    const FileDescriptor directory(open_directory(name));
    if (!directory.valid()) return FileFailure::of("open", name, errno);
    if (files::fsync(directory.get()) != 0) return FileFailure::of("fsync", name, errno);
    if (current.size() <= top.size() || current.size() <= 1) return {};
    current = parent_of(current);
  }
}

FileFailure make_root(const std::string& root) {
  std::string synced_from;
  if (const int error = make_directories(root, &synced_from)) {
    return FileFailure::of("mkdir", root, error);
  }
  return synced_from.empty() ? FileFailure{} : sync_directories(root, synced_from);
}

MailboxCache::MailboxCache(std::string root, std::size_t capacity, FileSystems& file_systems)
    : root_(std::move(root)), capacity_(capacity), file_systems_(file_systems) {
  entries_.reserve(capacity_ + 1);
}

std::shared_ptr<const Mailbox> MailboxCache::get(const std::string& path, MonotonicNs now,
                                                 FileFailure& failure) {
  if (const auto found = entries_.find(path); found != entries_.end()) {
    const auto entry = found->second;
    if (now - entry->checked_at < recheck_after_ns || still_there(*entry->mailbox)) {
      if (now - entry->checked_at >= recheck_after_ns) entry->checked_at = now;
      order_.splice(order_.begin(), order_, entry);
      return entry->mailbox;
    }
    forget(path);
  }
  std::shared_ptr<const Mailbox> mailbox = open(path, failure);
  if (failure.error == EMFILE || failure.error == ENFILE) {
    // Others have used up the descriptors. Those kept for later are worth less than this message.
    entries_.clear();
    order_.clear();
    failure = {};
    mailbox = open(path, failure);
  }
  if (mailbox == nullptr) return nullptr;
  while (order_.size() >= capacity_) {
    entries_.erase(order_.back().mailbox->path);
    order_.pop_back();
  }
  order_.push_front({mailbox, now});
  entries_.emplace(mailbox->path, order_.begin());
  return mailbox;
}

void MailboxCache::forget(const std::string& path) {
  const auto found = entries_.find(path);
  if (found == entries_.end()) return;
  const auto entry = found->second;
  entries_.erase(found);
  order_.erase(entry);
}

std::shared_ptr<const Mailbox> MailboxCache::open(const std::string& path, FileFailure& failure) {
  auto mailbox = std::make_shared<Mailbox>();
  mailbox->path = path;
  // The maildir itself first: mostly it exists, and the two opens below are all there is to do.
  std::string synced_from;
  struct Directory {
    const char* name;
    FileDescriptor* descriptor;
  };
  FileDescriptor unused;
  const std::array directories{Directory{"/tmp", &mailbox->tmp_directory},
                               Directory{"/new", &mailbox->new_directory},
                               Directory{"/cur", &unused}};
  for (const Directory& directory : directories) {
    const std::string full = path + directory.name;
    *directory.descriptor = FileDescriptor(open_directory(full));
    if (!directory.descriptor->valid() && errno == ENOENT) {
      if (const int error = make_directories(full, &synced_from)) {
        failure = FileFailure::of("mkdir", full, error);
        return nullptr;
      }
      *directory.descriptor = FileDescriptor(open_directory(full));
    }
    if (!directory.descriptor->valid()) {
      failure = FileFailure::of("open", full, errno);
      return nullptr;
    }
  }

  struct stat info {};
  if (files::fstat(mailbox->new_directory.get(), &info) != 0) {
    failure = FileFailure::of("stat", path + "/new", errno);
    return nullptr;
  }
  mailbox->device = info.st_dev;
  mailbox->new_inode = info.st_ino;
  mailbox->order = file_systems_.of(info.st_dev, mailbox->new_directory.get()).info.order;
  if (mailbox->order == FileOrder::portable) {
    // From the maildir up to the root, or above it where the root itself had to be made anew.
    std::string_view top = root_;
    if (!synced_from.empty() && synced_from.size() < top.size()) top = synced_from;
    failure = sync_directories(path, top);
    if (failure.failed()) return nullptr;
  }
  return mailbox;
}

bool MailboxCache::still_there(const Mailbox& mailbox) const {
  struct stat info {};
  const std::string path = mailbox.path + "/new";
  return files::stat(path.c_str(), &info) == 0 && info.st_dev == mailbox.device &&
         info.st_ino == mailbox.new_inode;
}

}  // namespace gatepost
