#include "shard/shard.hpp"

#include <sched.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gatepost::shard {
namespace {

// All that are there: a send that failed must be heard of before its octets are written over.
constexpr unsigned all_completions = ~0u;
// What recipients of all open transactions of a shard may occupy.
constexpr std::size_t envelope_budget_bytes = 64 * 1024 * 1024;
constexpr std::uint16_t buffer_group = 0;
constexpr std::uint64_t starved_recheck_ms = 1'000;
// A loop that comes so much later than the last one did not come in time.
constexpr std::uint64_t standstill_ms = 1'000;
// How long the kernel is waited for at the end, in ticks: far more than it ever needs.
constexpr unsigned last_ticks_max = 50;
// Below this part of its receive buffers a shard asks the sink to hand on what it holds, and
// connections that are blocked hold less.
constexpr std::uint32_t low_buffers_divisor = 4;
// Room for what a session may hold back of its content.
constexpr std::uint32_t held_octets_size = 16;
static_assert(held_octets_size >= smtp::HeaderInspector::undecided_max);

std::uint32_t held_octets_count(std::uint32_t connections) {
  return std::min(std::bit_ceil(connections),
                  static_cast<std::uint32_t>(bounds::receive_buffers_max));
}

}  // namespace

Shard::Shard(const Options& options, Surroundings surroundings, std::vector<Listener> listeners)
    : options_(options),
      with_(std::move(surroundings)),
      listeners_(std::move(listeners)),
      table_(options.connections_max + options.spare_slots),
      wheel_(options.connections_max + options.spare_slots),
      pools_(envelope_budget_bytes),
      ids_(options.number),
      trace_(with_.session->settings.hostname, with_.session->settings.software),
      recipients_(*with_.recipients),
      counters_(*with_.counters),
      log_(*with_.log),
      held_octets_(held_octets_count(options.connections_max), held_octets_size, false) {}

void Shard::attach_sink(std::unique_ptr<Sink> sink) {
  sink_ = std::move(sink);
  style_.line_end =
      sink_->content_form() == ContentForm::lf ? scan::LineEnd::lf : scan::LineEnd::crlf;
  style_.drop_return_path = sink_->final_delivery();
}

void Shard::drain() {
  Order serve = Order::serve;
  order_.compare_exchange_strong(serve, Order::drain);
  control_.signal();
}

void Shard::stop() {
  order_.store(Order::stop);
  control_.signal();
}

Result<Done> Shard::set_up() {
  if (options_.cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(options_.cpu), &set);
    // A container may not allow it; the shard serves unpinned then.
    if (sched_setaffinity(0, sizeof set, &set) != 0)
      note(std::string("cannot pin the shard's thread to CPU ") + std::to_string(options_.cpu) +
           ": " + std::strerror(errno));
  }
  ring::Ring::Options ring_options;
  if (options_.direct_descriptors) ring_options.direct_descriptors = table_.count();
  auto ring = ring::Ring::create(ring_options);
  if (!ring) return Error{ring.error()};
  ring_ = std::move(ring.value());
  pool_ = std::make_unique<BufferPool>(options_.buffer_count, options_.buffer_size, false);
  auto buffers = ring::BufferRing::create(*ring_, *pool_, buffer_group, options_.buffer_mode);
  if (!buffers) return Error{buffers.error()};
  buffers_ = std::move(buffers.value());
  read_clock();
  wheel_.start(now_ms_);
  for (std::uint32_t i = 0; i < listeners_.size(); ++i) arm_accept(i);
  ring_->poll_multishot(control_.fd(), {op_control, 0, 0});
  if (sink_->event_fd() >= 0) ring_->poll_multishot(sink_->event_fd(), {op_sink, 0, 0});
  return Done{};
}

Result<Done> Shard::run(const std::function<void(const Result<Done>&)>& ready) {
  GP_CHECK(sink_ != nullptr);
  Result<Done> set = set_up();
  ready(set);
  if (!set) return set;
  Result<Done> looped = loop();
  // What the sink has taken over by now is still answered.
  if (looped) {
    sink_->poll();
    end_of_loop();
  }
  // Whoever is left is cut off: messages without a receipt were never acknowledged.
  for (std::uint32_t slot = 0; slot < table_.used_end(); ++slot) {
    Connection& connection = table_.at(slot);
    if (connection.stage == Stage::free) continue;
    lost(connection, "shutdown");
  }
  submit_last();
  sink_.reset();
  for (std::uint32_t slot = 0; slot < table_.used_end(); ++slot) {
    Connection& connection = table_.at(slot);
    if (connection.stage == Stage::free) continue;
    slices_.clear(connection.held);
    slices_.clear(connection.held_content);
    table_.give_back(slot);
  }
  update_gauges();
  GP_CHECK(pools_.transactions.in_use() == 0);
  GP_CHECK(held_octets_.free_count() == held_octets_.count());
  buffers_.reset();
  ring_.reset();
  return looped;
}

