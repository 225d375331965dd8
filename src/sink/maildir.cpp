#include "sink/maildir.hpp"

#include <algorithm>
#include <cerrno>

#include "fmt/format.h"
#include "sink/files.hpp"
#include "sink/maildir_cleaning.hpp"

namespace gatepost {
namespace {

// Content of this much is worth a hand-off of its own before the message is whole.
constexpr std::size_t stream_threshold_max = 64 * 1024;
constexpr std::uint64_t hold_limit_min = 16 * 1024;
// Submitted messages that are handed over without waiting for the end of the shard's loop.
constexpr std::size_t outgoing_max = 64;
constexpr std::size_t unused_messages_max = 1024;
constexpr MonotonicNs measure_every_ns = 1'000'000'000;
constexpr unsigned batched_threads = 2;
constexpr unsigned portable_threads = 8;
constexpr unsigned threads_max = 64;
// A batch: enough to share a flush among many, little enough that none waits long for the others.
constexpr std::size_t batched_messages_max = 256;
constexpr std::size_t portable_messages_max = 16;
constexpr std::size_t batch_targets_max = 1024;

std::string describe(const MaildirTemplate& where, const FileSystemInfo& file_system) {
  constexpr std::string_view orders[] = {"portable", "batched, two flushes", "batched"};
  return fmt::format("maildir {}, {} on {}", where.text(),
                     orders[static_cast<std::size_t>(file_system.order)], file_system.name);
}

// Header fields come with CRLF; files have LF (SINK-06).
void append_field(MessageContent& content, std::string_view field) {
  while (!field.empty()) {
    const std::size_t end = std::min(field.find('\r'), field.size());
    content.append_copy(field.substr(0, end));
    field.remove_prefix(std::min(end + 1, field.size()));
  }
}

}  // namespace

Result<std::unique_ptr<Sink>> MaildirSink::create(const MaildirTemplate& where,
                                                  const MaildirOptions& options,
                                                  std::string_view hostname, unsigned shard_index,
                                                  SinkHost& host) {
  if (const FileFailure failure = make_root(where.root()); failure.failed()) {
    return Error{failure.cause};
  }
  const FileDescriptor root(files::open(where.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return Error{FileFailure::of("open", where.root(), errno).cause};
  const FileSystemInfo file_system = inspect_file_system(root.get(), options.sync);

  std::unique_ptr<MaildirSink> sink(new MaildirSink(where, options, hostname, host, file_system));
  sink->start_threads(file_system);
  if (shard_index == 0) sink->start_cleaning();
  return std::unique_ptr<Sink>(std::move(sink));
}

MaildirSink::MaildirSink(const MaildirTemplate& where, const MaildirOptions& options,
                         std::string_view hostname, SinkHost& host,
                         const FileSystemInfo& file_system)
    : where_(where),
      options_(options),
      identity_(ProcessIdentity::current(hostname)),
      host_(host),
      description_(describe(where, file_system)),
      free_space_(where.root()) {
  options_.hold_limit_bytes = std::max(options_.hold_limit_bytes, hold_limit_min);
  // A message that is paused must have something with the writers, or it would never go on.
  stream_threshold_ = std::min<std::size_t>(stream_threshold_max, options_.hold_limit_bytes / 2);
}

MaildirSink::~MaildirSink() {
  stop_cleaning_ = true;
  for (MaildirMessage* message : open_) {
    message->aborted.store(true, std::memory_order_relaxed);
    // Its file is closed and its temporary name removed where that may block.
    if (message->side == MaildirMessage::Side::shard) submit(*message, false);
  }
  hand_over();
  queue_.stop();
  for (WorkerThread& thread : threads_) thread.join();
  for (MaildirMessage* message : open_) {
    // Given up when its name was there already: nobody is told any more but the operator.
    report_in_doubt(*message);
    delete message;
  }
}

void MaildirSink::start_threads(const FileSystemInfo& file_system) {
  free_space_.measure();
  measured_at_ = Clock::monotonic_ns();
  const bool portable = file_system.order == FileOrder::portable;
  unsigned count = options_.threads;
  if (count == 0) count = portable ? portable_threads : batched_threads;
  count = std::min(count, threads_max);

  MaildirWriter::Plan plan;
  plan.root = where_.root();
  plan.sync = options_.sync;
  plan.mailboxes_max = std::max<std::size_t>(1, options_.mailboxes_open_max / count);
  plan.share = {portable ? portable_messages_max : batched_messages_max, batch_targets_max,
                portable ? count : 1};
  for (unsigned i = 0; i < count; ++i) {
    writers_.push_back(std::make_unique<MaildirWriter>(plan, queue_, free_space_));
    threads_.emplace_back("gp-maildir", [writer = writers_.back().get()] { writer->run(); });
  }
}

void MaildirSink::start_cleaning() {
  threads_.emplace_back("gp-clean", [this] { clean_maildirs(where_, identity_, stop_cleaning_); });
}

Receipt MaildirSink::available(std::uint64_t size) {
  const MonotonicNs now = Clock::monotonic_ns();
  if (now - measured_at_ >= measure_every_ns) {
    measured_at_ = now;
    queue_.request_measurement();
  }
  const std::uint64_t free = free_space_.bytes();
  if (free > 0 && free >= options_.min_free_bytes && free - options_.min_free_bytes >= size) {
    return {Disposition::taken_over, {}};
  }
  refusal_cause_ = fmt::format("{}: {} bytes free, {} to be kept free, {} declared", where_.root(),
                               free, options_.min_free_bytes, size);
  return {Disposition::storage_full, refusal_cause_};
}

SinkMessage* MaildirSink::open(const Envelope& envelope, SinkToken token, Receipt&) {
  std::unique_ptr<MaildirMessage> message;
  if (unused_.empty()) {
    message = std::make_unique<MaildirMessage>();
  } else {
    message = std::move(unused_.back());
    unused_.pop_back();
  }
  message->token = token;
  message->id = envelope.id;
  message->position = open_.size();
  append_file_name(message->name, identity_, envelope.received_at, sequence_++, envelope.id);
  add_targets(*message, envelope);
  append_field(message->gathered, envelope.return_path_field);
  append_field(message->gathered, envelope.received_field);
  bytes_held_ += message->gathered.size();
  open_.push_back(message.get());
  ++messages_open_;
  return message.release();
}

void MaildirSink::add_targets(MaildirMessage& message, const Envelope& envelope) {
  GP_CHECK(!envelope.recipients.empty());
  // Recipients may share a maildir, which then gets one copy. Which do is found by sorting.
  const std::size_t count = envelope.recipients.size();
  message.target_of_recipient.resize(count);
  if (count == 1) {
    message.targets.emplace_back();
    where_.append_mailbox(message.targets.back().path, envelope.recipients.front());
    message.target_of_recipient[0] = 0;
    return;
  }
  struct Place {
    std::string path;
    std::uint32_t recipient;
  };
  std::vector<Place> places(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    places[i].recipient = i;
    where_.append_mailbox(places[i].path, envelope.recipients[i]);
  }
  std::sort(places.begin(), places.end(),
            [](const Place& a, const Place& b) { return a.path < b.path; });
  for (Place& place : places) {
    if (message.targets.empty() || message.targets.back().path != place.path) {
      message.targets.emplace_back();
      message.targets.back().path = std::move(place.path);
    }
    message.target_of_recipient[place.recipient] =
        static_cast<std::uint32_t>(message.targets.size() - 1);
  }
}

Flow MaildirSink::append(SinkMessage* handle, Slice content) {
  auto& message = *static_cast<MaildirMessage*>(handle);
  GP_CHECK(!message.committed && !message.aborted.load(std::memory_order_relaxed));
  const bool at_shard = message.side == MaildirMessage::Side::shard;
  // Of a message that has failed the rest only goes by.
  if (at_shard && message.failure.failed()) return Flow::go_on;
  bytes_held_ += content.size();
  message.gathered.append(std::move(content));
  if (at_shard && message.gathered.size() >= stream_threshold_) submit(message, false);
  if (message.gathered.size() + message.in_writing <= options_.hold_limit_bytes) {
    return Flow::go_on;
  }
  message.paused = true;
  return Flow::pause;
}

void MaildirSink::commit(SinkMessage* handle) {
  auto& message = *static_cast<MaildirMessage*>(handle);
  GP_CHECK(!message.committed && !message.aborted.load(std::memory_order_relaxed));
  message.committed = true;
  message.paused = false;
  if (message.side == MaildirMessage::Side::shard) submit(message, true);
}

void MaildirSink::abort(SinkMessage* handle) {
  auto& message = *static_cast<MaildirMessage*>(handle);
  GP_CHECK(!message.aborted.load(std::memory_order_relaxed));
  message.aborted.store(true, std::memory_order_relaxed);
  --messages_open_;
  bytes_held_ -= message.gathered.size();
  message.gathered.clear();
  if (message.side == MaildirMessage::Side::writers) return;  // poll() sees to it
  if (message.file.valid()) {
    submit(message, false);
  } else {
    free_message(message);
  }
}

void MaildirSink::relieve() {
  for (MaildirMessage* message : open_) {
    if (message->side == MaildirMessage::Side::shard && message->gathered.holds_buffers()) {
      submit(*message, false);
    }
  }
}

void MaildirSink::submit(MaildirMessage& message, bool finish) {
  message.writing.swap(message.gathered);
  message.in_writing = message.writing.size();
  message.finish = finish;
  message.side = MaildirMessage::Side::writers;
  outgoing_.push_back(&message);
  if (outgoing_.size() >= outgoing_max) hand_over();
}

void MaildirSink::hand_over() {
  queue_.hand_over(outgoing_);
  outgoing_.clear();
}

void MaildirSink::poll() {
  hand_over();
  MaildirMessage* message = queue_.take_returned();
  while (message != nullptr) {
    MaildirMessage* const next = message->next;
    take_back(*message);
    message = next;
  }
  hand_over();
}

void MaildirSink::take_back(MaildirMessage& message) {
  bytes_held_ -= message.in_writing;
  message.in_writing = 0;
  message.writing.clear();
  message.side = MaildirMessage::Side::shard;
  if (message.aborted.load(std::memory_order_relaxed)) {
    report_in_doubt(message);
    if (message.file.valid()) {
      submit(message, false);
    } else {
      free_message(message);
    }
    return;
  }
  if (message.finished) return report(message);

  if (message.failure.failed()) {
    bytes_held_ -= message.gathered.size();
    message.gathered.clear();
  }
  if (message.committed) {
    submit(message, true);
  } else if (message.gathered.size() >= stream_threshold_) {
    submit(message, false);
  }
  if (message.paused &&
      message.gathered.size() + message.in_writing <= options_.hold_limit_bytes / 2) {
    message.paused = false;
    host_.drained(message.token);  // may append, commit or abort: nothing after it
  }
}

void MaildirSink::report(MaildirMessage& message) {
  const auto receipt_of = [&](const MaildirTarget& target) -> Receipt {
    if (target.linked) return {Disposition::taken_over, {}};
    const FileFailure& why = target.failure.failed() ? target.failure : message.failure;
    GP_CHECK(why.failed());
    return {why.disposition, why.cause};
  };
  receipts_.clear();
  if (message.targets.size() == 1) {
    receipts_.push_back(receipt_of(message.targets.front()));
  } else {
    for (const std::uint32_t target : message.target_of_recipient) {
      receipts_.push_back(receipt_of(message.targets[target]));
    }
  }
  --messages_open_;
  if (message.in_doubt) {
    host_.note(
        fmt::format("{}: failed, and its name new/{} could not be taken away for certain: "
                    "look for it in {} and {} other maildirs",
                    message.id.view(), message.linked_name, message.targets.front().path,
                    message.targets.size() - 1));
  }
  host_.receipt(message.token, receipts_);
  free_message(message);
}

void MaildirSink::report_in_doubt(const MaildirMessage& message) {
  const bool linked = std::any_of(message.targets.begin(), message.targets.end(),
                                  [](const MaildirTarget& target) { return target.linked; });
  if (!linked && !message.in_doubt) return;
  host_.note(
      fmt::format("{}: given up when it was too late to take it back; it was delivered, "
                  "without an answer to the sender, as new/{} in {} and {} other maildirs",
                  message.id.view(), message.linked_name, message.targets.front().path,
                  message.targets.size() - 1));
}

void MaildirSink::free_message(MaildirMessage& message) {
  bytes_held_ -= message.gathered.size();
  open_[message.position] = open_.back();
  open_[message.position]->position = message.position;
  open_.pop_back();
  std::unique_ptr<MaildirMessage> owned(&message);
  if (unused_.size() >= unused_messages_max) return;
  owned->reset();
  unused_.push_back(std::move(owned));
}

}  // namespace gatepost
