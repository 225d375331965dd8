// One thread that writes messages into maildirs, a batch at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "sink/mailbox.hpp"
#include "sink/maildir_message.hpp"
#include "sink/maildir_queue.hpp"

namespace gatepost {

// The space that is left on the file system of the template's root, measured now and then by a
// writer, read by the shard.
class FreeSpace {
 public:
  // root: the nearest of its parents that exists is asked (statvfs(3)).
  explicit FreeSpace(std::string root) : root_(std::move(root)) {}
  // May block. A failure to ask counts as "plenty": what matters then shows when a file is written.
  void measure();
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  std::string root_;
  std::atomic<std::uint64_t> bytes_{UINT64_MAX};
};

class MaildirWriter {
 public:
  struct Plan {
    std::string root;  // of the template
    MaildirSync sync = MaildirSync::automatic;
    std::size_t mailboxes_max = 1;  // kept open
    MaildirQueue::Share share;
  };
  // queue and free_space outlive the writer.
  MaildirWriter(const Plan& plan, MaildirQueue& queue, FreeSpace& free_space);

  // The thread's life: until the queue has been stopped and is empty.
  void run();

 private:
  struct Flushed {
    const FileSystem* file_system;
    int error;
  };
  struct Synced {
    const Mailbox* mailbox;
    int error;
  };

  void process();
  void settle();
  void withdraw(MaildirMessage& message);
  void flush_names();
  void flush_withdrawn();
  int flush(const Mailbox& mailbox);
  void flush_target(MaildirMessage& message, MaildirTarget& target);
  int flush_once(const Mailbox& mailbox);
  int sync_once(const Mailbox& mailbox);

  Plan plan_;
  MaildirQueue& queue_;
  FreeSpace& free_space_;
  FileSystems file_systems_;
  MailboxCache mailboxes_;
  // The batch: all of it, those whose last content this is, and those that go back at once.
  std::vector<MaildirMessage*> batch_;
  std::vector<MaildirMessage*> finishing_;
  std::vector<MaildirMessage*> returning_;
  std::vector<Flushed> flushed_;
  std::vector<Synced> synced_;  // sorted by mailbox
};

}  // namespace gatepost
