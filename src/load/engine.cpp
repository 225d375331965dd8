#include "load/engine.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace gatepost::load {
namespace {

constexpr MonotonicNs tick_ns = 100 * ns_per_ms;
// A timer finer than this only costs turns: the moments themselves stay exact.
constexpr MonotonicNs timer_least_ns = 20'000;
constexpr unsigned completions_per_turn = 512;
constexpr std::uint16_t buffer_group = 1;

std::uint64_t share_of(std::uint64_t total, unsigned thread, unsigned threads) {
  return total / threads + (thread < total % threads ? 1 : 0);
}

// The moments of the open loop interleave over the threads.
MonotonicNs start_of(const RunOptions& options, unsigned thread) {
  MonotonicNs now = SystemClock::monotonic_ns();
  return options.rate > 0 ? now + static_cast<MonotonicNs>(thread * 1e9 / options.rate) : now;
}

Pacer pacer_of(const RunOptions& options, unsigned thread) {
  MonotonicNs start = start_of(options, thread);
  return Pacer(share_of(options.messages, thread, options.threads), options.rate / options.threads,
               start, start + options.duration_ns);
}

std::uint64_t seed_of(const RunOptions& options, unsigned thread) {
  return options.seed * 1000003 + thread;
}

}  // namespace

Engine::Engine(const RunOptions& options, unsigned thread, std::string_view run_name,
               std::string_view date, Ledger* ledger, const std::atomic<int>& stop,
               Progress& progress)
    : options_(options),
      thread_(thread),
      stop_(stop),
      progress_(progress),
      random_(seed_of(options, thread)),
      composer_(*options.session.text, run_name, thread, message_host, options.session.from, date,
                seed_of(options, thread) + 1),
      ledger_(ledger),
      pacer_(pacer_of(options, thread)) {
  // Threads begin at different mailboxes and addresses, so that they don't all meet in one.
  next_mailbox_ =
      static_cast<std::uint32_t>(options.session.mailboxes.size() * thread / options.threads);
  next_source_ = options.source_addresses * thread / options.threads;
}

Result<Done> Engine::prepare() {
  auto count =
      static_cast<std::uint32_t>(share_of(options_.connections, thread_, options_.threads));
  ring::Ring::Options ring_options;
  // A connection has at most three operations underway, and one more that ends it.
  ring_options.completion_entries = std::clamp(std::bit_ceil(count * 4), 4096u, 65536u);
  ring_options.submission_entries = 2048;
  auto ring = ring::Ring::create(ring_options);
  if (!ring) return Error{ring.error()};
  ring_ = std::move(ring.value());
  pool_ = std::make_unique<BufferPool>(limits::receive_buffer_count, limits::receive_buffer_size,
                                       false);
  auto buffers = ring::BufferRing::create(*ring_, *pool_, buffer_group, ring::BufferMode::single);
  if (!buffers) return Error{buffers.error()};
  buffers_ = std::move(buffers.value());
  connections_.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) connections_.emplace_back(options_.session);
  for (std::uint32_t i = count; i-- > 0;) vacant_.push_back(i);
  return Done{};
}

Result<Tally> Engine::run() {
  if (auto prepared = prepare(); !prepared) return Error{prepared.error()};
  now_ = SystemClock::monotonic_ns();
  next_tick_ = now_ + tick_ns;
  dispatch();
  while (!finished()) {
    arm_timer();
    bool stamped = false;
    int handled = ring_->wait(true, completions_per_turn, [&](const ring::Completion& completion) {
      if (!stamped) now_ = SystemClock::monotonic_ns();
      stamped = true;
      handle(completion);
    });
    if (handled < 0) return Error{std::string("io_uring_enter: ") + std::strerror(-handled)};
    tally_.completions += static_cast<unsigned>(handled);
    now_ = SystemClock::monotonic_ns();
    buffers_->replenish();
    timers_.run(now_, [this](std::uint32_t slot, MonotonicNs at) {
      Connection& c = connections_[slot];
      if (c.wake_at == at) wake(c);
    });
    if (now_ >= next_tick_) tick();
    dispatch();
  }
  // The last closes are still to be handed over.
  ring_->wait(false, completions_per_turn, [](const ring::Completion&) {});
  note_unstarted();
  ledger_.flush();
  tally_.ledger_failed = !ledger_.ok();
  tally_.gave_up = !stopping_;
  tally_.ring_enters = ring_->enter_count();
  return std::move(tally_);
}

