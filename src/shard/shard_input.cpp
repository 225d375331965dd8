// Octets -> session -> events -> sink: the way of a message.

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "shard/shard.hpp"

namespace gatepost::shard {
namespace {

// Input that may wait, in slices, before its connection is no longer read.
constexpr std::uint32_t held_slices_max = 4;
// Replies of one connection in one loop after which its input has to wait for the next.
constexpr std::uint32_t reply_bytes_per_loop = 16 * 1024;
static_assert(reply_bytes_per_loop + bounds::receive_buffer_size_min <
              bounds::pending_reply_bytes_max);

const smtp::FixedReply* refusal_for(Disposition disposition) {
  switch (disposition) {
    case Disposition::taken_over:
      return nullptr;
    case Disposition::storage_full:
      return &smtp::replies::storage_full;
    case Disposition::mailbox_full:
      return &smtp::replies::mailbox_full;
    case Disposition::local_error:
      return &smtp::replies::local_error;
    case Disposition::unreachable:
      return &smtp::replies::sink_unreachable;
    case Disposition::refused:
      return &smtp::replies::sink_refused;
  }
  return &smtp::replies::local_error;
}

// One answer for all recipients. Without reports for those that failed, a message is taken over
// only when it is for all of them; a failure that may pass is preferred, for then the client tries
// again: some may get the message twice, and nobody loses it (spec X-06).
const Receipt& decisive(std::span<const Receipt> receipts) {
  const Receipt* chosen = &receipts.front();
  for (const Receipt& receipt : receipts) {
    if (receipt.disposition == Disposition::taken_over) continue;
    if (chosen->disposition == Disposition::taken_over ||
        (chosen->disposition == Disposition::refused &&
         receipt.disposition != Disposition::refused))
      chosen = &receipt;
  }
  return *chosen;
}

}  // namespace

void Shard::on_recv(Connection& connection, const ring::Completion& completion) {
  if (!completion.more()) connection.recv_armed = false;
  if (completion.result > 0) {
    counters_.bytes_received.add(static_cast<std::uint64_t>(completion.result));
    // What did not fit into a buffer is behind it (SMG-11). A FIN counts as not empty too, so that
    // it says nothing about a buffer that is not full.
    connection.input_behind =
        completion.socket_not_empty() &&
        static_cast<std::uint32_t>(completion.result) % options_.buffer_size == 0;
    buffers_->consume(completion, [&](Slice slice) { take_input(connection, std::move(slice)); });
    work_input(connection);
    if (!completion.more() && connection.stage == Stage::closing) return finish_close(connection);
    if (!completion.more() && connection.held.count() < held_slices_max) arm_recv(connection);
    return;
  }
  if (connection.stage == Stage::closing) {
    if (!completion.more()) finish_close(connection);
    return;
  }
  switch (completion.result) {
    case 0:
      connection.peer_ended = true;
      if (connection.stage == Stage::lingering) return close_now(connection);
      return work(connection);
    case -ENOBUFS:
      counters_.buffer_exhaustion_pauses.add();
      buffers_->ran_out();
      relieve_due_ = true;
      if (!connection.starved) {
        connection.starved = true;
        connection.waiting_since_ms = now_ms_;
        starved_.push_back(&connection);
      }
      return;
    case -ECANCELED:
      // Paused; unless what it was paused for is over already.
      connection.recv_cancelled = false;
      if (connection.blocked == 0 && connection.held.empty()) arm_recv(connection);
      return;
    default:
      connection.peer_ended = true;
      return lost(connection, "lost connection");
  }
}

void Shard::take_input(Connection& connection, Slice slice) {
  switch (connection.stage) {
    case Stage::free:
    case Stage::closing:
    case Stage::lingering:
      return;  // said after the end: dropped
    case Stage::arriving:
      slices_.push_back(connection.held, std::move(slice));
      if (connection.held.count() >= held_slices_max) pause_recv(connection);
      return;
    case Stage::open:
      break;
  }
  if (connection.close_due) return;
  slices_.push_back(connection.held, std::move(slice));
}

// What has arrived is worked off once all of it is there, because a command may be refused for what
// stands behind it.
void Shard::work_input(Connection& connection) {
  if (connection.stage != Stage::open || connection.close_due) return;
  work(connection);
  // When buffers are scarce those who are blocked must not keep them from the others.
  if (connection.held.count() >= (buffers_low_ ? 1 : held_slices_max)) pause_recv(connection);
}

// Works off the input that waits, as far as nothing blocks it.
void Shard::work(Connection& connection) {
  if (connection.stage != Stage::open || !connection.has_session) return;
  smtp::Session& session = connection.session();
  const bool was_in_line = session.in_command_line();
  const bool was_in_content = session.in_content();
  replied_ = false;
  std::size_t octets = 0;
  bool worked = false;
  do {
    if (connection.blocked != 0 || connection.close_due || connection.resume_due) {
      if (worked && connection.blocked != 0) set_blocked_deadline(connection);
      return;
    }
    worked = true;
    Slice slice;
    if (!connection.held.empty()) slice = slices_.pop_front(connection.held);
    octets += slice.size();
    if (work_slice(connection, slice)) continue;
    if (connection.stage != Stage::open || !connection.has_session || connection.close_due) return;
    if (!slice.empty()) slices_.push_front(connection.held, std::move(slice));
    if (connection.blocked == 0 && !connection.resume_due) continue;
    if (connection.blocked != 0) set_blocked_deadline(connection);
    return;
  } while (!connection.held.empty());

  if (connection.peer_ended) {
    // PIPE-17: what came whole was answered; what did not is dropped.
    retire(connection, after_verb("lost connection", connection));
    connection.close_due = true;
    want_flush(connection);
    return;
  }
  if (draining_ && session.at_rest()) {
    handle(connection, session.shut_down());
    return;
  }
  if (connection.blocked != 0) {
    set_blocked_deadline(connection);
    return;
  }
  arm_recv(connection);
  if (session.in_content() && was_in_content && !replied_) {
    set_content_deadline(connection, octets);
    return;
  }
  // A line that is still coming in keeps the deadline it began with (E02). A reply means that a
  // line or a message has ended: what is under way now is another one.
  if (!(was_in_line && session.in_command_line()) || replied_) set_deadline(connection);
}

// R5321-4.5.3.2.7-02: N octets earn N / rate seconds, up to a whole timeout from now.
void Shard::set_content_deadline(Connection& connection, std::size_t octets) {
  std::uint64_t deadline = now_ms_ + options_.timeout_ms;
  if (options_.min_data_rate_bytes_per_second > 0) {
    if (connection.content_deadline_ms == 0)
      connection.content_deadline_ms = wheel_.deadline_ms(table_.slot_of(connection));
    connection.content_deadline_ms += octets * 1000 / options_.min_data_rate_bytes_per_second;
    connection.content_deadline_ms = deadline = std::min(deadline, connection.content_deadline_ms);
  }
  if (connection.session().after_bare_dot_line())
    deadline = std::min(deadline, now_ms_ + options_.bare_dot_timeout_ms);
  wheel_.set(table_.slot_of(connection), deadline);
}

void Shard::set_deadline(Connection& connection) {
  connection.content_deadline_ms = 0;
  std::uint64_t ms = options_.timeout_ms;
  if (connection.has_session && connection.session().refused_all())
    ms = std::min(ms, options_.refused_timeout_ms);
  set_deadline_in(connection, ms);
}

// What blocks a connection has a time of its own. Of several it is that of the first here; when
// that one ends, the next begins.
void Shard::set_blocked_deadline(Connection& connection) {
  std::uint64_t ms = options_.timeout_ms;
  if ((connection.blocked & blocked_sleep) != 0)
    ms = with_.session->settings.error_sleep_ms;
  else if ((connection.blocked & (blocked_commit | blocked_sink)) != 0)
    ms = options_.commit_timeout_ms;
  set_deadline_in(connection, ms);
}

// True when all of the slice was worked off; else the session is blocked or over, and the slice
// holds what is left.
bool Shard::work_slice(Connection& connection, Slice& slice) {
  current_ = &connection;
  current_slice_ = &slice;
  std::span<std::uint8_t> input = slice.octets();
  bool go_on = true;
  for (;;) {
    const bool more_behind = !connection.held.empty() || connection.input_behind;
    smtp::Event event = connection.session().next(input, more_behind);
    if (event == smtp::Event::need_input) break;
    go_on = handle(connection, event);
    if (!go_on) break;
  }
  current_slice_ = nullptr;
  slice.drop_front(slice.size() - input.size());
  // Who talks on behind QUIT may have more under way, which a close at once would meet with a
  // reset.
  if (connection.close_due && !slice.empty()) connection.said_quit = false;
  return go_on;
}

// True: go on with the input.
bool Shard::handle(Connection& connection, smtp::Event event) {
  switch (event) {
    case smtp::Event::need_input:
      return true;
    case smtp::Event::decide_mail:
      decide_mail(connection);
      return true;
    case smtp::Event::decide_recipient:
      decide_recipient(connection);
      return true;
    case smtp::Event::open_message:
      open_message(connection);
      return true;
    case smtp::Event::commit_message:
      commit_message(connection);
      return false;
    case smtp::Event::sleep:
      connection.blocked |= blocked_sleep;
      set_blocked_deadline(connection);
      return false;
    case smtp::Event::drain:
      want_resume(connection);
      return false;
    case smtp::Event::close:
      count_ending(connection.session().ending());
      connection.close_due = true;
      want_flush(connection);
      return false;
  }
  return false;
}

void Shard::decide_mail(Connection& connection) {
  smtp::Session& session = connection.session();
  Receipt receipt = sink_->available(session.transaction()->declared_size);
  if (receipt.disposition != Disposition::taken_over) counters_.sink_refusals.add();
  cause_ = receipt.cause;
  session.mail_decided(refusal_for(receipt.disposition));
  cause_ = {};
}

void Shard::decide_recipient(Connection& connection) {
  smtp::Session& session = connection.session();
  const smtp::Session::PendingRecipient& pending = session.pending_recipient();
  // Of address literals only our own are anybody's (R5321-4.1.3-06).
  policy::Address literal{};
  if (pending.domain.starts_with('[') &&
      (!smtp::address_literal_value(pending.domain, literal) ||
       std::ranges::find(options_.own_addresses, literal) == options_.own_addresses.end()))
    literal = {};
  policy::RecipientCheck check =
      recipients_.table().check(pending.local_part, pending.domain, literal);
  const smtp::FixedReply* refusal = nullptr;
  switch (check.verdict) {
    case policy::RecipientVerdict::accepted:
      break;
    case policy::RecipientVerdict::unknown_user:
      refusal = &smtp::replies::unknown_user;
      break;
    case policy::RecipientVerdict::relay_denied:
      refusal = &smtp::replies::relay_denied;
      break;
  }
  (refusal == nullptr ? counters_.recipients_accepted : counters_.recipients_rejected).add();
  session.recipient_decided(refusal, check.mailbox, check.domain);
}

void Shard::open_message(Connection& connection) {
  smtp::Session& session = connection.session();
  smtp::Transaction& transaction = *session.transaction();
  MessageRecord& message = connection.message;
  message.id = ids_.next(wall_us_);
  message.begun_ns = now_ns_;
  message.commit_ns = 0;

  Envelope envelope;
  envelope.id = message.id;
  envelope.reverse_path = transaction.reverse_path();
  envelope.recipients = transaction.recipients();
  envelope.client_address = connection.address_view();
  envelope.helo = session.helo();
  envelope.protocol = session.protocol();
  envelope.received_at = wall_us_;
  envelope.declared_size = transaction.declared_size;
  envelope.body = transaction.body;
  envelope.smtputf8 = transaction.smtputf8;

  smtp::TraceFields fields;
  fields.helo = envelope.helo;
  fields.peer_address = connection.address;
  fields.protocol = envelope.protocol;
  fields.id = message.id.view();
  if (envelope.recipients.size() == 1) fields.only_recipient = envelope.recipients[0].address;
  fields.received_at = wall_us_;
  fields.smtputf8 = transaction.smtputf8;
  smtp::ReceivedBuffer received;
  smtp::ReturnPathBuffer return_path;
  envelope.received_field = trace_.write_received(fields, received);
  envelope.return_path_field = smtp::write_return_path(envelope.reverse_path, return_path);

  Receipt refusal;
  message.sink_message = sink_->open(envelope, token(connection), refusal);
  cause_ = refusal.cause;
  session.opened(message.sink_message == nullptr ? refusal_for(refusal.disposition) : nullptr);
  cause_ = {};
}

void Shard::commit_message(Connection& connection) {
  connection.message.commit_ns = now_ns_;
  counters_.data_time.record(now_ns_ - connection.message.begun_ns);
  connection.blocked |= blocked_commit;
  set_blocked_deadline(connection);
  sink_->commit(connection.message.sink_message);
}

void Shard::receipt(SinkToken token, std::span<const Receipt> receipts) {
  Connection* connection = table_.find(ring::Tag::unpack(token));
  GP_CHECK(connection != nullptr && (connection->blocked & blocked_commit) != 0 &&
           !receipts.empty());
  connection->message.sink_message = nullptr;
  counters_.commit_time.record(now_ns_ - connection->message.commit_ns);
  const Receipt& outcome = decisive(receipts);
  finish_message(*connection, refusal_for(outcome.disposition), outcome.cause);
  // With its message the sink's wish for a pause is over.
  unblock(*connection, blocked_commit | blocked_sink);
}

void Shard::finish_message(Connection& connection, const smtp::FixedReply* refusal,
                           std::string_view cause) {
  current_ = &connection;
  cause_ = cause;
  connection.session().committed(refusal, connection.message.id.view());
  cause_ = {};
}

void Shard::drained(SinkToken token) {
  Connection* connection = table_.find(ring::Tag::unpack(token));
  if (connection == nullptr || connection->stage != Stage::open) return;
  unblock(*connection, blocked_sink);
}

void Shard::unblock(Connection& connection, unsigned reasons) {
  if ((connection.blocked & reasons) == 0) return;
  connection.blocked &= static_cast<std::uint8_t>(~reasons);
  if ((reasons & blocked_sleep) != 0 && connection.stalled != nullptr &&
      connection.stalled->sending.empty()) {
    put(connection, connection.stalled->waiting);
    connection.stalled.reset();
  }
  if (connection.close_due) want_flush(connection);
  if (connection.stage != Stage::open) return;
  if (connection.blocked != 0) {
    set_blocked_deadline(connection);
    return;
  }
  if (!connection.has_session) return;
  set_deadline(connection);
  // What a delay held back goes out first: another error would hold it back again.
  if ((reasons & blocked_sleep) != 0)
    resume_in_next_loop(connection);
  else
    want_resume(connection);
}

// --- What the session says while it works ------------------------------------------------------

void Shard::append(Connection& connection, Slice slice) {
  counters_.content_bytes.add(slice.size());
  if (sink_->append(connection.message.sink_message, std::move(slice)) == Flow::pause) {
    counters_.sink_stalls.add();
    connection.blocked |= blocked_sink;
  }
}

void Shard::content(std::uint8_t* octets, std::size_t size) {
  append(*current_,
         current_slice_->share(static_cast<std::size_t>(octets - current_slice_->data()), size));
}

void Shard::content_constant(std::string_view octets) {
  append(*current_, Slice::unowned(octets.data(), octets.size()));
}

void Shard::hold_content(std::uint8_t* octets, std::size_t size) {
  hold(current_slice_->share(static_cast<std::size_t>(octets - current_slice_->data()), size));
}

void Shard::hold_constant(std::string_view octets) {
  hold(Slice::unowned(octets.data(), octets.size()));
}

// A peer that sends octet by octet would hold a receive buffer with each of them, for as long as it
// likes; so what is held is copied together.
void Shard::hold(Slice slice) {
  SliceQueue& held = current_->held_content;
  if (held_octets_.free_count() > 0) {
    const BufferPool::Id id = held_octets_.take();
    std::uint8_t* data = held_octets_.data(id);
    std::uint32_t size = 0;
    auto copy = [&](const Slice& from) {
      GP_CHECK(size + from.size() <= held_octets_.buffer_size());
      std::memcpy(data + size, from.data(), from.size());
      size += static_cast<std::uint32_t>(from.size());
    };
    while (!held.empty()) copy(slices_.pop_front(held));
    copy(slice);
    slice = Slice(held_octets_, id, data, size);
  }
  slices_.push_back(held, std::move(slice));
}

void Shard::resolve_held(bool keep) {
  while (!current_->held_content.empty()) {
    Slice slice = slices_.pop_front(current_->held_content);
    if (keep) append(*current_, std::move(slice));
  }
}

void Shard::abort_message() {
  slices_.clear(current_->held_content);
  current_->blocked &= static_cast<std::uint8_t>(~blocked_sink);
  if (current_->message.sink_message == nullptr) return;
  sink_->abort(current_->message.sink_message);
  current_->message.sink_message = nullptr;
}

bool Shard::reply(const smtp::ReplyNote& note) {
  Connection& connection = *current_;
  replied_ = true;
  const std::uint16_t code = note.code();
  const auto verb = static_cast<std::uint8_t>(note.verb);
  const bool answers = note.kind == smtp::ReplyKind::command ||
                       (note.kind == smtp::ReplyKind::end_of_data && note.verb == smtp::Verb::bdat);
  if (answers) {
    observe::VerbCount& count = connection.counts[verb];
    ++count.total;
    if (code < 400) ++count.accepted;
    counters_.count_command(verb);
    counters_.count_reply(code, verb);
  } else if (note.kind == smtp::ReplyKind::end_of_data) {
    counters_.count_reply(code, verb);
  } else {
    counters_.count_reply(code);
  }
  log_exchange(connection, note);
  switch (note.kind) {
    case smtp::ReplyKind::command:
      connection.last_verb = verb;
      if (note.verb == smtp::Verb::quit && code == 221)
        connection.said_quit = connection.held.empty();
      if (code >= 400) log_refused_command(connection, note);
      break;
    case smtp::ReplyKind::end_of_data:
      connection.last_verb = Connection::end_of_message;
      log_message(connection, note);
      break;
    case smtp::ReplyKind::greeting:
      if (code >= 400) log_refused_command(connection, note);
      break;
    case smtp::ReplyKind::unasked:
      break;
  }
  put(connection, note.wire);
  return connection.reply_size < reply_bytes_per_loop;
}

}  // namespace gatepost::shard
