#include "sink/message_file.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "base/check.hpp"
#include "fmt/format.h"

namespace gatepost {
namespace {

constexpr mode_t file_mode = 0600;
constexpr std::size_t copy_block_size = 128 * 1024;
constexpr std::uint64_t begun_early_min = 64 * 1024;

std::string in_tmp(const Mailbox& mailbox, const std::string& name) {
  return fmt::format("{}/tmp/{}", mailbox.path, name);
}

// open(2) says so where the file system has no unnamed files.
bool lacks_unnamed_files(int error) {
  return error == EOPNOTSUPP || error == EISDIR || error == EINVAL || error == ENOSYS;
}

// Opens message.file in one maildir. Returns 0 or errno.
int create_file(MaildirMessage& message, const Mailbox& mailbox) {
  const int tmp = mailbox.tmp_directory.get();
  if (mailbox.order != FileOrder::portable) {
    message.file =
        FileDescriptor(files::openat(tmp, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, file_mode));
    if (message.file.valid()) return 0;
    if (!lacks_unnamed_files(errno)) return errno;
  }
  message.file = FileDescriptor(
      files::openat(tmp, message.name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, file_mode));
  if (!message.file.valid()) return errno;
  message.temporary_name = true;
  return 0;
}

bool open_file(MaildirMessage& message, MailboxCache& mailboxes, MonotonicNs now) {
  for (std::size_t i = 0; i < message.targets.size(); ++i) {
    MaildirTarget& target = message.targets[i];
    target.mailbox = mailboxes.get(target.path, now, target.failure);
    if (target.mailbox == nullptr) continue;
    int error = create_file(message, *target.mailbox);
    if (error == ENOENT || error == EPERM) {
      // The maildir was removed since it was opened (for an unnamed file in such a directory ext4
      // says EPERM): once more, from the ground up.
      mailboxes.forget(target.path);
      target.mailbox = mailboxes.get(target.path, now, target.failure);
      if (target.mailbox == nullptr) continue;
      error = create_file(message, *target.mailbox);
    }
    if (error == 0) {
      message.home = i;
      return true;
    }
    target.failure = FileFailure::of("open", in_tmp(*target.mailbox, message.name), error);
  }
  message.failure = message.targets.front().failure;
  return false;
}

// writev(2) until all is written. Returns 0 or errno.
int write_all(int fd, const std::vector<iovec>& vectors, std::uint64_t& written) {
  constexpr std::size_t at_once_max = 256;
  static_assert(at_once_max <= IOV_MAX);
  std::array<iovec, at_once_max> some;
  std::size_t next = 0;
  std::size_t offset = 0;  // into vectors[next]
  while (next < vectors.size()) {
    const std::size_t count = std::min(at_once_max, vectors.size() - next);
    std::copy_n(vectors.begin() + static_cast<std::ptrdiff_t>(next), count, some.begin());
    some[0].iov_base = static_cast<char*>(some[0].iov_base) + offset;
    some[0].iov_len -= offset;
    const ssize_t result = files::writev(fd, some.data(), static_cast<int>(count));
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) return errno;
    if (result == 0) return EIO;
    written += static_cast<std::uint64_t>(result);
    offset += static_cast<std::size_t>(result);
    while (next < vectors.size() && offset >= vectors[next].iov_len) {
      offset -= vectors[next].iov_len;
      ++next;
    }
  }
  return 0;
}

void fail_content(MaildirMessage& message, std::string_view call, int error) {
  const Mailbox& home = *message.targets[message.home].mailbox;
  message.failure = FileFailure::of(call, in_tmp(home, message.name), error);
  discard_file(message);
}

// linkat(2) of a file opened with O_TMPFILE. Returns 0 or errno.
int name_unnamed_file(int file, int directory, const char* name) {
  // By the descriptor alone, which is a fifth cheaper, it takes CAP_DAC_READ_SEARCH or Linux 6.10;
  // ENOENT says that this is not so, or that the directory was removed. By way of /proc all may.
  static std::atomic<bool> by_descriptor{true};
  if (by_descriptor.load(std::memory_order_relaxed)) {
    if (files::linkat(file, "", directory, name, AT_EMPTY_PATH) == 0) return 0;
    if (errno != ENOENT) return errno;
  }
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  if (files::linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW) != 0) return errno;
  by_descriptor.store(false, std::memory_order_relaxed);
  return 0;
}