void Engine::handle(const ring::Completion& completion) {
  ring::Tag tag = completion.tag;
  if (tag.operation == op_timer) {
    // Of several that were armed only the latest counts: the others were replaced by it.
    if (tag.generation == (timer_generation_ & 0xffffff)) timer_at_ = ~MonotonicNs{0};
    return;
  }
  if (tag.operation == op_other) return;  // close and cancel: nothing hangs on them
  Connection& c = connections_[tag.slot];
  // A slot is used again only when nothing is underway for it, so there are no late ones.
  GP_CHECK(tag.generation == (c.generation & 0xffffff));
  switch (tag.operation) {
    case op_connect:
      return on_connected(c, completion.result);
    case op_recv:
      return on_received(c, completion);
    case op_send:
      return on_sent(c, completion.result);
    default:
      GP_CHECK(false);
  }
}

// Hands out messages that may begin now: first to connections that are open, then to new ones.
void Engine::dispatch() {
  while (!stopping_) {
    if (pacer_.exhausted(now_)) return begin_stop();
    bool reuse = !idle_.empty();
    if (!reuse && (vacant_.empty() || connecting_ >= limits::connecting_max)) return;
    MonotonicNs due = 0;
    if (!pacer_.take(now_, due)) return;
    auto& stack = reuse ? idle_ : vacant_;
    Connection& c = connections_[stack.back()];
    stack.pop_back();
    c.has_ticket = true;
    c.begun = false;
    c.due = due;
    c.kind = options_.mix.draw(random_);
    if (reuse) {
      c.phase = Phase::talking;
      begin_message(c);
    } else {
      open(c);
    }
  }
}

void Engine::begin_message(Connection& c) {
  c.begun = true;
  ++c.messages;
  ++tally_.started;
  if (pacer_.open_loop())
    tally_.late_max_ns = std::max(tally_.late_max_ns, now_ - c.due);
  else
    c.due = now_;
  if (c.kind != Kind::normal) ++tally_.by_kind[static_cast<std::size_t>(c.kind)];
  if (c.kind == Kind::silent) {
    c.phase = Phase::silent;
    return sleep_until(c, now_ + options_.silent_ns);
  }
  if (c.kind == Kind::garbage) {
    c.session.begin_garbage();
    return submit(c);
  }
  Message& message = c.session.message();
  message.kind = c.kind;
  composer_.compose(options_.sizes.draw(random_), message.content);
  message.recipients.clear();
  auto mailboxes = static_cast<std::uint32_t>(options_.session.mailboxes.size());
  for (std::uint32_t i = 0; i < options_.recipients_per_message; ++i) {
    message.recipients.push_back(next_mailbox_);
    if (++next_mailbox_ == mailboxes) next_mailbox_ = 0;
  }
  c.session.begin();
  submit(c);
}

// The connection has nothing to do: another message, QUIT, or waiting for one to be due.
void Engine::next_for(Connection& c) {
  bool used_up =
      options_.messages_per_connection != 0 && c.messages >= options_.messages_per_connection;
  MonotonicNs due = 0;
  if (!stopping_ && !used_up && pacer_.take(now_, due)) {
    c.has_ticket = true;
    c.due = due;
    c.kind = options_.mix.draw(random_);
    return begin_message(c);
  }
  if (!stopping_ && !used_up && pacer_.open_loop() && !pacer_.exhausted(now_)) {
    c.phase = Phase::idle;
    idle_.push_back(slot_of(c));
    return;
  }
  c.session.quit();
  submit(c);
}

void Engine::advance(Connection& c, ClientSession::Step step) {
  using Step = ClientSession::Step;
  switch (step) {
    case Step::wait:
      return;
    case Step::send:
      if (!c.greeted && c.kind == Kind::silent && c.has_ticket) return begin_message(c);
      return submit(c);
    case Step::ready:
      c.greeted = true;
      return on_ready(c);
    case Step::finished:
      return on_finished(c);
    case Step::cut:
      return cut(c);
    case Step::over:
      if (c.session.end() == ClientSession::End::quit) return hang_up(c);
      if (c.session.refusal().code != 0 && c.has_ticket && !is_broken(c.kind))
        tally_.keep_refusal(c.session.refusal().text);
      return broken(c, loss_of(c));
  }
}

void Engine::on_ready(Connection& c) {
  if (c.has_ticket && !ended()) return begin_message(c);
  if (c.has_ticket) put_back(c);
  next_for(c);
}

