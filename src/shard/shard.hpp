// One thread, one ring, its connections: where the way of a message can be read from top to bottom.
//
//   run():  wait -> completions -> sessions -> replies flushed -> submitted with the next wait
//
//   shard.cpp             the loop, completions, deadlines, drain
//   shard_connections.cpp accept, the peer's address, greeting, close
//   shard_input.cpp       octets -> session -> events -> sink
//   shard_output.cpp      replies -> socket
//   shard_log.cpp         what the operator is told
//
// Nothing in here is shared with another shard but the counts by address.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/message_id.hpp"
#include "base/result.hpp"
#include "base/wakeup.hpp"
#include "buffer/buffer_pool.hpp"
#include "gatepost/sink.hpp"
#include "observe/counters.hpp"
#include "observe/event_log.hpp"
#include "policy/admission.hpp"
#include "policy/recipients.hpp"
#include "ring/buffer_ring.hpp"
#include "ring/ring.hpp"
#include "shard/connection.hpp"
#include "shard/reply_arena.hpp"
#include "shard/timer_wheel.hpp"
#include "smtp/session.hpp"
#include "smtp/trace.hpp"

namespace gatepost::shard {

struct Options {
  unsigned number = 0;
  int cpu = -1;                            // to be pinned to; -1: anywhere
  std::uint32_t connections_max = 10'000;  // slots for sessions; how many may be is for `counts`
  std::uint32_t spare_slots = 256;         // for those who are told 421, and those about to go
  std::uint64_t timeout_ms = 300'000;
  std::uint64_t refused_timeout_ms = 60'000;   // after a 554 greeting (E17)
  std::uint64_t bare_dot_timeout_ms = 45'000;  // SMG-04
  std::uint64_t linger_timeout_ms = 5'000;     // for the peer's FIN after our last word
  std::uint64_t commit_timeout_ms = 60'000;
  std::uint64_t drain_timeout_ms = 30'000;
  // How long a peer may leave its replies unread while others wait for receive buffers.
  std::uint64_t unread_replies_borne_ms = 5'000;
  std::uint64_t min_data_rate_bytes_per_second = 500;  // 0: off
  std::uint32_t buffer_count = 4096;
  std::uint32_t buffer_size = 16 * 1024;
  ring::BufferMode buffer_mode = ring::BufferMode::single;
  bool direct_descriptors = false;
  smtp::Greeting greeting = smtp::Greeting::welcome;
  scan::BareNewline bare_newline = scan::BareNewline::keep;
  std::vector<policy::Address> own_addresses;  // of this host, for postmaster@[literal]
};

// What a shard is given to work with. Owned by main; all of it outlives the shard.
struct Surroundings {
  std::shared_ptr<const smtp::SessionConfig> session;
  const policy::RecipientDirectory* recipients = nullptr;
  const policy::ClientRules* clients = nullptr;
  policy::ConnectionCounts* counts = nullptr;
  observe::EventWriter* log = nullptr;
  observe::ShardCounters* counters = nullptr;
};

// A socket to accept from, owned by main until the shard stops listening to it.
struct Listener {
  int fd = -1;
  int family = 0;
};

class Shard final : public SinkHost, private smtp::SessionHost {
 public:
  Shard(const Options& options, Surroundings surroundings, std::vector<Listener> listeners);

  // The sink, made by whoever wires (it wants this shard as its host). Before run().
  void attach_sink(std::unique_ptr<Sink> sink);
  // Serves until drained or stopped. On the thread that calls it, which becomes the shard's.
  // `ready` is called once the ring is set up (or has failed) and before the first wait.
  Result<Done> run(const std::function<void(const Result<Done>&)>& ready);

  // --- Any thread ---
  // No new connections; ends when the running transactions are done or drain_timeout has passed.
  void drain();
  // Ends at once.
  void stop();

  // SinkHost.
  void receipt(SinkToken token, std::span<const Receipt> receipts) override;
  void drained(SinkToken token) override;
  void note(std::string_view text) override;

 private:
  enum Operation : std::uint8_t {
    op_accept,
    op_peer_name,
    op_recv,
    op_send,
    op_send_all,
    op_close,
    op_shutdown,
    op_cancel,
    op_tick,
    op_control,
    op_sink
  };
  enum class Order : std::uint8_t { serve, drain, stop };

  // The loop (shard.cpp).
  Result<Done> set_up();
  Result<Done> loop();
  void submit_last();
  void complete(const ring::Completion& completion);
  void read_clock();
  void end_of_loop();
  void on_control();
  void on_tick();
  void arm_tick();
  void begin_loop();
  void feed_starved();
  void dismiss_holders();
  void begin_drain();
  void on_deadline(std::uint32_t slot);
  void update_gauges();

  // Connections (shard_connections.cpp).
  void arm_accept(std::uint32_t listener);
  void on_accept(const ring::Completion& completion);
  void on_accept_failed(std::uint32_t listener, int error);
  void on_peer_name(Connection& connection, const ring::Completion& completion);
  void name_peer(Connection& connection, const sockaddr_storage& address);
  void greet_arrived();
  void greet(Connection& connection);
  void refuse(Connection& connection, observe::Refusal reason, std::string_view wire);
  void arm_recv(Connection& connection);
  void pause_recv(Connection& connection);
  void retire(Connection& connection, std::string_view reason);
  void linger(Connection& connection);
  void close_now(Connection& connection);
  void on_shutdown(Connection& connection);
  void finish_close(Connection& connection);
  void lost(Connection& connection, std::string_view reason);

