// One message on its way into maildirs, passed to and fro between the shard's thread and the
// threads that write.
//
// It belongs to one side at a time. The shard gathers content in `gathered`; to hand the message
// over it moves that to `writing` and lets go of everything marked "writer's" until the message
// comes back. Meanwhile it goes on gathering. So no member needs a lock, and only `aborted` is
// looked at by both sides at once.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gatepost/sink.hpp"
#include "sink/file_descriptor.hpp"
#include "sink/file_failure.hpp"
#include "sink/mailbox.hpp"

namespace gatepost {

// Content in order: slices of receive buffers, and copies of what is too short to be worth a
// buffer. Shard's thread; a writer only reads vectors().
class MessageContent {
 public:
  // Slices up to this size are copied, because an iovec and a pinned buffer cost more. So are
  // slices without a buffer: they do not outlive an abort, and a writer may be reading just then.
  static constexpr std::size_t copied_size_max = 512;

  void append(Slice slice);
  void append_copy(std::string_view octets);
  // Octets.
  std::size_t size() const { return size_; }
  bool holds_buffers() const { return !slices_.empty(); }
  // Pieces that writev(2) is given.
  const std::vector<iovec>& vectors() const { return vectors_; }
  // Lets go of everything; some memory is kept for the next message.
  void clear();
  void swap(MessageContent& other) noexcept;

 private:
  static constexpr std::size_t chunk_size = 4096;

  std::vector<iovec> vectors_;
  std::vector<Slice> slices_;
  std::vector<std::unique_ptr<char[]>> chunks_;
  std::size_t chunk_used_ = chunk_size;  // of the last chunk
  std::size_t size_ = 0;
};

// One maildir that gets the message; recipients may share it.
struct MaildirTarget {
  std::string path;
  std::shared_ptr<const Mailbox> mailbox;
  FileFailure failure;
  bool linked = false;
  bool same_as_another = false;  // by another path, whose target has the name already
  bool withdrawn = false;        // its name was taken away again, which is not yet on the disk
};

class MaildirMessage final : public SinkMessage {
 public:
  enum class Side : std::uint8_t { shard, writers };

  // --- the shard's at any time ---
  SinkToken token = 0;
  MessageId id;
  Side side = Side::shard;
  bool committed = false;    // by the host
  bool paused = false;       // the host waits for drained()
  std::size_t position = 0;  // in the sink's list of open messages
  MessageContent gathered;
  std::size_t in_writing = 0;  // octets that the writers have
  std::vector<std::uint32_t> target_of_recipient;

  // --- both sides' ---
  std::atomic<bool> aborted{false};

  // --- the writer's while side == writers, else the shard's ---
  MaildirMessage* next = nullptr;  // in the queue it stands in
  MessageContent writing;
  bool finish = false;    // `writing` is the last of it
  bool finished = false;  // the outcome is known
  std::string name;       // of the file, without its size
  std::vector<MaildirTarget> targets;
  FileDescriptor file;
  std::uint64_t file_size = 0;
  std::size_t home = 0;  // the target whose file system the file is on, once `file` is open
  // That target's maildir as it was then: it may be removed and made anew in the meantime.
  std::shared_ptr<const Mailbox> home_mailbox;
  bool temporary_name = false;  // the file stands in tmp/ of home_mailbox under `name`
  std::string linked_name;      // in new/, with the size
  bool streamed = false;        // its content was written in more than one batch
  FileFailure failure;          // of the content: holds for all targets
  bool in_doubt = false;        // a name may come back that was taken away again

  void reset();
};

}  // namespace gatepost
