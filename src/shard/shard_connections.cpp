// How connections begin and end.
//
// A peer's first octets are looked for before it is greeted (SMG-11): receiving is armed first, its
// address asked for next, and only when the answers of that submission are in is the 220 due.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "shard/shard.hpp"

namespace gatepost::shard {
namespace {

// The kernel writes the peer's address where the session will be, which does not exist yet.
static_assert(sizeof(Connection::session_memory) >= sizeof(sockaddr_storage));

// A failing accept is told of at most this often.
constexpr std::uint64_t accept_note_interval_ms = 10'000;

std::uint8_t write_ipv4(const std::uint8_t* octets, char* out, char* end) {
  char* at = out;
  for (int i = 0; i < 4; ++i) {
    if (i > 0) *at++ = '.';
    at = std::to_chars(at, end, octets[i]).ptr;
  }
  return static_cast<std::uint8_t>(at - out);
}

constexpr std::uint8_t v4_mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

void Shard::arm_accept(std::uint32_t listener) {
  ring_->accept_multishot(listeners_[listener].fd, options_.direct_descriptors,
                          {op_accept, 0, listener});
}

void Shard::on_accept(const ring::Completion& completion) {
  std::uint32_t listener = completion.tag.slot;
  if (completion.result < 0) {
    if (!completion.more() && !draining_) on_accept_failed(listener, -completion.result);
    return;
  }
  if (!completion.more() && !draining_) arm_accept(listener);
  counters_.connections_accepted.add();
  ring::Descriptor descriptor{completion.result, options_.direct_descriptors};
  std::uint32_t slot;
  Connection* connection = table_.take(slot);
  if (connection == nullptr) {
    // Not even a slot to say so from; the send is tried once and nobody hears how it went.
    counters_.count_refusal(observe::Refusal::process_full);
    const std::string& busy = with_.session->texts.too_many_sessions;
    ring_->send_now(descriptor, busy.data(), busy.size(), {op_close, 0, 0});
    ring_->close(descriptor, {op_close, 0, 0});
    return;
  }
  connection->descriptor = descriptor;
  connection->accepted_ns = now_ns_;
  set_deadline_in(*connection, options_.timeout_ms);
  arm_recv(*connection);
  auto* address = reinterpret_cast<sockaddr_storage*>(connection->session_memory);
  if (descriptor.direct) {
    std::uint32_t length =
        listeners_[listener].family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    ++connection->operations;
    ring_->peer_name(descriptor, address, length, tag(op_peer_name, *connection));
    return;
  }
  if (!ring::Ring::peer_of(descriptor.number, *address)) {
    lost(*connection, "lost connection");  // gone already
    return;
  }
  name_peer(*connection, *address);
  arrived_.push_back(tag(op_accept, *connection).pack());
}

void Shard::on_accept_failed(std::uint32_t listener, int error) {
  switch (error) {
    case ECONNABORTED:  // a peer that was gone again, which concerns nobody (accept(2))
    case EPROTO:
    case EINTR:
    case EAGAIN:
      return arm_accept(listener);
    default:
      break;
  }
  // The peer waits on, so that the next accept would fail as fast: not before the next tick.
  accepts_paused_.push_back(listener);
  const bool no_descriptor = error == EMFILE || error == ENFILE;
  if (no_descriptor) counters_.count_refusal(observe::Refusal::no_descriptors);
  if (accept_noted_ms_ != 0 && now_ms_ < accept_noted_ms_ + accept_note_interval_ms) return;
  accept_noted_ms_ = now_ms_;
  if (no_descriptor)
    note("no descriptor for a new connection: raise RLIMIT_NOFILE or lower --max-connections");
  else
    note(std::string("accept: ") + std::strerror(error));
}

void Shard::on_peer_name(Connection& connection, const ring::Completion& completion) {
  GP_CHECK(connection.operations > 0);
  --connection.operations;
  if (connection.stage == Stage::closing) {
    finish_close(connection);
    return;
  }
  if (completion.result < 0) {
    lost(connection, "lost connection");
    return;
  }
  sockaddr_storage address;
  std::memcpy(&address, connection.session_memory, sizeof address);
  name_peer(connection, address);
  greet(connection);
}

// Fills in address, port and the address as text. IPv4 on an IPv6 socket is IPv4 (R5321-5.2-01).
void Shard::name_peer(Connection& connection, const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof v6);
    std::memcpy(connection.address.data(), &v6.sin6_addr, 16);
    connection.port = ntohs(v6.sin6_port);
  } else {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    std::memcpy(connection.address.data(), v4_mapped_prefix, 12);
    std::memcpy(connection.address.data() + 12, &v4.sin_addr, 4);
    connection.port = ntohs(v4.sin_port);
  }
  char* text = connection.address_text.data();
  if (std::memcmp(connection.address.data(), v4_mapped_prefix, 12) == 0) {
    connection.address_text_size =
        write_ipv4(connection.address.data() + 12, text, text + connection.address_text.size());
  } else {
    inet_ntop(AF_INET6, connection.address.data(), text,
              static_cast<socklen_t>(connection.address_text.size()));
    connection.address_text_size = static_cast<std::uint8_t>(std::strlen(text));
  }
}

