#include "sink/maildir_writer.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sink/message_file.hpp"

namespace gatepost {
namespace {

bool given_up(const MaildirMessage& message) {
  return message.aborted.load(std::memory_order_relaxed);
}

bool partly_failed(const MaildirMessage& message) {
  const auto failed = [](const MaildirTarget& target) { return target.failure.failed(); };
  const auto linked = [](const MaildirTarget& target) { return target.linked; };
  return std::ranges::any_of(message.targets, failed) &&
         std::ranges::any_of(message.targets, linked);
}

}  // namespace

void FreeSpace::measure() {
  struct statvfs info {};
  std::string path = root_;
  while (files::statvfs(path.c_str(), &info) != 0) {
    const std::size_t slash = path.rfind('/');
    if (errno != ENOENT || slash == std::string::npos || path.size() <= 1) {
      bytes_.store(UINT64_MAX, std::memory_order_relaxed);
      return;
    }
    path.resize(std::max<std::size_t>(slash, 1));
  }
  std::uint64_t bytes = 0;
  // Without inodes no file can be made, however much room there is. Some file systems count none.
  if (info.f_files == 0 || info.f_favail > 0) {
    if (__builtin_mul_overflow(std::uint64_t{info.f_bavail}, std::uint64_t{info.f_frsize},
                               &bytes)) {
      bytes = UINT64_MAX;
    }
  }
  bytes_.store(bytes, std::memory_order_relaxed);
}

MaildirWriter::MaildirWriter(const Plan& plan, MaildirQueue& queue, FreeSpace& free_space)
    : plan_(plan),
      queue_(queue),
      free_space_(free_space),
      file_systems_(plan.sync),
      mailboxes_(plan.root, plan.mailboxes_max, file_systems_) {}

void MaildirWriter::run() {
  bool measure = false;
  while (queue_.take(plan_.share, batch_, measure)) {
    if (measure) free_space_.measure();
    if (!batch_.empty()) process();
  }
}

void MaildirWriter::process() {
  const MonotonicNs now = Clock::monotonic_ns();
  finishing_.clear();
  returning_.clear();
  for (MaildirMessage* message : batch_) {
    if (given_up(*message)) {
      discard_file(*message);
    } else {
      write_content(*message, mailboxes_, now);
    }
    (message->finish ? finishing_ : returning_).push_back(message);
  }
  // Messages that still stream do not wait for the others' flush.
  queue_.give_back(returning_);
  if (finishing_.empty()) return;

  settle();
  for (MaildirMessage* message : finishing_) {
    if (!given_up(*message)) link_targets(*message, mailboxes_, now);
  }
  // The last moment at which a message can be taken back for certain.
  for (MaildirMessage* message : finishing_) {
    if (given_up(*message) || partly_failed(*message)) withdraw(*message);
  }
  flush_names();
  for (MaildirMessage* message : finishing_) {
    discard_file(*message);
    message->finished = true;
  }
  queue_.give_back(finishing_);
}

void MaildirWriter::settle() {
  for (MaildirMessage* message : finishing_) {
    if (!given_up(*message)) settle_content(*message);
  }
  flushed_.clear();
  for (MaildirMessage* message : finishing_) {
    if (given_up(*message) || message->failure.failed()) continue;
    const Mailbox& home = *message->home_mailbox;
    if (home.order != FileOrder::flushed) continue;
    if (const int error = flush_once(home)) {
      message->failure = FileFailure::of("syncfs", home.path, error);
    } else {
      check_writeback(*message);
    }
  }
}

// All or nothing: there is no second answer for the recipients that failed, so that the sender
// tries again for all of them, and nobody must have the message twice then (R5321-4.2.5-01, X-06).
void MaildirWriter::withdraw(MaildirMessage& message) {
  const auto failed = std::ranges::find_if(
      message.targets, [](const MaildirTarget& target) { return target.failure.failed(); });
  for (MaildirTarget& target : message.targets) {
    if (!target.linked) continue;
    unlink_target(message, target);
    target.withdrawn = true;
    if (failed != message.targets.end()) target.failure = failed->failure;
  }
}

void MaildirWriter::flush_names() {
  flushed_.clear();
  synced_.clear();
  for (MaildirMessage* message : finishing_) {
    for (MaildirTarget& target : message->targets) {
      if (target.linked) flush_target(*message, target);
    }
  }
  bool withdrawn = false;
  for (MaildirMessage* message : finishing_) {
    if (!partly_failed(*message)) continue;
    withdraw(*message);
    withdrawn = true;
  }
  // Those flushes came before these names went.
  if (withdrawn) {
    flushed_.clear();
    synced_.clear();
  }
  flush_withdrawn();
}

void MaildirWriter::flush_withdrawn() {
  for (MaildirMessage* message : finishing_) {
    for (MaildirTarget& target : message->targets) {
      if (target.withdrawn && flush(*target.mailbox) != 0) message->in_doubt = true;
    }
  }
}

void MaildirWriter::flush_target(MaildirMessage& message, MaildirTarget& target) {
  const Mailbox& mailbox = *target.mailbox;
  const int error = flush(mailbox);
  if (error == 0) return;
  // The name may or may not be on the disk. It is withdrawn, and nothing is acknowledged: a second
  // flush could succeed without the data (fsync(2), NOTES; "pages are marked clean").
  unlink_target(message, target);
  message.in_doubt = true;
  const char* const call = mailbox.order == FileOrder::portable ? "fsync" : "syncfs";
  target.failure = FileFailure::of(call, mailbox.path + "/new", error);
}

int MaildirWriter::flush(const Mailbox& mailbox) {
  return mailbox.order == FileOrder::portable ? sync_once(mailbox) : flush_once(mailbox);
}

int MaildirWriter::flush_once(const Mailbox& mailbox) {
  const FileSystem& file_system = file_systems_.of(mailbox.device, mailbox.new_directory.get());
  for (const Flushed& each : flushed_) {
    if (each.file_system == &file_system) return each.error;
  }
  const int error = file_system.flush();
  flushed_.push_back({&file_system, error});
  return error;
}

int MaildirWriter::sync_once(const Mailbox& mailbox) {
  const auto place = std::lower_bound(
      synced_.begin(), synced_.end(), &mailbox,
      [](const Synced& each, const Mailbox* wanted) { return each.mailbox < wanted; });
  if (place != synced_.end() && place->mailbox == &mailbox) return place->error;
  const int error = files::fsync(mailbox.new_directory.get()) == 0 ? 0 : errno;
  synced_.insert(place, {&mailbox, error});
  return error;
}

}  // namespace gatepost
