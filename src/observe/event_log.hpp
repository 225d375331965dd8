// The event log: shards write compact binary records into rings of their own, one thread turns them
// into lines.
//
// A shard never waits for the log and never formats: EventWriter copies the fields into a byte ring
// (single producer, single consumer). When the ring is full the event is dropped and counted. The
// log thread collects all rings every 20 ms, or sooner when one is half full, formats text or JSON
// in the order of the events' times, and writes each batch with one call.
//
// Every string may come from the wire. It is cut to a bound when recorded and escaped when
// formatted, so that an event is always exactly one line and no peer can forge another.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace gatepost::observe {

enum class LogLevel : std::uint8_t { error, warn, info, debug };
enum class LogFormat : std::uint8_t { text, json };
std::string_view log_level_name(LogLevel level);
enum class EventKind : std::uint8_t;

// An answer in its separate parts, as the log shows it: "550 5.1.1 No such user here".
struct LoggedReply {
  std::uint16_t code = 0;                 // 0: there was no reply
  std::string_view enhanced_status = {};  // "5.1.1", or empty
  std::string_view text = {};             // one line; further lines are left out
};

// What a session is known by. Strings are needed during the call only.
struct LoggedSession {
  std::string_view client_address = {};  // "192.0.2.1" or "2001:db8::1"
  std::uint16_t client_port = 0;
  std::string_view protocol = {};  // "SMTP", "ESMTP", or empty before the greeting
  std::string_view helo = {};      // as given, or empty
};

// How often one verb was used in a session; accepted: answered with 2yz or 3yz.
struct VerbCount {
  std::uint32_t accepted = 0;
  std::uint32_t total = 0;
};

// One message from the begin of its content to its reply.
struct LoggedMessage {
  std::string_view id = {};
  std::string_view reverse_path = {};  // without angle brackets; empty is the null one
  std::span<const std::string_view> recipients =
      {};  // the first few are enough (recipients_logged_max)
  std::uint32_t recipient_count = 0;
  std::uint64_t size_bytes = 0;
  LoggedReply reply;            // 2yz accepted, 4yz deferred, 5yz rejected, code 0 aborted
  std::uint64_t total_us = 0;   // begin of content to reply
  std::uint64_t commit_us = 0;  // of which in the sink's commit
  std::string_view
      cause;  // what the operator needs beside the reply: "open /srv/...: Permission denied"
};

struct LoggedReject {
  std::string_view command = {};  // "RCPT", "MAIL", "EHLO", "DATA", "END-OF-MESSAGE", "CONNECT"
  LoggedReply reply;
  std::string_view cause = {};         // private, never sent to the peer; or empty
  std::string_view reverse_path = {};  // of the transaction
  bool has_reverse_path = false;       // false before MAIL: "from=" is left out
  std::string_view recipient = {};     // or empty
  std::string_view id = {};  // of the message, when it has one already; else "NOQUEUE" is printed
};

constexpr std::size_t recipients_logged_max = 8;
constexpr std::size_t logged_string_length_max = 512;

// The writing end of one thread. All functions: that thread only, never block, never allocate.
// `now` is the event's time. Events above the log's level cost one comparison.
class EventWriter {
 public:
  // shard: its number, or -1. ring_bytes: rounded up to a power of two. wake_fd: an eventfd(2) that
  // is written when the ring is half full; -1: none.
  EventWriter(int shard, LogLevel level, std::size_t ring_bytes, int wake_fd);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  bool wants(LogLevel level) const { return level <= level_; }

  // info: "connect from unknown[192.0.2.1]"
  void connect(WallUs now, const LoggedSession& session);
  // info: "refused connection from unknown[192.0.2.1]: 421 4.3.2 Too many connections"
  void refuse(WallUs now, const LoggedSession& session, const LoggedReply& reply,
              std::string_view cause);
  // info: "disconnect from unknown[192.0.2.1] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4". counts:
  // by verb, as many as verb names were given to the log. reason: empty after QUIT, else "lost
  // connection after DATA", "timeout after RCPT", ..., which text logs show as a line of its own,
  // as Postfix does.
  void disconnect(WallUs now, const LoggedSession& session, std::span<const VerbCount> counts,
                  std::string_view reason);
  // info, or warn when there is a cause: one line per message; in text, for one that was not taken,
  // a line more in the shape of a reject.
  void message(WallUs now, const LoggedSession& session, const LoggedMessage& message);
  // info, or warn when there is a cause: "NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 550 5.1.1
  // ...; from=<> to=<> proto=ESMTP helo=<>"
  void reject(WallUs now, const LoggedSession& session, const LoggedReject& reject);
  // A sentence at the given level.
  void note(WallUs now, LogLevel level, std::string_view text);
  // A sentence about one connection: "<text>: unknown[192.0.2.1]".
  void note(WallUs now, LogLevel level, const LoggedSession& session, std::string_view text);

  int shard() const { return shard_; }
  // Events lost because the ring was full. Any thread.
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  friend class EventCursor;
  void record(EventKind kind, LogLevel level, WallUs now, std::span<const std::uint64_t> numbers,
              std::span<const std::string_view> strings);
  // Room for `size` octets in one piece, or nullptr after counting a drop.
  std::uint8_t* reserve(std::size_t size);
  void publish();

  const int shard_;
  const LogLevel level_;
  const int wake_fd_;
  const std::size_t capacity_;  // a power of two
  const std::unique_ptr<std::uint8_t[]> ring_;
  // Positions count on; their low bits are the place in the ring.
  alignas(64) std::atomic<std::uint64_t> head_{0};  // read up to here; the log thread's
  alignas(64) std::atomic<std::uint64_t> tail_{0};  // written up to here; the shard's
  std::uint64_t tail_next_ = 0;
  std::uint64_t head_seen_ = 0;
  bool wake_sent_ = false;
  std::atomic<std::uint64_t> dropped_{0};
};

class EventLog {
 public:
  struct Options {
    LogFormat format = LogFormat::text;
    LogLevel level = LogLevel::info;
    int output_fd = 2;                              // not closed
    std::size_t ring_bytes = 1024 * 1024;           // per writer, rounded up to a power of two
    std::vector<std::string_view> verb_names = {};  // by verb; must outlive the log
    std::uint32_t flush_time_max_ms =
        2000;  // how long shutdown waits for a reader that does not read
  };

  // Starts the log thread. Fails when a thread or an eventfd can't be had.
  static Result<std::unique_ptr<EventLog>> start(Options options);
  // Writes out everything recorded before, then stops. Writers must not be used any more.
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // A writer for one thread; the log owns it. shard: its number, or -1 for the process's own
  // events. Any thread.
  EventWriter& add_writer(int shard);
  // Returns when all that was recorded before the call has been written, or when flush_time_max_ms
  // has passed. Any thread but a shard's: it waits.
  void flush();

 private:
  struct State;
  explicit EventLog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace gatepost::observe