// Those whose address came from a system call: their first octets, if any, are in by now.
void Shard::greet_arrived() {
  if (arrived_.empty()) return;
  greeting_.swap(arrived_);
  for (std::uint64_t packed : greeting_) {
    ring::Tag arrived = ring::Tag::unpack(packed);
    Connection* connection = table_.find(arrived);
    if (connection == nullptr || connection->stage != Stage::arriving) continue;
    // In the loop of its accept its receive was only just submitted.
    if (connection->accepted_ns == now_ns_)
      arrived_.push_back(packed);
    else
      greet(*connection);
  }
  greeting_.clear();
}

void Shard::refuse(Connection& connection, observe::Refusal reason, std::string_view wire) {
  counters_.count_refusal(reason);
  counters_.count_reply(smtp::FixedReply::code_of(wire));
  log_.refuse(wall_us_, logged(connection), logged_reply(wire), observe::refusal_name(reason));
  connection.retired = true;
  connection.stage = Stage::open;
  slices_.clear(connection.held);  // who talked first holds no buffers of ours
  put(connection, wire);
  connection.close_due = true;
  // Waiting for the peer's end is a courtesy that stops when slots run out.
  if (table_.in_use() + options_.spare_slots / 2 > table_.count()) connection.said_quit = true;
}

void Shard::greet(Connection& connection) {
  const smtp::ServerTexts& texts = with_.session->texts;
  if (draining_) return refuse(connection, observe::Refusal::draining, texts.shutdown);
  switch (with_.counts->enter(connection.address)) {
    case policy::ConnectionCounts::Verdict::process_full:
      return refuse(connection, observe::Refusal::process_full, texts.too_many_sessions);
    case policy::ConnectionCounts::Verdict::client_full:
      return refuse(connection, observe::Refusal::address_full, texts.too_many_sessions);
    case policy::ConnectionCounts::Verdict::entered:
      break;
  }
  connection.counted = true;

  smtp::Session::Peer peer;
  peer.greeting = options_.greeting;
  if (peer.greeting != smtp::Greeting::welcome) {
    counters_.count_refusal(observe::Refusal::refuse_all);
  } else if (policy::ClientRules::matches(with_.clients->denied, connection.address)) {
    peer.greeting = smtp::Greeting::refuse;
    counters_.count_refusal(observe::Refusal::denied);
  }
  peer.bare_newline = options_.bare_newline;
  if (policy::ClientRules::matches(with_.clients->bare_newline_tolerated, connection.address))
    peer.bare_newline = scan::BareNewline::normalize;
  new (connection.session_memory) smtp::Session(*with_.session, pools_, *this, style_, peer);
  connection.has_session = true;
  connection.stage = Stage::open;
  log_.connect(wall_us_, logged(connection));
  current_ = &connection;
  bool waiting = !connection.held.empty();
  if (waiting) counters_.early_talkers.add();
  set_deadline(connection);
  if (handle(connection, connection.session().greet(waiting))) work(connection);
}

