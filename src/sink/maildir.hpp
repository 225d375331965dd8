// The sink that ends in maildirs: `--sink maildir:TEMPLATE`.
//
// The shard's side is here; it only moves memory about. Content is gathered per message and handed
// to a few threads of this sink (maildir_writer.hpp) when the message is whole, or when enough of
// it is there to be worth a hand-off; what they return is reported from poll().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/worker_thread.hpp"
#include "gatepost/sink.hpp"
#include "sink/maildir_message.hpp"
#include "sink/maildir_name.hpp"
#include "sink/maildir_queue.hpp"
#include "sink/maildir_template.hpp"
#include "sink/maildir_writer.hpp"

namespace gatepost {

struct MaildirOptions {
  MaildirSync sync = MaildirSync::automatic;
  // Writers' threads per shard, 1 to 64. 0: 2 in the batched orders, 8 in the portable one.
  unsigned threads = 0;
  // Octets of one message that may wait for the disk before its connection is paused. Kept at
  // 16 KiB at least.
  std::uint64_t hold_limit_bytes = 256 * 1024;
  // Below this much free space (plus the message's declared size) MAIL is answered 452.
  std::uint64_t min_free_bytes = 0;
  // Maildirs that are kept open, per shard; two descriptors each.
  std::size_t mailboxes_open_max = 1024;
};

class MaildirSink final : public Sink {
 public:
  // Makes the template's root, looks at its file system and starts the threads. They inherit the
  // caller's CPU mask and block all signals. The first shard's sink also cleans up, in the
  // background, what crashed processes left. Fails where the root can't be made, naming the path.
  // hostname: for the names of files; empty: gethostname(2). host outlives the sink.
  static Result<std::unique_ptr<Sink>> create(const MaildirTemplate& where,
                                              const MaildirOptions& options,
                                              std::string_view hostname, unsigned shard_index,
                                              SinkHost& host);
  // Gives up messages that are still open, without reporting on them, and waits for the threads.
  // Before the buffer pool goes.
  ~MaildirSink() override;

  std::string_view description() const override { return description_; }
  ContentForm content_form() const override { return ContentForm::lf; }
  bool final_delivery() const override { return true; }

  int event_fd() const override { return queue_.event_fd(); }
  void poll() override;
  bool has_ready() const override { return !outgoing_.empty() || queue_.has_returned(); }

  Receipt available(std::uint64_t size) override;
  SinkMessage* open(const Envelope& envelope, SinkToken token, Receipt& refusal) override;
  Flow append(SinkMessage* message, Slice content) override;
  void commit(SinkMessage* message) override;
  void abort(SinkMessage* message) override;
  void relieve() override;

  std::uint64_t messages_open() const override { return messages_open_; }
  std::uint64_t bytes_held() const override { return bytes_held_; }

 private:
  MaildirSink(const MaildirTemplate& where, const MaildirOptions& options,
              std::string_view hostname, SinkHost& host, const FileSystemInfo& file_system);

  void start_threads(const FileSystemInfo& file_system);
  void start_cleaning();
  void add_targets(MaildirMessage& message, const Envelope& envelope);
  void submit(MaildirMessage& message, bool finish);
  void hand_over();
  void take_back(MaildirMessage& message);
  void report(MaildirMessage& message);
  void report_in_doubt(const MaildirMessage& message);
  void free_message(MaildirMessage& message);

  MaildirTemplate where_;
  MaildirOptions options_;
  ProcessIdentity identity_;
  SinkHost& host_;
  std::string description_;
  FreeSpace free_space_;
  std::string refusal_cause_;
  MonotonicNs measured_at_ = 0;
  std::uint64_t sequence_ = 0;
  std::size_t stream_threshold_;

  MaildirQueue queue_;
  std::vector<MaildirMessage*> outgoing_;  // submitted since the last hand-over
  std::vector<MaildirMessage*> open_;      // in no order; each knows its place
  std::vector<std::unique_ptr<MaildirMessage>> unused_;
  std::vector<Receipt> receipts_;
  std::uint64_t messages_open_ = 0;
  std::uint64_t bytes_held_ = 0;

  std::vector<std::unique_ptr<MaildirWriter>> writers_;
  std::vector<WorkerThread> threads_;
  std::atomic<bool> stop_cleaning_{false};
};

}  // namespace gatepost