  // Input (shard_input.cpp).
  void on_recv(Connection& connection, const ring::Completion& completion);
  void take_input(Connection& connection, Slice slice);
  void work_input(Connection& connection);
  void work(Connection& connection);
  bool work_slice(Connection& connection, Slice& slice);
  bool handle(Connection& connection, smtp::Event event);
  void decide_mail(Connection& connection);
  void decide_recipient(Connection& connection);
  void open_message(Connection& connection);
  void commit_message(Connection& connection);
  void finish_message(Connection& connection, const smtp::FixedReply* refusal,
                      std::string_view cause);
  void unblock(Connection& connection, unsigned reasons);
  void set_deadline(Connection& connection);
  void set_blocked_deadline(Connection& connection);
  void set_content_deadline(Connection& connection, std::size_t octets);
  void session_closed(Connection& connection);
  void append(Connection& connection, Slice slice);
  void hold(Slice slice);

  // SessionHost.
  bool reply(const smtp::ReplyNote& note) override;
  void content(std::uint8_t* octets, std::size_t size) override;
  void content_constant(std::string_view octets) override;
  void hold_content(std::uint8_t* octets, std::size_t size) override;
  void hold_constant(std::string_view octets) override;
  void resolve_held(bool keep) override;
  void abort_message() override;

  // What the operator is told (shard_log.cpp).
  void log_exchange(Connection& connection, const smtp::ReplyNote& note);
  void log_refused_command(Connection& connection, const smtp::ReplyNote& note);
  void log_message(Connection& connection, const smtp::ReplyNote& note);
  void count_ending(smtp::Ending ending);
  std::string end_reason(Connection& connection) const;
  static std::string after_verb(std::string_view what, const Connection& connection);
  static observe::LoggedReply logged_reply(std::string_view wire);
  observe::LoggedSession logged(Connection& connection) const;

  // Output (shard_output.cpp).
  void put(Connection& connection, std::string_view octets);
  void flush_replies();
  void flush(Connection& connection);
  void stall(Connection& connection, const char* octets, std::size_t size);
  void send_stalled(Connection& connection);
  void on_send(Connection& connection, const ring::Completion& completion);
  void on_send_all(Connection& connection, const ring::Completion& completion);
  void want_flush(Connection& connection);
  void want_resume(Connection& connection);
  void resume_in_next_loop(Connection& connection);

  ring::Tag tag(Operation operation, const Connection& connection) const {
    return {operation, connection.generation, table_.slot_of(connection)};
  }
  SinkToken token(const Connection& connection) const { return tag(op_sink, connection).pack(); }
  void set_deadline_in(Connection& connection, std::uint64_t ms) {
    wheel_.set(table_.slot_of(connection), now_ms_ + ms);
  }

  const Options options_;
  const Surroundings with_;
  std::vector<Listener> listeners_;
  ConnectionTable table_;
  TimerWheel wheel_;
  SlicePool slices_;
  smtp::SessionPools pools_;
  MessageIdGenerator ids_;
  smtp::TraceWriter trace_;
  policy::RecipientView recipients_;
  observe::ShardCounters& counters_;
  observe::EventWriter& log_;
  std::unique_ptr<BufferPool> pool_;
  BufferPool held_octets_;  // for content that is held, a few octets a connection
  std::unique_ptr<ring::Ring> ring_;
  std::unique_ptr<ring::BufferRing> buffers_;
  std::unique_ptr<Sink> sink_;
  smtp::ContentStyle style_;

  ReplyArena arenas_[2];
  unsigned arena_ = 0;
  std::vector<Connection*> flush_list_;
  std::vector<Connection*> flushed_;  // the last loop's, whose `sent` stands in the other arena
  std::vector<Connection*> resume_list_;
  std::vector<Connection*> resuming_;
  std::vector<Connection*> resume_next_;  // in the next loop
  std::vector<Connection*> closing_;      // to be closed in the next loop
  std::vector<Connection*> starved_;
  std::vector<std::uint64_t> arrived_;  // tags of connections to greet in this loop
  std::vector<std::uint64_t> greeting_;
  std::vector<std::uint32_t> accepts_paused_;  // listeners to be armed again at the next tick
  std::uint64_t accept_noted_ms_ = 0;
  Connection* current_ = nullptr;  // whose session is at work
  Slice* current_slice_ = nullptr;
  bool replied_ = false;  // since work() was begun

  std::string_view cause_;  // for the log line of what is being answered

  MonotonicNs now_ns_ = 0;
  std::uint64_t now_ms_ = 0;  // for deadlines: without the time that the shard stood still
  std::uint64_t stood_still_ms_ = 0;
  WallUs wall_us_ = 0;
  __kernel_timespec tick_{};
  bool tick_armed_ = false;
  bool relieve_due_ = false;
  bool buffers_low_ = false;
  bool arena_free_ = true;
  bool draining_ = false;
  bool stopping_ = false;
  std::uint64_t drain_deadline_ms_ = 0;
  Wakeup control_;
  std::atomic<Order> order_{Order::serve};
};

}  // namespace gatepost::shard
