// What became of messages, for an Engine's counts and ledger.
#include "load/engine.hpp"

namespace gatepost::load {

// Why the session that has just ended did so.
Fault Engine::loss_of(const Connection& c) {
  switch (c.session.end()) {
    case ClientSession::End::server_closing:
      return Fault::server_closing;
    case ClientSession::End::greeting_refused:
      return Fault::greeting_refused;
    case ClientSession::End::helo_refused:
      return Fault::helo_refused;
    case ClientSession::End::protocol:
      return Fault::unexpected_reply;
    case ClientSession::End::quit:  // nothing was said
      break;
  }
  return Fault::lost;
}

void Engine::on_finished(Connection& c) {
  const ClientSession& session = c.session;
  bool counts = !is_broken(c.kind);
  if (session.outcome() == Outcome::acknowledged && counts) {
    ++tally_.acknowledged;
    tally_.recipients += session.message().recipients.size();
    tally_.octets += session.message().content.size;
    note_transaction(c.kind, now_ - c.due);
    if (c.kind == Kind::normal) tally_.end_of_data.record(now_ - c.end_of_data_at);
    tally_.faults[static_cast<std::size_t>(Fault::recipient_refused)] +=
        session.recipients_refused();
    record(c, LedgerState::acked);
    c.failures = 0;
  } else if (session.outcome() == Outcome::refused && counts) {
    record(c, session.end_of_data_submitted() ? LedgerState::refused : LedgerState::cut);
    // A server that has had enough of a slow client is right.
    if (c.kind != Kind::slow) {
      tally_.count(Fault::refused);
      tally_.keep_refusal(session.refusal().text);
    }
  }
  drop_ticket(c);
  if (c.out_of_step) return hang_up(c);
  next_for(c);
}

// The middle of the content, at which this client's kind breaks off.
void Engine::cut(Connection& c) {
  drop_ticket(c);
  if (c.kind != Kind::halfclose) return hang_up(c, c.kind == Kind::reset);
  stop_traffic(c, SHUT_WR);
  c.phase = Phase::lingering;
  sleep_until(c, now_ + options_.silent_ns);
}

void Engine::broken(Connection& c, Fault fault) {
  settle_loss(c, fault);
  hang_up(c);
}

// The run's time is over before the message could begin. In the open loop it counts as one that
// waited in vain.
void Engine::put_back(Connection& c) {
  if (pacer_.open_loop()) {
    ++tally_.unstarted;
    note_transaction(c.kind, now_ - c.due);
  }
  drop_ticket(c);
}

// Accounts for the message whose connection has broken.
void Engine::settle_loss(Connection& c, Fault fault) {
  if (!c.has_ticket) {
    // Between messages a server may leave, but it may not talk nonsense.
    if (!is_connection_fault(fault)) tally_.count(fault);
    return;
  }
  const ClientSession& session = c.session;
  bool forgiven = c.kind != Kind::normal && c.begun;
  c.faulty = !forgiven;
  if (is_broken(c.kind)) return drop_ticket(c);
  if (c.begun && session.in_message()) {
    if (session.outcome() == Outcome::refused) {
      record(c, session.end_of_data_submitted() ? LedgerState::refused : LedgerState::cut);
      if (fault != Fault::server_closing) fault = Fault::refused;
    } else if (session.end_of_data_submitted()) {
      record(c, LedgerState::doubt);
      ++tally_.in_doubt;
    } else {
      record(c, LedgerState::cut);
    }
  }
  if (!forgiven) tally_.count(fault);
  // A message of which nothing was sent is not lost when the client tries again.
  bool again = options_.on_disconnect == OnDisconnect::reconnect && !c.begun && !ended();
  if (!again) drop_ticket(c);
}

void Engine::drop_ticket(Connection& c) {
  c.has_ticket = false;
  c.begun = false;
}

void Engine::record(Connection& c, LedgerState state) {
  if (!ledger_.active()) return;
  const Message& message = c.session.message();
  if (state == LedgerState::cut && !c.session.content_started()) return;
  ledger_.add(state, message.content.id, message.content.size,
              content_hash(*options_.session.text, message.content), message.recipients,
              options_.session.mailboxes);
}

// How long a message took is a figure of the server only where the client did its best: slow ones
// have their own, broken ones none.
void Engine::note_transaction(Kind kind, MonotonicNs latency, std::uint64_t times) {
  if (kind == Kind::normal) tally_.transaction.record(latency, times);
  if (kind == Kind::slow) tally_.slow_transaction.record(latency, times);
}

// What was due and never begun has waited from its moment to the end at least. Leaving it out would
// make a server look better the less it does. Of which kind it would have been is drawn as for all
// others, for a group at once.
void Engine::note_unstarted() {
  pacer_.for_each_unstarted([this](MonotonicNs due, std::uint64_t count) {
    tally_.unstarted += count;
    note_transaction(options_.mix.draw(random_), pacer_.end() > due ? pacer_.end() - due : 0,
                     count);
  });
}

}  // namespace gatepost::load