// Last words and closes. No peer is waited for any more, only the kernel: a descriptor is closed
// for the peer too when no operation holds it any longer, and a worker looks the descriptor of a
// shutdown up when it comes to it.
void Shard::submit_last() {
  // The sink may take its time to end, which no peer is to notice.
  for (unsigned ticks = 0; ticks < last_ticks_max;) {
    const bool wait = table_.in_use() > 0;
    if (wait && !tick_armed_) arm_tick();
    const int handled = ring_->wait(wait, all_completions, [&](const ring::Completion& c) {
      switch (static_cast<Operation>(c.tag.operation)) {
        case op_accept:  // came too late
          if (c.result >= 0)
            ring_->close({c.result, options_.direct_descriptors}, {op_close, 0, 0});
          return;
        case op_tick:
          tick_armed_ = false;
          ++ticks;
          return;
        case op_control:
        case op_sink:
          return;
        default:
          return complete(c);
      }
    });
    if (handled < 0 || (!wait && handled == 0 && ring_->submitted_all())) return;
  }
}

// The submission has returned, its completions are to be worked off.
void Shard::begin_loop() {
  read_clock();
  // Whether the last loop's replies are with their sockets; what failed of them completes now. To
  // be asked before anything new is submitted.
  arena_free_ = ring_->submitted_all();
}

void Shard::read_clock() {
  now_ns_ = Clock::monotonic_ns();
  wall_us_ = Clock::wall_us();
  // While there are deadlines a loop comes with every tick. Where one is missing for long, the
  // process was stopped or the machine suspended: peers did not have that time to answer in, and it
  // counts as one tick.
  const std::uint64_t before = std::exchange(now_ms_, now_ns_ / ns_per_ms - stood_still_ms_);
  if (before == 0 || now_ms_ - before <= standstill_ms) return;
  stood_still_ms_ += now_ms_ - before - TimerWheel::tick_ms;
  now_ms_ = before + TimerWheel::tick_ms;
}

Result<Done> Shard::loop() {
  bool wait = true;
  while (!stopping_) {
    int handled =
        ring_->wait(wait, all_completions, [this, first = true](const ring::Completion& c) mutable {
          if (first) begin_loop();
          first = false;
          complete(c);
        });
    if (handled < 0) return Error{std::string("io_uring_enter: ") + std::strerror(-handled)};
    if (handled == 0) begin_loop();
    counters_.ring_completions.add(static_cast<std::uint64_t>(handled));
    end_of_loop();
    // What is to be gone on with at once must not wait for a completion.
    wait = resume_list_.empty() && arrived_.empty() && flush_list_.empty() && closing_.empty() &&
           (starved_.empty() || buffers_->available() == 0) && !sink_->has_ready();
    if (draining_ && table_.in_use() == 0) stopping_ = true;
  }
  return Done{};
}

// Completions are worked off: now everything goes out with one submission.
void Shard::end_of_loop() {
  // The last loop's replies were submitted and answered for by now.
  if (arena_free_) {
    for (Connection* connection : flushed_) connection->sent = nullptr;
    flushed_.clear();
    // Their last words are with their sockets, or it was told that they are not.
    for (Connection* connection : closing_) want_flush(*connection);
    closing_.clear();
  }
  greet_arrived();
  if (!resume_list_.empty()) {
    resuming_.swap(resume_list_);
    for (Connection* connection : resuming_) {
      connection->resume_due = false;
      if (connection->stage == Stage::open) work(*connection);
    }
    resuming_.clear();
  }
  if (sink_->has_ready()) sink_->poll();
  // A connection has one send under way at most: when the kernel takes no submissions (EAGAIN,
  // EBUSY) the next replies wait for it.
  if (arena_free_) {
    flush_replies();
    resume_list_.insert(resume_list_.end(), resume_next_.begin(), resume_next_.end());
    resume_next_.clear();
  }
  buffers_low_ = buffers_->unused() < options_.buffer_count / low_buffers_divisor;
  if (relieve_due_ || buffers_low_) {
    relieve_due_ = false;
    sink_->relieve();
  }
  buffers_->replenish();
  if (!starved_.empty()) feed_starved();
  if (!tick_armed_ && (!wheel_.empty() || draining_ || !accepts_paused_.empty())) arm_tick();
  update_gauges();
}

