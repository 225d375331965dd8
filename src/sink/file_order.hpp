// In which order a file and its name are made durable, and which order a file system keeps by
// itself.
//
// What must never happen: a 250 for a message that a power failure takes away, and a name in new/
// whose file is empty or torn.
//
//   portable  write to tmp/, fsync(file), rename to new/, fsync(new/). Holds wherever fsync does.
//   flushed   a batch: write; syncfs; link all names; syncfs. All that a name stands for is durable
//             before the name exists, as in the portable order, for the price of two flushes a
//             batch instead of two a message.
//   journaled a batch: write, wait for the data; link all names; syncfs. The journal commits the
//             names after the sizes and blocks that were logged before them, and flushes the disk's
//             cache, and with it the data, ahead of its commit record. So one flush does.
//
// The wait for the data matters: ext4 (dioread_nolock) and xfs log a file's extents when its data
// has reached the disk, and a name that is logged earlier could survive without them.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sink/file_descriptor.hpp"

namespace gatepost {

// What the operator asks for.
enum class MaildirSync : std::uint8_t { automatic, portable, batched };

// "auto", "portable", "batched".
std::optional<MaildirSync> parse_maildir_sync(std::string_view text);

enum class FileOrder : std::uint8_t { portable, flushed, journaled };

struct FileSystemInfo {
  FileOrder order = FileOrder::portable;
  // Whether syncfs is to be followed by an fsync, which flushes the disk's cache: ext4 without a
  // journal writes directories out after the flush that syncfs makes.
  bool flush_after_syncfs = false;
  std::string name;  // "ext4", "xfs", ...; for the start-up block
};

// What is known of the file system that `fd` lies on. automatic: the batched orders only where it
// is certain that they hold: xfs, ext4 with data=ordered or data=journal (journaled), ext4 without
// a journal (flushed). batched: journaled on those two, flushed on any other.
FileSystemInfo inspect_file_system(int fd, MaildirSync wanted);

// From the text of /proc/fs/ext4/<device>/options; for inspect_file_system and its tests.
// Nothing when it is empty.
std::optional<FileOrder> order_of_ext4_options(std::string_view options);

// One mounted file system as one thread uses it.
struct FileSystem {
  dev_t device = 0;
  FileSystemInfo info;
  // Stays open: syncfs(2) reports what went wrong since its descriptor was opened, once to each
  // open file description. So every thread has its own.
  FileDescriptor descriptor;

  // syncfs, and what else is needed to have everything that was written before on stable storage.
  // Returns 0 or errno.
  int flush() const;
};

// The file systems that one thread has written to.
class FileSystems {
 public:
  explicit FileSystems(MaildirSync wanted) : wanted_(wanted) {}

  // The one that the open directory lies on, `device` by its stat(2). Valid as long as this object.
  // Beyond a fixed number of file systems all others are taken for one with the portable order.
  const FileSystem& of(dev_t device, int directory);

 private:
  MaildirSync wanted_;
  std::vector<std::unique_ptr<FileSystem>> known_;
  FileSystem any_other_;
};

}  // namespace gatepost