void Engine::wake(Connection& c) {
  c.wake_at = 0;
  switch (c.phase) {
    case Phase::waiting:
      if (c.has_ticket) {
        --waiting_tickets_;
        return open(c);
      }
      c.phase = Phase::vacant;
      vacant_.push_back(slot_of(c));
      return;
    case Phase::silent:
      drop_ticket(c);
      return hang_up(c);
    case Phase::lingering:
      return hang_up(c);
    case Phase::talking:
      if (!c.sending && !c.session.pending().empty()) submit(c);  // a slow client's next step
      return;
    default:
      return;
  }
}

void Engine::tick() {
  next_tick_ = now_ + tick_ns;
  int stop = stop_.load(std::memory_order_relaxed);
  if (stop > 0) pacer_.stop_at(now_);
  if (ended()) end_waiting();
  if (stop > 1) grace_end_ = now_;
  for (Connection& c : connections_) check_timeout(c);
  ledger_.flush();
  auto relaxed = std::memory_order_relaxed;
  progress_.started.store(tally_.started, relaxed);
  progress_.acknowledged.store(tally_.acknowledged, relaxed);
  progress_.octets.store(tally_.octets, relaxed);
  progress_.connected.store(active_, relaxed);
  std::uint64_t faults = 0;
  for (std::uint64_t count : tally_.faults) faults += count;
  progress_.faults.store(faults, relaxed);
}

// RFC 5321 §4.5.3.2: each state of the dialogue has its own patience.
void Engine::check_timeout(Connection& c) {
  bool underway = c.phase != Phase::vacant && c.phase != Phase::waiting &&
                  c.phase != Phase::retired && c.phase != Phase::closing;
  if (underway && now_ >= grace_end_) return broken(c, Fault::unfinished);
  if (c.phase != Phase::talking && c.phase != Phase::connecting) return;
  using Awaiting = ClientSession::Awaiting;
  const Timeouts& t = options_.timeouts;
  std::uint64_t limit = t.command;
  switch (c.session.awaiting()) {
    case Awaiting::greeting:
      limit = t.greeting;
      break;
    case Awaiting::mail:
      limit = t.mail;
      break;
    case Awaiting::rcpt:
      limit = t.rcpt;
      break;
    case Awaiting::data:
      limit = t.data;
      break;
    case Awaiting::content:
    case Awaiting::bdat:
      limit = c.sending ? t.block : t.end_of_data;
      break;
    default:
      break;
  }
  if (c.phase == Phase::connecting) limit = t.greeting;
  if (now_ - c.activity_at > limit) broken(c, Fault::timeout);
}

// Nothing new is begun. What is underway goes on; those who only hold a connection leave.
void Engine::begin_stop() {
  stopping_ = true;
  for (Connection& c : connections_) {
    if (c.phase == Phase::silent || c.phase == Phase::lingering) {
      drop_ticket(c);
      hang_up(c);
    } else if (c.phase == Phase::idle) {
      c.phase = Phase::talking;
      c.session.quit();
      submit(c);
    }
  }
  idle_.clear();
}

// The run's time is over: messages that wait for a connection wait no longer, the others have the
// grace.
void Engine::end_waiting() {
  if (grace_end_ == ~MonotonicNs{0}) grace_end_ = now_ + options_.grace_ns;
  for (Connection& c : connections_) {
    if (c.phase == Phase::waiting && c.has_ticket) {
      --waiting_tickets_;
      put_back(c);
    } else if (c.phase == Phase::talking && c.begun &&
               (c.kind == Kind::garbage ||
                (c.kind == Kind::slow && !c.session.pending().empty()))) {
      broken(c, Fault::unfinished);  // they would take as long as the server lets them
    }
  }
}

bool Engine::finished() const {
  return (stopping_ && active_ == 0 && waiting_tickets_ == 0) || retired_ == connections_.size();
}

void Engine::arm_timer() {
  MonotonicNs wanted = std::min(next_tick_, timers_.next());
  bool free = !idle_.empty() || !vacant_.empty();
  if (pacer_.open_loop() && !stopping_ && free) wanted = std::min(wanted, pacer_.next_due());
  if (wanted >= timer_at_) return;
  timer_at_ = wanted;
  MonotonicNs wait = std::max(wanted > now_ ? wanted - now_ : 0, timer_least_ns);
  timer_.tv_sec = static_cast<long long>(wait / 1'000'000'000);
  timer_.tv_nsec = static_cast<long long>(wait % 1'000'000'000);
  ring_->timeout(&timer_, {op_timer, ++timer_generation_ & 0xffffff, 0});
}

}  // namespace gatepost::load