// As many as there are buffers, first come first served: to let all of them run for a few buffers
// would cost a submission and an error each.
void Shard::feed_starved() {
  const std::size_t count = std::min<std::size_t>(starved_.size(), buffers_->available());
  for (std::size_t i = 0; i < count; ++i) {
    Connection& connection = *starved_[i];
    if (connection.starved) {
      // The time was ours, not the peer's.
      const std::uint64_t waited = now_ms_ - connection.waiting_since_ms;
      const std::uint32_t slot = table_.slot_of(connection);
      wheel_.set(slot, wheel_.deadline_ms(slot) + waited);
      if (connection.content_deadline_ms > 0) connection.content_deadline_ms += waited;
    }
    connection.starved = false;
    // Who is blocked is armed when it goes on working.
    if (connection.blocked == 0 && connection.held.empty()) arm_recv(connection);
  }
  starved_.erase(starved_.begin(), starved_.begin() + static_cast<std::ptrdiff_t>(count));
}

// While others wait for receive buffers: a peer that does not read its replies, or that waits for
// the delay of its errors, must not keep one. Each of them holds a whole buffer for what may be a
// few octets.
void Shard::dismiss_holders() {
  for (std::uint32_t slot = 0; slot < table_.used_end(); ++slot) {
    Connection& connection = table_.at(slot);
    if (connection.stage != Stage::open || !connection.has_session || connection.held.empty())
      continue;
    if ((connection.blocked & blocked_output) != 0) {
      if (now_ms_ - connection.waiting_since_ms < options_.unread_replies_borne_ms) continue;
      counters_.count_timeout(observe::Timeout::reply);
      lost(connection, "replies are not read while buffers are short");
    } else if ((connection.blocked & blocked_sleep) != 0) {
      unblock(connection, blocked_sleep);
      current_ = &connection;
      handle(connection, connection.session().dismiss());
    }
  }
}

void Shard::update_gauges() {
  counters_.connections_open.set(table_.in_use());
  counters_.buffers_in_use.set(options_.buffer_count - (buffers_ ? buffers_->unused() : 0));
  counters_.sink_messages_open.set(sink_ ? sink_->messages_open() : 0);
  counters_.sink_bytes_held.set(sink_ ? sink_->bytes_held() : 0);
  counters_.ring_enters.set_total(ring_->enter_count());
  counters_.ring_overflows.set_total(ring_->overflow_count());
}

void Shard::complete(const ring::Completion& completion) {
  switch (static_cast<Operation>(completion.tag.operation)) {
    case op_accept:
      return on_accept(completion);
    case op_tick:
      return on_tick();
    case op_control:
      if (!completion.more()) ring_->poll_multishot(control_.fd(), {op_control, 0, 0});
      return on_control();
    case op_sink:
      if (!completion.more()) ring_->poll_multishot(sink_->event_fd(), {op_sink, 0, 0});
      return sink_->poll();
    case op_cancel:  // there was nothing to cancel: its own completion came first
    case op_close:   // only failures complete, and there is nobody to tell
      return;
    default:
      break;
  }
  Connection* connection = table_.find(completion.tag);
  if (connection == nullptr) {
    // Octets of a connection that is gone still occupy their buffers.
    if (completion.tag.operation == op_recv && completion.result > 0)
      buffers_->consume(completion, [](Slice) {});
    return;
  }
  switch (static_cast<Operation>(completion.tag.operation)) {
    case op_recv:
      return on_recv(*connection, completion);
    case op_send:
      return on_send(*connection, completion);
    case op_send_all:
      return on_send_all(*connection, completion);
    case op_shutdown:
      return on_shutdown(*connection);
    case op_peer_name:
      return on_peer_name(*connection, completion);
    default:
      GP_CHECK(false);
  }
}

