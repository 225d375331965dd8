#include "observe/event_log.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/check.hpp"
#include "base/worker_thread.hpp"
#include "observe/event_lines.hpp"
#include "observe/event_record.hpp"
#include "observe/log_output.hpp"

namespace gatepost::observe {

namespace {

// Between two collections: the first while events come, up to the second while there are none.
constexpr int collect_interval_ms = 20;
constexpr int collect_interval_idle_ms = 100;
// Lines gathered for one write.
constexpr std::size_t batch_bytes = 256 * 1024;

}  // namespace

std::string_view log_level_name(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return "error";
    case LogLevel::warn:
      return "warn";
    case LogLevel::info:
      return "info";
    case LogLevel::debug:
      return "debug";
  }
  return "info";
}

struct EventLog::State {
  explicit State(Options given) : options(std::move(given)), output(options.output_fd) {}
  ~State() {
    if (wake_fd >= 0) close(wake_fd);
  }

  void run();
  bool collect_all();
  EventWriter* writer_at(std::size_t i);
  void report_drops(std::size_t i, const EventWriter& writer);
  void append_record(const std::uint8_t* record, int shard);
  void append_own_note(LogLevel level, int shard, std::string_view text);
  void write_batch();

  const Options options;
  LogOutput output;
  int wake_fd = -1;
  std::thread thread;

  std::mutex mutex;
  std::condition_variable round_done;
  std::vector<std::unique_ptr<EventWriter>> writers;
  std::uint64_t rounds_begun = 0;
  std::uint64_t rounds_done = 0;
  bool stopping = false;

  // The log thread's own.
  TimeStamp time_stamp;
  std::string batch;
  std::size_t batch_lines = 0;
  std::vector<EventCursor> unread;
  std::vector<std::uint64_t> drops_reported;  // by writer
  std::uint64_t lines_lost = 0;               // could not be written to the output
};

void EventLog::State::append_record(const std::uint8_t* record, int shard) {
  LineContext context{time_stamp, options.verb_names, shard};
  if (options.format == LogFormat::json) {
    append_json_lines(batch, record, context);
  } else {
    append_text_lines(batch, record, context);
  }
  ++batch_lines;
}

void EventLog::State::append_own_note(LogLevel level, int shard, std::string_view text) {
  if (level > options.level) return;
  // A record of its own, so that there is one way only to make lines.
  alignas(8) std::uint8_t record[sizeof(RecordHeader) + 256];
  GP_CHECK(text.size() + 2 <= 256);
  RecordHeader header{{sizeof record, EventKind::note, level, 0, 1}, SystemClock::wall_us()};
  auto length = static_cast<std::uint16_t>(text.size());
  std::memcpy(record, &header, sizeof header);
  std::memcpy(record + sizeof header, &length, sizeof length);
  std::memcpy(record + sizeof header + sizeof length, text.data(), text.size());
  append_record(record, shard);
}

void EventLog::State::write_batch() {
  if (batch.empty()) return;
  if (output.write(batch)) {
    batch.clear();
    if (lines_lost != 0) {
      std::uint64_t lost = std::exchange(lines_lost, 0);
      append_own_note(LogLevel::warn, -1,
                      fmt::format("{} log lines dropped: they could not be written", lost));
    }
  } else {
    batch.clear();
    lines_lost += batch_lines;
  }
  batch_lines = 0;
}

EventWriter* EventLog::State::writer_at(std::size_t i) {
  // Writers are only ever added, and stay where they are.
  std::lock_guard lock(mutex);
  return i < writers.size() ? writers[i].get() : nullptr;
}

void EventLog::State::report_drops(std::size_t i, const EventWriter& writer) {
  if (i == drops_reported.size()) drops_reported.push_back(0);
  std::uint64_t dropped = writer.dropped();
  if (dropped == drops_reported[i]) return;
  append_own_note(LogLevel::warn, writer.shard(),
                  fmt::format("{} log lines dropped", dropped - drops_reported[i]));
  drops_reported[i] = dropped;
}

// The lines of all writers in the order of their time, as far as they are there. Returns whether
// there was anything.
bool EventLog::State::collect_all() {
  unread.clear();
  for (std::size_t i = 0; EventWriter* writer = writer_at(i); ++i) {
    EventCursor cursor(*writer);
    if (cursor.next()) unread.push_back(cursor);
  }
  const bool any = !unread.empty();
  while (!unread.empty()) {
    const auto earliest = std::ranges::min_element(unread, {}, &EventCursor::time_us);
    append_record(earliest->record(), earliest->writer().shard());
    if (!earliest->next()) unread.erase(earliest);
    if (batch.size() >= batch_bytes) write_batch();
  }
  for (std::size_t i = 0; EventWriter* writer = writer_at(i); ++i) report_drops(i, *writer);
  write_batch();
  if (!batch.empty()) write_batch();  // the note about lines lost before
  return any;
}

void EventLog::State::run() {
  batch.reserve(batch_bytes + 16 * 1024);
  int interval_ms = collect_interval_ms;
  for (bool last = false; !last;) {
    pollfd entry{wake_fd, POLLIN, 0};
    if (poll(&entry, 1, interval_ms) > 0) {
      eventfd_t count;
      eventfd_read(wake_fd, &count);
    }
    {
      std::lock_guard lock(mutex);
      last = stopping;
      ++rounds_begun;
    }
    bool any = collect_all();
    interval_ms = any ? collect_interval_ms : collect_interval_idle_ms;
    {
      std::lock_guard lock(mutex);
      rounds_done = rounds_begun;
    }
    round_done.notify_all();
  }
}

EventLog::EventLog(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<EventLog>> EventLog::start(Options options) {
  auto state = std::make_unique<State>(std::move(options));
  state->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (state->wake_fd < 0) return Error{fmt::format("event log: eventfd: {}", std::strerror(errno))};
  try {
    state->thread = start_thread("gatepost-log", [raw = state.get()] { raw->run(); });
  } catch (const std::system_error& error) {
    return Error{fmt::format("event log: cannot start a thread: {}", error.what())};
  }
  return std::unique_ptr<EventLog>(new EventLog(std::move(state)));
}

EventLog::~EventLog() {
  state_->output.abandon_at(SystemClock::monotonic_ns() +
                            state_->options.flush_time_max_ms * ns_per_ms);
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  eventfd_write(state_->wake_fd, 1);
  state_->thread.join();
}

EventWriter& EventLog::add_writer(int shard) {
  std::unique_ptr<EventWriter> writer(
      new EventWriter(shard, state_->options.level, state_->options.ring_bytes, state_->wake_fd));
  std::lock_guard lock(state_->mutex);
  state_->writers.push_back(std::move(writer));
  return *state_->writers.back();
}

void EventLog::flush() {
  std::unique_lock lock(state_->mutex);
  // A round that has begun may have passed a writer by already; the next one can't have.
  const std::uint64_t wanted = state_->rounds_begun + 1;
  eventfd_write(state_->wake_fd, 1);
  state_->round_done.wait_for(lock, std::chrono::milliseconds(state_->options.flush_time_max_ms),
                              [&] { return state_->rounds_done >= wanted; });
}

}  // namespace gatepost::observe
