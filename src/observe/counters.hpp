// What a shard counts, and how the metrics thread reads it.
//
// Each ShardCounters is written by its shard's thread only and read by any thread at any time. A
// write is a plain load, add and store: no locked instruction, no fence. A reader may see two
// counters a moment apart, never a torn one.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gatepost::observe {

// Only ever grows. Written by one thread.
class Counter {
 public:
  void add(std::uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  // Takes over a total that something else counts (a ring's enters, a log's drops).
  void set_total(std::uint64_t total) { value_.store(total, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Goes up and down. Written by one thread.
class Gauge {
 public:
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  void increment() { set(value() + 1); }
  void decrement() { set(value() - 1); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Upper bounds in microseconds, inclusive as Prometheus counts them.
inline constexpr std::array<std::uint64_t, 18> session_bounds_us{
    1'000,      2'500,      5'000,      10'000,      25'000,      50'000,
    100'000,    250'000,    500'000,    1'000'000,   2'500'000,   5'000'000,
    10'000'000, 30'000'000, 60'000'000, 120'000'000, 300'000'000, 600'000'000};
inline constexpr std::array<std::uint64_t, 18> commit_bounds_us{
    100,     250,     500,     1'000,     2'500,     5'000,     10'000,     25'000,     50'000,
    100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000};

// Durations sorted into fixed buckets. Recording takes one table look-up and one comparison:
// because each bound is at least twice the one before, at most one bound lies within any power of
// two.
template <const auto& bounds_us>
class Histogram {
 public:
  static constexpr std::size_t bucket_count = bounds_us.size() + 1;  // the last one is "+Inf"

  // duration: nanoseconds.
  void record(std::uint64_t duration_ns) {
    std::uint64_t us = (duration_ns + 999) / 1000;
    std::size_t index = first_bucket_[std::bit_width(us)];
    if (index < bounds_us.size() && us > bounds_us[index]) ++index;
    buckets_[index].add();
    sum_ns_.add(duration_ns);
  }

  // Observations in bucket `index` alone (not cumulated).
  std::uint64_t bucket(std::size_t index) const { return buckets_[index].value(); }
  std::uint64_t sum_ns() const { return sum_ns_.value(); }
  static constexpr double upper_bound_seconds(std::size_t index) {
    return static_cast<double>(bounds_us[index]) / 1e6;
  }

 private:
  static constexpr std::array<std::uint8_t, 65> make_first_bucket() {
    std::array<std::uint8_t, 65> table{};
    for (std::size_t width = 0; width <= 64; ++width) {
      std::uint64_t smallest = width == 0 ? 0 : std::uint64_t{1} << (width - 1);
      std::size_t index = 0;
      while (index < bounds_us.size() && bounds_us[index] < smallest) ++index;
      table[width] = static_cast<std::uint8_t>(index);
    }
    return table;
  }
  static constexpr bool bounds_double() {
    for (std::size_t i = 1; i < bounds_us.size(); ++i) {
      if (bounds_us[i] < 2 * bounds_us[i - 1]) return false;
    }
    return true;
  }
  static_assert(bounds_double());
  static constexpr std::array<std::uint8_t, 65> first_bucket_ = make_first_bucket();

  std::array<Counter, bucket_count> buckets_;
  Counter sum_ns_;
};

using SessionHistogram = Histogram<session_bounds_us>;
using CommitHistogram = Histogram<commit_bounds_us>;

// Why a connection was turned away at its greeting.
enum class Refusal : std::uint8_t {
  process_full,    // --max-connections
  address_full,    // --max-connections-per-ip
  denied,          // --deny-client
  refuse_all,      // --refuse-all
  draining,        // shutting down
  no_descriptors,  // EMFILE, ENFILE, or the ring's table is full
  count
};
// What ran out of time.
enum class Timeout : std::uint8_t {
  command,       // no whole command line within --timeout
  content,       // silence in DATA or a BDAT chunk
  too_slow,      // below --min-data-rate
  reply,         // the peer does not read its replies
  bare_newline,  // waits after a bare-newline dot (SMG-04)
  commit,        // the sink did not answer within --commit-timeout
  drain,         // still busy when --drain-timeout ended
  count
};
std::string_view refusal_name(Refusal refusal);
std::string_view timeout_name(Timeout timeout);

constexpr std::size_t verb_slots = 32;
constexpr std::uint16_t reply_code_min = 200;
constexpr std::uint16_t reply_code_max = 599;

// All that one shard counts. The alignment keeps two shards from writing to one cache line.
struct alignas(64) ShardCounters {
  // Connections.
  Counter connections_accepted;  // every accept, also those refused at once
  std::array<Counter, static_cast<std::size_t>(Refusal::count)> connections_refused;
  Gauge connections_open;
  Counter connections_lost;  // ended by the peer without QUIT
  std::array<Counter, static_cast<std::size_t>(Timeout::count)> timeouts;

  // Protocol.
  std::array<Counter, verb_slots> commands;  // by smtp::Verb; names are given to the metrics page
  // By code and by the verb that was answered; the last verb slot has greetings and what was said
  // unasked.
  std::array<std::array<Counter, verb_slots>, reply_code_max - reply_code_min + 1> replies;
  Counter early_talkers;            // octets before the greeting (SMG-11)
  Counter pipelining_violations;    // octets behind a command that must end its group (SMG-11)
  Counter bare_newline_refusals;    // messages refused for a bare CR or LF (SMG-02)
  Counter error_limit_disconnects;  // --hard-error-limit

  // Messages.
  Counter messages_accepted;
  Counter messages_deferred;  // a 4yz at the end of data
  Counter messages_rejected;  // a 5yz at the end of data
  Counter messages_aborted;   // content begun, connection gone before the reply
  Counter recipients_accepted;
  Counter recipients_rejected;
  Counter bytes_received;  // from sockets
  Counter content_bytes;   // handed to the sink

  // Resources.
  Gauge buffers_in_use;
  Counter buffer_exhaustion_pauses;  // ENOBUFS
  Counter send_stalls;               // replies that did not fit into the socket at once
  Counter sink_stalls;               // Flow::pause from the sink
  Counter sink_refusals;             // MAIL refused because the sink can't take it now
  Gauge sink_messages_open;
  Gauge sink_bytes_held;
  Counter ring_enters;
  Counter ring_completions;
  Counter ring_overflows;

  // Durations.
  SessionHistogram session_time;  // accept to close
  SessionHistogram data_time;     // 354 or first BDAT to the end of data
  CommitHistogram commit_time;    // Sink::commit() to its receipt

  void count_reply(std::uint16_t code, std::uint8_t verb = verb_slots - 1) {
    if (code >= reply_code_min && code <= reply_code_max)
      replies[code - reply_code_min][verb < verb_slots ? verb : verb_slots - 1].add();
  }
  void count_command(std::uint8_t verb) {
    commands[verb < verb_slots ? verb : verb_slots - 1].add();
  }
  void count_refusal(Refusal reason) {
    connections_refused[static_cast<std::size_t>(reason)].add();
  }
  void count_timeout(Timeout kind) { timeouts[static_cast<std::size_t>(kind)].add(); }
};

}  // namespace gatepost::observe