// Gives the file its name in one new/ of its own file system. Returns 0 or errno.
int put_name(MaildirMessage& message, const MaildirTarget& target, bool last) {
  const int directory = target.mailbox->new_directory.get();
  const char* const name = message.linked_name.c_str();
  if (!message.temporary_name) return name_unnamed_file(message.file.get(), directory, name);
  const int tmp = message.home_mailbox->tmp_directory.get();
  const char* const temporary = message.name.c_str();
  if (!last) return files::linkat(tmp, temporary, directory, name, 0) == 0 ? 0 : errno;
  int result = files::renameat2(tmp, temporary, directory, name, RENAME_NOREPLACE);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
    result = files::renameat(tmp, temporary, directory, name);
  }
  if (result != 0) return errno;
  message.temporary_name = false;
  return 0;
}

// Writes the target a file of its own, synced, and names it. For maildirs on other file systems,
// and where hard links are not to be had.
FileFailure copy_to(MaildirMessage& message, const MaildirTarget& target) {
  const int tmp = target.mailbox->tmp_directory.get();
  // The home's tmp/ may hold the name itself. Behind the comma, so that whoever cleans up after a
  // crash still finds the host's name where it ends.
  const std::string name = message.name + ",C";
  const std::string path = in_tmp(*target.mailbox, name);
  const FileDescriptor copy(
      files::openat(tmp, name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, file_mode));
  if (!copy.valid()) return FileFailure::of("open", path, errno);

  FileFailure failure;
  std::vector<char> block(copy_block_size);
  std::uint64_t done = 0;
  while (done < message.file_size && !failure.failed()) {
    const ssize_t got =
        files::pread(message.file.get(), block.data(), block.size(), static_cast<off_t>(done));
    if (got <= 0) {
      failure = FileFailure::of("read", path, got < 0 ? errno : EIO);
      break;
    }
    const std::vector<iovec> piece{{block.data(), static_cast<std::size_t>(got)}};
    if (const int error = write_all(copy.get(), piece, done)) {
      failure = FileFailure::of("write", path, error);
    }
  }
  if (!failure.failed() && files::fsync(copy.get()) != 0)
    failure = FileFailure::of("fsync", path, errno);
  if (!failure.failed() && files::renameat(tmp, name.c_str(), target.mailbox->new_directory.get(),
                                           message.linked_name.c_str()) != 0) {
    failure = FileFailure::of("rename", path, errno);
  }
  if (failure.failed()) files::unlinkat(tmp, name.c_str(), 0);
  return failure;
}

// Two paths may lead to one maildir, by a symbolic link for instance: the name that is in the way
// is then this message's own.
bool has_name_in(const MaildirMessage& message, const Mailbox& mailbox) {
  struct stat here {
  }, there{};
  return files::fstat(message.file.get(), &here) == 0 &&
         files::fstatat(mailbox.new_directory.get(), message.linked_name.c_str(), &there,
                        AT_SYMLINK_NOFOLLOW) == 0 &&
         here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

void link_target(MaildirMessage& message, MaildirTarget& target, bool last, MailboxCache& mailboxes,
                 MonotonicNs now) {
  if (target.mailbox == nullptr) target.mailbox = mailboxes.get(target.path, now, target.failure);
  if (target.mailbox == nullptr) return;
  const dev_t device = message.home_mailbox->device;
  int error = target.mailbox->device == device ? put_name(message, target, last) : EXDEV;
  if (error == ENOENT) {
    // The maildir was removed under us, and perhaps the temporary file with it.
    mailboxes.forget(target.path);
    target.mailbox = mailboxes.get(target.path, now, target.failure);
    if (target.mailbox == nullptr) return;
    error = target.mailbox->device == device ? put_name(message, target, last) : EXDEV;
  }
  if (error == EEXIST && has_name_in(message, *target.mailbox)) {
    target.same_as_another = true;
    error = 0;
  }
  switch (error) {
    case 0:
      break;
    case ENOENT:
    case EXDEV:
    case EMLINK:
    case EPERM:
    case EOPNOTSUPP:
      target.failure = copy_to(message, target);
      break;
    default:
      target.failure = FileFailure::of(
          "link", fmt::format("{}/new/{}", target.path, message.linked_name), error);
      break;
  }
  target.linked = !target.failure.failed();
}

}  // namespace

