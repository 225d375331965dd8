// Maildirs on disk: made on demand, kept open while they are in use.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"
#include "sink/file_descriptor.hpp"
#include "sink/file_failure.hpp"
#include "sink/file_order.hpp"

namespace gatepost {

// One maildir with its directories open. Shared by the messages that are on their way into it,
// across the threads of one sink; nothing in it changes.
struct Mailbox {
  std::string path;
  FileDescriptor new_directory;
  FileDescriptor tmp_directory;
  dev_t device = 0;
  ino_t new_inode = 0;
  FileOrder order = FileOrder::portable;  // of its file system
};

// mkdir -p with mode 0700. synced_from: set to the path of the topmost directory that got a new
// entry, and left alone when nothing was made. Returns 0 or errno.
int make_directories(const std::string& path, std::string* synced_from);

// fsync(2) of a directory and its parents, from `path` up to and including `top`, a prefix of it:
// so that the entries that lead to `path` are durable. Fails with the call and path that failed.
FileFailure sync_directories(const std::string& path, std::string_view top);

// Makes the directories of `root` and makes them durable.
FileFailure make_root(const std::string& root);

// The maildirs that one thread has open: the most recently used, up to a limit. One thread only.
class MailboxCache {
 public:
  // root: the template's, made durable by make_root(). capacity: maildirs, 1 at least; two
  // descriptors each. file_systems: the thread's own; outlives the cache.
  MailboxCache(std::string root, std::size_t capacity, FileSystems& file_systems);

  // The maildir at `path`, made if need be (mode 0700). Nothing with `failure` set otherwise.
  // In the portable order the directories that lead to it are synced before this returns when it
  // was not in the cache: another thread or process may have made them and not have synced them
  // yet. In the other orders the batch's flush includes them.
  // A maildir that was removed or replaced is noticed within a second, here, and at the latest by
  // the link into it.
  std::shared_ptr<const Mailbox> get(const std::string& path, MonotonicNs now,
                                     FileFailure& failure);

  // Forgets what is known of `path`: it turned out to be gone.
  void forget(const std::string& path);

 private:
  struct Entry {
    std::shared_ptr<const Mailbox> mailbox;
    MonotonicNs checked_at = 0;
  };
  using Order = std::list<Entry>;

  std::shared_ptr<const Mailbox> open(const std::string& path, FileFailure& failure);
  bool still_there(const Mailbox& mailbox) const;

  std::string root_;
  std::size_t capacity_;
  FileSystems& file_systems_;
  Order order_;                                                    // most recently used first
  std::unordered_map<std::string_view, Order::iterator> entries_;  // keys lie in the mailboxes
};

}  // namespace gatepost
