#include <sys/eventfd.h>

#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "observe/event_log.hpp"
#include "observe/event_record.hpp"

namespace gatepost::observe {

namespace {

// The longest record must fit several times, so that one hostile session can't make every record a
// drop.
constexpr std::size_t record_strings_max = recipients_logged_max + 10;
constexpr std::size_t record_numbers_max = 64;
constexpr std::size_t record_size_max = sizeof(RecordHeader) + 8 * record_numbers_max +
                                        record_strings_max * (2 + logged_string_length_max) + 8;
constexpr std::size_t ring_size_min = 32 * 1024;
static_assert(ring_size_min >= 2 * record_size_max);

std::size_t ring_size(std::size_t wanted) {
  return std::bit_ceil(std::max(wanted, ring_size_min));
}

// What of `text` is recorded: at most logged_string_length_max octets, not ending within a UTF-8
// sequence.
std::size_t recorded_length(std::string_view text) {
  if (text.size() <= logged_string_length_max) return text.size();
  std::size_t length = logged_string_length_max;
  for (int back = 0; back < 3 && (static_cast<std::uint8_t>(text[length]) & 0xc0) == 0x80; ++back)
    --length;
  return length;
}

std::uint64_t pack_reply_and_port(const LoggedReply& reply, const LoggedSession& session) {
  return std::uint64_t{session.client_port} << 16 | reply.code;
}

}  // namespace

EventWriter::EventWriter(int shard, LogLevel level, std::size_t ring_bytes, int wake_fd)
    : shard_(shard),
      level_(level),
      wake_fd_(wake_fd),
      capacity_(ring_size(ring_bytes)),
      ring_(std::make_unique_for_overwrite<std::uint8_t[]>(capacity_)) {}

EventWriter::~EventWriter() = default;

std::uint8_t* EventWriter::reserve(std::size_t size) {
  GP_CHECK(size % 8 == 0 && size <= record_size_max);
  std::size_t position = tail_next_ & (capacity_ - 1);
  std::size_t to_end = capacity_ - position;
  std::size_t needed = to_end < size ? to_end + size : size;
  if (tail_next_ - head_seen_ + needed > capacity_) {
    head_seen_ = head_.load(std::memory_order_acquire);
    if (tail_next_ - head_seen_ + needed > capacity_) {
      dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return nullptr;
    }
  }
  if (to_end < size) {
    RecordStart padding{.size = static_cast<std::uint32_t>(to_end)};
    std::memcpy(ring_.get() + position, &padding, sizeof padding);
    tail_next_ += to_end;
    position = 0;
  }
  tail_next_ += size;
  return ring_.get() + position;
}

void EventWriter::publish() {
  tail_.store(tail_next_, std::memory_order_release);
  if (tail_next_ - head_seen_ <= capacity_ / 2) {
    wake_sent_ = false;
    return;
  }
  head_seen_ = head_.load(std::memory_order_acquire);
  if (tail_next_ - head_seen_ <= capacity_ / 2 || wake_sent_) return;
  wake_sent_ = true;
  eventfd_write(wake_fd_,
                1);  // eventfd(2), non-blocking; failing only means that a wake-up is due already
}

void EventWriter::record(EventKind kind, LogLevel level, WallUs now,
                         std::span<const std::uint64_t> numbers,
                         std::span<const std::string_view> strings) {
  std::size_t size = sizeof(RecordHeader) + numbers.size_bytes();
  for (std::string_view text : strings) size += 2 + recorded_length(text);
  size = (size + 7) & ~std::size_t{7};
  std::uint8_t* out = reserve(size);
  if (out == nullptr) return;

  RecordHeader header{
      {static_cast<std::uint32_t>(size), kind, level, static_cast<std::uint8_t>(numbers.size()),
       static_cast<std::uint8_t>(strings.size())},
      now};
  std::memcpy(out, &header, sizeof header);
  out += sizeof header;
  if (!numbers.empty()) std::memcpy(out, numbers.data(), numbers.size_bytes());
  out += numbers.size_bytes();
  for (std::string_view text : strings) {
    std::size_t length = recorded_length(text);
    auto prefix = static_cast<std::uint16_t>(length | (length < text.size() ? cut_flag : 0));
    std::memcpy(out, &prefix, sizeof prefix);
    out += sizeof prefix;
    if (length != 0) std::memcpy(out, text.data(), length);
    out += length;
  }
  publish();
}

void EventWriter::connect(WallUs now, const LoggedSession& session) {
  if (!wants(LogLevel::info)) return;
  const std::array<std::uint64_t, 1> numbers{pack_reply_and_port({}, session)};
  const std::array<std::string_view, 1> strings{session.client_address};
  record(EventKind::connect, LogLevel::info, now, numbers, strings);
}

void EventWriter::refuse(WallUs now, const LoggedSession& session, const LoggedReply& reply,
                         std::string_view cause) {
  if (!wants(LogLevel::info)) return;
  const std::array<std::uint64_t, 1> numbers{pack_reply_and_port(reply, session)};
  const std::array<std::string_view, 4> strings{session.client_address, reply.enhanced_status,
                                                reply.text, cause};
  record(EventKind::refuse, LogLevel::info, now, numbers, strings);
}

void EventWriter::disconnect(WallUs now, const LoggedSession& session,
                             std::span<const VerbCount> counts, std::string_view reason) {
  if (!wants(LogLevel::info)) return;
  std::array<std::uint64_t, record_numbers_max> numbers;
  std::size_t count = 0;
  numbers[count++] = pack_reply_and_port({}, session);
  for (std::size_t verb = 0; verb < counts.size() && count + 2 <= numbers.size(); ++verb) {
    if (counts[verb].total == 0) continue;
    numbers[count++] = verb;
    numbers[count++] = std::uint64_t{counts[verb].accepted} << 32 | counts[verb].total;
  }
  const std::array<std::string_view, 3> strings{session.client_address, session.helo, reason};
  record(EventKind::disconnect, LogLevel::info, now, std::span(numbers).first(count), strings);
}

void EventWriter::message(WallUs now, const LoggedSession& session, const LoggedMessage& message) {
  const LogLevel level = message.cause.empty() ? LogLevel::info : LogLevel::warn;
  if (!wants(level)) return;
  const std::array<std::uint64_t, 5> numbers{pack_reply_and_port(message.reply, session),
                                             message.size_bytes, message.recipient_count,
                                             message.total_us, message.commit_us};
  std::array<std::string_view, record_strings_max> strings{
      session.client_address, session.protocol,
      session.helo,           message.id,
      message.reverse_path,   message.reply.enhanced_status,
      message.reply.text,     message.cause};
  std::size_t count = 8;
  for (std::string_view recipient :
       message.recipients.first(std::min(message.recipients.size(), recipients_logged_max)))
    strings[count++] = recipient;
  record(EventKind::message, level, now, numbers, std::span(strings).first(count));
}

void EventWriter::reject(WallUs now, const LoggedSession& session, const LoggedReject& reject) {
  const LogLevel level = reject.cause.empty() ? LogLevel::info : LogLevel::warn;
  if (!wants(level)) return;
  const std::array<std::uint64_t, 2> numbers{pack_reply_and_port(reject.reply, session),
                                             reject.has_reverse_path ? 1u : 0u};
  const std::array<std::string_view, 10> strings{
      session.client_address, session.protocol,
      session.helo,           reject.id,
      reject.reverse_path,    reject.reply.enhanced_status,
      reject.reply.text,      reject.cause,
      reject.command,         reject.recipient};
  record(EventKind::reject, level, now, numbers, strings);
}

void EventWriter::note(WallUs now, LogLevel level, std::string_view text) {
  if (!wants(level)) return;
  const std::array<std::string_view, 1> strings{text};
  record(EventKind::note, level, now, {}, strings);
}

void EventWriter::note(WallUs now, LogLevel level, const LoggedSession& session,
                       std::string_view text) {
  if (!wants(level)) return;
  const std::array<std::uint64_t, 1> numbers{pack_reply_and_port({}, session)};
  const std::array<std::string_view, 2> strings{session.client_address, text};
  record(EventKind::session_note, level, now, numbers, strings);
}

}  // namespace gatepost::observe
