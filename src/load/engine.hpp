// One thread of a run: a ring, its connections, and the clock that drives them.
//
// engine.cpp decides what happens next; engine_outcome.cpp accounts for what happened;
// engine_io.cpp moves octets and opens and closes sockets. Each turn: submit, wait, handle
// completions, hand out messages that are due, wake sleepers.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "buffer/buffer_pool.hpp"
#include "load/body.hpp"
#include "load/client_session.hpp"
#include "load/ledger.hpp"
#include "load/limits.hpp"
#include "load/options.hpp"
#include "load/pacer.hpp"
#include "load/reply_parser.hpp"
#include "load/tally.hpp"
#include "load/timers.hpp"
#include "ring/buffer_ring.hpp"
#include "ring/ring.hpp"

namespace gatepost::load {

enum class Phase : std::uint8_t {
  vacant,   // no socket
  waiting,  // no socket, until wake_at
  connecting,
  talking,
  idle,       // greeted, nothing to send (open loop)
  silent,     // a silent client, until wake_at
  lingering,  // half closed, until the server closes or wake_at
  closing,    // until nothing is underway in the kernel
  retired     // not used any more
};

struct Connection {
  explicit Connection(const ClientSession::Settings& settings) : session(settings) {}

  Phase phase = Phase::vacant;
  bool receiving = false, sending = false, connecting = false;  // underway in the kernel
  bool has_ticket = false;    // a message was taken from the pacer and is not settled yet
  bool begun = false;         // and its sending has begun
  bool greeted = false;       // EHLO or HELO was taken
  bool peer_closed = false;   // seen while sending
  bool out_of_step = false;   // the server answered before the content's end
  bool faulty = false;        // this connection ended with a fault
  Kind kind = Kind::normal;   // of the ticket
  std::uint8_t failures = 0;  // connections in a row that brought nothing
  std::int32_t fd = -1;
  std::uint32_t generation = 0;
  std::uint32_t messages = 0;  // begun on this connection
  MonotonicNs due = 0;         // from which the message's latency counts
  MonotonicNs opened_at = 0, end_of_data_at = 0, activity_at = 0, wake_at = 0;
  ClientSession session;
  ReplyParser parser;
  std::string early;  // octets that came while sending
  msghdr header{};
  std::array<iovec, limits::send_pieces_max> pieces{};
};

class Engine {
 public:
  // thread: 0..options.threads - 1. `stop`: 0 go on, 1 begin nothing more, 2 end at once. All
  // references outlive the engine.
  Engine(const RunOptions& options, unsigned thread, std::string_view run_name,
         std::string_view date, Ledger* ledger, const std::atomic<int>& stop, Progress& progress);

  // Creates the ring, runs to the end on the calling thread. Fails only where there is no ring.
  Result<Tally> run();

 private:
  enum Operation : std::uint8_t { op_connect = 1, op_recv, op_send, op_timer, op_other };

  // --- engine.cpp
  Result<Done> prepare();
  void handle(const ring::Completion& completion);
  void dispatch();
  void begin_message(Connection& c);
  void next_for(Connection& c);
  void advance(Connection& c, ClientSession::Step step);
  void on_ready(Connection& c);
  void wake(Connection& c);
  void tick();
  void check_timeout(Connection& c);
  void begin_stop();
  void end_waiting();
  bool ended() const { return now_ >= pacer_.end(); }
  bool finished() const;
  void arm_timer();

  // --- engine_outcome.cpp
  void on_finished(Connection& c);
  void cut(Connection& c);
  static Fault loss_of(const Connection& c);
  void broken(Connection& c, Fault fault);
  void settle_loss(Connection& c, Fault fault);
  void drop_ticket(Connection& c);
  void record(Connection& c, LedgerState state);
  void put_back(Connection& c);
  void note_unstarted();
  void note_transaction(Kind kind, MonotonicNs latency, std::uint64_t times = 1);

  // --- engine_io.cpp
  void open(Connection& c);
  std::optional<Fault> open_socket(Connection& c);
  void on_connected(Connection& c, int result);
  void on_received(Connection& c, const ring::Completion& completion);
  void take_octets(Connection& c, std::string_view octets);
  void on_peer_closed(Connection& c);
  void submit(Connection& c);
  void on_sent(Connection& c, int result);
  void take_early(Connection& c);
  void arm_receive(Connection& c);
  void stop_traffic(Connection& c, int how);
  void hang_up(Connection& c, bool reset = false);
  void release_if_quiet(Connection& c);
  void sleep_until(Connection& c, MonotonicNs at);
  std::uint32_t slot_of(const Connection& c) const {
    return static_cast<std::uint32_t>(&c - connections_.data());
  }
  ring::Tag tag(const Connection& c, Operation operation) const {
    return {operation, c.generation, slot_of(c)};
  }
  ring::Descriptor socket(const Connection& c) const { return {c.fd, false}; }

  const RunOptions& options_;
  unsigned thread_;
  const std::atomic<int>& stop_;
  Progress& progress_;
  Random random_;
  Composer composer_;
  LedgerWriter ledger_;
  Tally tally_;

  std::unique_ptr<ring::Ring> ring_;
  std::unique_ptr<BufferPool> pool_;
  std::unique_ptr<ring::BufferRing> buffers_;
  std::vector<Connection> connections_;
  std::vector<std::uint32_t> vacant_, idle_;  // as stacks: the last one used is the next one
  std::uint32_t connecting_ = 0, retired_ = 0, active_ = 0, waiting_tickets_ = 0;
  std::uint32_t next_mailbox_ = 0, next_source_ = 0;

  Pacer pacer_;
  Timers timers_;
  MonotonicNs now_ = 0, next_tick_ = 0, grace_end_ = ~MonotonicNs{0};
  bool stopping_ = false;
  __kernel_timespec timer_{};
  MonotonicNs timer_at_ = ~MonotonicNs{0};
  std::uint32_t timer_generation_ = 0;
};

}  // namespace gatepost::load