void write_content(MaildirMessage& message, MailboxCache& mailboxes, MonotonicNs now) {
  if (message.failure.failed()) return;
  if (!message.file.valid()) {
    if (!open_file(message, mailboxes, now)) return;
    message.home_mailbox = message.targets[message.home].mailbox;
  }
  const std::uint64_t start = message.file_size;
  if (start > 0) message.streamed = true;
  if (const int error =
          write_all(message.file.get(), message.writing.vectors(), message.file_size)) {
    return fail_content(message, "write", error);
  }
  // Begun early, so that the flush finds little left to do. In the flushed order a short message is
  // left to syncfs, which does it for less. What fails here is found when it is waited for.
  const FileOrder order = message.home_mailbox->order;
  const bool is_short = message.file_size < begun_early_min;
  if (order == FileOrder::journaled || (order == FileOrder::flushed && !is_short)) {
    files::sync_file_range(message.file.get(), static_cast<off_t>(start), 0, SYNC_FILE_RANGE_WRITE);
  }
}

void settle_content(MaildirMessage& message) {
  if (message.failure.failed()) return;
  const int fd = message.file.get();
  if (message.home_mailbox->order == FileOrder::portable) {
    if (files::fsync(fd) != 0) fail_content(message, "fsync", errno);
    return;
  }
  if (message.home_mailbox->order == FileOrder::flushed) return;  // syncfs, for the whole batch
  constexpr unsigned write_and_wait =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  if (files::sync_file_range(fd, 0, 0, write_and_wait) == 0) return;
  // Not every file system that --maildir-sync=batched may be forced upon has it.
  if ((errno == ENOSYS || errno == EINVAL || errno == ESPIPE) && files::fdatasync(fd) == 0) return;
  fail_content(message, "sync_file_range", errno);
}

void check_writeback(MaildirMessage& message) {
  if (!message.streamed) return;
  if (files::sync_file_range(message.file.get(), 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) == 0) return;
  if (errno == ENOSYS || errno == EINVAL || errno == ESPIPE) return;
  fail_content(message, "writeback", errno);
}

void link_targets(MaildirMessage& message, MailboxCache& mailboxes, MonotonicNs now) {
  if (message.failure.failed()) return;
  message.linked_name = fmt::format("{},S={}", message.name, message.file_size);
  // The file's home comes last, because a temporary name ends there.
  for (std::size_t i = 0; i < message.targets.size(); ++i) {
    MaildirTarget& target = message.targets[i];
    if (i != message.home && !target.failure.failed()) {
      link_target(message, target, false, mailboxes, now);
    }
  }
  link_target(message, message.targets[message.home], true, mailboxes, now);
}

void unlink_target(MaildirMessage& message, MaildirTarget& target) {
  if (!target.linked) return;
  target.linked = false;
  if (target.same_as_another) return;
  // Also when it is gone: a reader may have moved it to cur/.
  if (files::unlinkat(target.mailbox->new_directory.get(), message.linked_name.c_str(), 0) != 0)
    message.in_doubt = true;
}

void discard_file(MaildirMessage& message) {
  message.file.reset();
  if (!message.temporary_name) return;
  files::unlinkat(message.home_mailbox->tmp_directory.get(), message.name.c_str(), 0);
  message.temporary_name = false;
}

}  // namespace gatepost