void Shard::arm_recv(Connection& connection) {
  if (connection.recv_armed || connection.peer_ended || connection.broken ||
      connection.stage == Stage::closing || connection.stage == Stage::free)
    return;
  connection.recv_armed = true;
  connection.recv_cancelled = false;
  ring_->recv_multishot(connection.descriptor, buffers_->group(),
                        buffers_->mode() == ring::BufferMode::bundle, tag(op_recv, connection));
}

void Shard::pause_recv(Connection& connection) {
  if (!connection.recv_armed || connection.recv_cancelled) return;
  connection.recv_cancelled = true;
  ring_->cancel(tag(op_recv, connection), {op_cancel, 0, 0});
}

// The session is over: counted, logged, its message given up. The descriptor may live on to say
// the last words.
void Shard::retire(Connection& connection, std::string_view reason) {
  if (connection.counted) {
    with_.counts->leave(connection.address);
    connection.counted = false;
  }
  if (connection.retired) return;
  connection.retired = true;
  if (connection.message.sink_message != nullptr) counters_.messages_aborted.add();
  if (connection.has_session) {
    if (!connection.said_quit && connection.peer_ended) counters_.connections_lost.add();
    log_.disconnect(wall_us_, logged(connection), connection.counts, reason);
    counters_.session_time.record(now_ns_ - connection.accepted_ns);
    current_ = &connection;
    connection.session().~Session();  // aborts an open message
    connection.has_session = false;
  }
  GP_CHECK(connection.message.sink_message == nullptr);
  slices_.clear(connection.held);
  slices_.clear(connection.held_content);
  connection.blocked &= static_cast<std::uint8_t>(~(blocked_commit | blocked_sink));
}

// Our side is done talking. When the peer may still be sending, closing at once would make the
// kernel answer with a reset, which can overtake our last reply: so our side is shut and the peer's
// end awaited.
void Shard::linger(Connection& connection) {
  retire(connection, connection.has_session ? end_reason(connection) : std::string());
  if (connection.peer_ended || connection.broken || connection.said_quit) {
    close_now(connection);
    return;
  }
  connection.stage = Stage::lingering;
  connection.shutting = true;
  ring_->shutdown(connection.descriptor, SHUT_WR, tag(op_shutdown, connection));
  arm_recv(connection);
  // A drain does not wait long for peers that leave their side open.
  set_deadline_in(connection, draining_ ? std::min<std::uint64_t>(options_.linger_timeout_ms, 1000)
                                        : options_.linger_timeout_ms);
}

// The peer is gone or not worth a word.
void Shard::lost(Connection& connection, std::string_view reason) {
  connection.broken = true;
  retire(connection, after_verb(reason, connection));
  close_now(connection);
}

void Shard::close_now(Connection& connection) {
  if (connection.stage == Stage::closing || connection.stage == Stage::free) return;
  retire(connection, {});
  if (connection.shutting) {
    connection.close_behind = true;
    return;
  }
  connection.stage = Stage::closing;
  wheel_.clear(table_.slot_of(connection));
  pause_recv(connection);
  if (connection.stalled != nullptr && !connection.stalled->sending.empty())
    ring_->cancel(tag(op_send_all, connection), {op_cancel, 0, 0});
  ring_->close(connection.descriptor, {op_close, 0, 0});
  finish_close(connection);
}

// Only now may the descriptor go: closed earlier, its number could stand for another connection
// when the kernel's worker looks it up, and that one would be shut.
void Shard::on_shutdown(Connection& connection) {
  connection.shutting = false;
  if (connection.close_behind) close_now(connection);
}

// The slot is free again when the kernel has nothing left that names it.
void Shard::finish_close(Connection& connection) {
  if (connection.recv_armed || connection.operations > 0) return;
  // Lists may still name the slot, even for its next connection: whoever walks them finds nothing
  // to do for it then.
  connection.stalled.reset();
  table_.give_back(table_.slot_of(connection));
}

}  // namespace gatepost::shard