void Shard::on_control() {
  control_.reset();
  switch (order_.load()) {
    case Order::serve:
      return;
    case Order::stop:
      stopping_ = true;
      return;
    case Order::drain:
      begin_drain();
      return;
  }
}

// RFC 5321 §3.8: 421 and close for those who wait; who is in a transaction may finish it.
void Shard::begin_drain() {
  if (draining_) return;
  draining_ = true;
  drain_deadline_ms_ = now_ms_ + options_.drain_timeout_ms;
  for (std::uint32_t i = 0; i < listeners_.size(); ++i) {
    ring_->cancel({op_accept, 0, i}, {op_cancel, 0, 0});
    // Who connects from now on is refused by the kernel, instead of waiting for a greeting.
    ring::Ring::stop_listening(listeners_[i].fd);
  }
  for (std::uint32_t slot = 0; slot < table_.used_end(); ++slot) {
    Connection& connection = table_.at(slot);
    if (connection.stage != Stage::open || !connection.has_session) continue;
    current_ = &connection;
    if (connection.session().at_rest() && connection.blocked == 0 && connection.held.empty())
      handle(connection, connection.session().shut_down());
  }
}

void Shard::arm_tick() {
  tick_.tv_sec = 0;
  tick_.tv_nsec = static_cast<long long>(TimerWheel::tick_ms) * static_cast<long long>(ns_per_ms);
  ring_->timeout(&tick_, {op_tick, 0, 0});
  tick_armed_ = true;
}

void Shard::on_tick() {
  tick_armed_ = false;
  wheel_.advance(now_ms_, [this](std::uint32_t slot) { on_deadline(slot); });
  if (!starved_.empty() && buffers_->unused() == 0) dismiss_holders();
  for (std::uint32_t listener : accepts_paused_)
    if (!draining_) arm_accept(listener);
  accepts_paused_.clear();
  if (draining_ && now_ms_ >= drain_deadline_ms_) {
    for (std::uint32_t slot = 0; slot < table_.used_end(); ++slot) {
      Connection& connection = table_.at(slot);
      if (connection.stage != Stage::open || !connection.has_session) continue;
      counters_.count_timeout(observe::Timeout::drain);
      current_ = &connection;
      if (connection.session().awaits_commit()) {
        lost(connection, "no receipt before --drain-timeout");  // not answered: the client keeps it
      } else {
        handle(connection, connection.session().shut_down());
      }
    }
    stopping_ = true;  // the last words go out with the last submission
  }
}

void Shard::on_deadline(std::uint32_t slot) {
  Connection& connection = table_.at(slot);
  switch (connection.stage) {
    case Stage::free:
    case Stage::closing:
      return;
    case Stage::arriving:
    case Stage::lingering:
      close_now(connection);
      return;
    case Stage::open:
      break;
  }
  if ((connection.blocked & blocked_sleep) != 0) {
    unblock(connection, blocked_sleep);
    return;
  }
  current_ = &connection;
  if ((connection.blocked & blocked_commit) != 0) {
    counters_.count_timeout(observe::Timeout::commit);
    sink_->abort(connection.message.sink_message);
    connection.message.sink_message = nullptr;
    finish_message(connection, &smtp::replies::commit_timeout,
                   "no receipt within --commit-timeout");
    unblock(connection, blocked_commit | blocked_sink);
    return;
  }
  if (connection.starved && connection.blocked == 0) {
    set_deadline_in(connection, starved_recheck_ms);  // it waits for us
    return;
  }
  if ((connection.blocked & blocked_output) != 0) {
    counters_.count_timeout(observe::Timeout::reply);
    lost(connection, "replies are not read");
    return;
  }
  if ((connection.blocked & blocked_sink) != 0) {
    // The sink is what is slow, not the peer: it had the time that a commit has.
    counters_.count_timeout(observe::Timeout::commit);
    handle(connection, connection.session().timed_out());
    return;
  }
  if (!connection.has_session) {
    close_now(connection);
    return;
  }
  smtp::Session& session = connection.session();
  observe::Timeout kind = observe::Timeout::command;
  if (session.after_bare_dot_line())
    kind = observe::Timeout::bare_newline;
  else if (session.in_content())
    kind =
        connection.content_deadline_ms > 0 ? observe::Timeout::too_slow : observe::Timeout::content;
  counters_.count_timeout(kind);
  handle(connection, session.timed_out());
}

}  // namespace gatepost::shard
