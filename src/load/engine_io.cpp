// Sockets and octets of an Engine.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>

#include "load/engine.hpp"

namespace gatepost::load {
namespace {

constexpr std::size_t early_octets_max = 64 * 1024;
// Connections in a row without one message taken, after which a slot gives up.
constexpr std::uint8_t failures_max = 3;
constexpr MonotonicNs retry_least_ns = 20 * ns_per_ms;
constexpr MonotonicNs retry_most_ns = 1000 * ns_per_ms;

Fault connect_fault(int error) {
  if (error == ECONNREFUSED) return Fault::connect_refused;
  if (error == EADDRNOTAVAIL) return Fault::no_local_port;
  if (error == ECONNRESET || error == EPIPE) return Fault::lost;
  return Fault::connect_failed;
}

}  // namespace

void Engine::open(Connection& c) {
  ++active_;
  c.phase = Phase::connecting;
  c.opened_at = c.activity_at = now_;
  c.messages = 0;
  c.greeted = c.peer_closed = c.out_of_step = c.faulty = false;
  c.early.clear();
  if (auto fault = open_socket(c)) {
    settle_loss(c, *fault);
    c.phase = Phase::closing;
    return release_if_quiet(c);
  }
  c.connecting = true;
  ++connecting_;
  ++tally_.connections;
  ring_->connect(socket(c), reinterpret_cast<const sockaddr*>(&options_.target.address),
                 options_.target.length, tag(c, op_connect));
}

std::optional<Fault> Engine::open_socket(Connection& c) {
  c.fd = ::socket(options_.target.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c.fd < 0) return Fault::connect_failed;
  int one = 1;
  // A body's last part must not wait for the acknowledgement of the part before it.
  setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (options_.source_addresses == 0) return std::nullopt;
  // The port is chosen at connect(2), when the target is known, so that all source addresses have
  // all ports (ip(7), IP_BIND_ADDRESS_NO_PORT).
  setsockopt(c.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl((127u << 24) + 1 + next_source_);
  next_source_ = (next_source_ + 1) % options_.source_addresses;
  if (bind(c.fd, reinterpret_cast<sockaddr*>(&source), sizeof source) != 0)
    return connect_fault(errno);
  return std::nullopt;
}

void Engine::on_connected(Connection& c, int result) {
  c.connecting = false;
  --connecting_;
  if (c.phase == Phase::closing) return release_if_quiet(c);
  if (result < 0) {
    settle_loss(c, connect_fault(-result));
    c.phase = Phase::closing;
    return release_if_quiet(c);
  }
  c.phase = Phase::talking;
  c.activity_at = now_;
  c.session.start();
  c.parser.reset();
  arm_receive(c);
}

void Engine::arm_receive(Connection& c) {
  c.receiving = true;
  ring_->recv_multishot(socket(c), buffers_->group(), false, tag(c, op_recv));
}

void Engine::on_received(Connection& c, const ring::Completion& completion) {
  if (!completion.more()) c.receiving = false;
  std::uint32_t generation = c.generation;
  if (completion.result > 0) {
    buffers_->consume(completion, [&](const Slice& slice) {
      take_octets(c, {reinterpret_cast<const char*>(slice.data()), slice.size()});
    });
    if (c.generation != generation) return;  // it ended and is quiet already
    if (!c.receiving && c.phase != Phase::closing) arm_receive(c);
    if (c.phase == Phase::closing) release_if_quiet(c);
    return;
  }
  if (c.phase == Phase::closing) return release_if_quiet(c);
  if (completion.result == -ENOBUFS) return arm_receive(c);  // the ring is filled up before
  on_peer_closed(c);
}

void Engine::take_octets(Connection& c, std::string_view octets) {
  if (c.phase != Phase::talking && c.phase != Phase::idle) return;
  c.activity_at = now_;
  while (!octets.empty() && (c.phase == Phase::talking || c.phase == Phase::idle)) {
    bool in_order = c.session.takes_replies_while_sending();
    if (c.sending && !in_order) {
      // What comes while something is still being sent is looked at when that is done: its answer
      // would have to overtake it.
      if (c.early.size() + octets.size() > early_octets_max)
        return broken(c, Fault::unexpected_reply);
      c.early.append(octets);
      return;
    }
    // An answer before the content's end: nothing further can be agreed on here.
    if (!c.session.pending().empty() && !in_order) c.out_of_step = true;
    ReplyLine line;
    auto outcome = c.parser.next(octets, line);
    if (outcome == ReplyParser::Outcome::more) return;
    if (outcome == ReplyParser::Outcome::malformed) return broken(c, Fault::malformed_reply);
    if (line.last) ++tally_.replies[static_cast<std::size_t>(line.code)];
    if (c.session.awaiting() == ClientSession::Awaiting::greeting && line.last &&
        c.kind == Kind::normal)
      tally_.connect.record(now_ - c.opened_at);
    advance(c, c.session.on_line(line));
  }
}

void Engine::on_peer_closed(Connection& c) {
  if (c.sending) {
    c.peer_closed = true;  // there may be a reply before it that was not looked at
    return;
  }
  if (c.phase == Phase::silent) drop_ticket(c);
  broken(c, loss_of(c));
}

// Hands the front of what is pending to the kernel: a few octets of a slow client's content, at
// most limits::send_octets_max of all others.
void Engine::submit(Connection& c) {
  GP_CHECK(!c.sending);
  ClientSession& session = c.session;
  bool slowly = c.kind == Kind::slow && c.has_ticket && session.in_content();
  std::size_t most = slowly ? options_.slow_octets : limits::send_octets_max;
  std::size_t total = 0, pieces = 0;
  for (const Segment& segment : session.pending()) {
    if (pieces == c.pieces.size() || total == most) break;
    std::size_t size = std::min(segment.size, most - total);
    c.pieces[pieces++] = {const_cast<char*>(segment.data), size};
    total += size;
  }
  GP_CHECK(total > 0);
  bool was_submitted = session.end_of_data_submitted();
  session.note_submitted(total);
  if (session.end_of_data_submitted() && !was_submitted) c.end_of_data_at = now_;
  c.sending = true;
  c.activity_at = now_;
  if (pieces == 1) {
    ring_->send_all(socket(c), c.pieces[0].iov_base, total, tag(c, op_send));
    return;
  }
  c.header.msg_iov = c.pieces.data();
  c.header.msg_iovlen = pieces;
  ring_->send_vector(socket(c), &c.header, tag(c, op_send));
}

void Engine::on_sent(Connection& c, int result) {
  c.sending = false;
  if (c.phase == Phase::closing) return release_if_quiet(c);
  c.activity_at = now_;
  if (result <= 0) {
    take_early(c);  // why the server left may stand there
    if (c.phase == Phase::talking) broken(c, loss_of(c));
    return;
  }
  c.session.consume(static_cast<std::size_t>(result));
  if (!c.session.pending().empty()) {
    if (!c.early.empty()) {
      take_early(c);  // an answer before the end: no more is sent
      if (c.phase == Phase::talking && !c.sending) broken(c, Fault::lost);
      return;
    }
    if (c.peer_closed) return broken(c, Fault::lost);
    if (c.kind == Kind::slow && c.has_ticket)
      return sleep_until(c, now_ + options_.slow_interval_ns);
    return submit(c);
  }
  advance(c, c.session.on_sent());
  if (!c.early.empty()) take_early(c);
  bool open = c.phase == Phase::talking || c.phase == Phase::idle || c.phase == Phase::lingering;
  if (c.peer_closed && open && !c.sending) broken(c, Fault::lost);
}

void Engine::take_early(Connection& c) {
  std::string octets;
  octets.swap(c.early);
  take_octets(c, octets);
}

// shutdown(2) as a call of its own: IORING_OP_SHUTDOWN always goes to a kernel worker, which is
// dear, and which looks the descriptor's number up only when it gets to it: by then the number may
// be another connection's.
void Engine::stop_traffic(Connection& c, int how) {
  ::shutdown(c.fd, how);
}

// Ends the connection: FIN, or RST with `reset`. The slot is free when nothing is underway any
// more.
void Engine::hang_up(Connection& c, bool reset) {
  if (c.phase == Phase::closing) return;
  if (c.phase == Phase::idle) std::erase(idle_, slot_of(c));
  c.phase = Phase::closing;
  c.wake_at = 0;
  if (c.connecting) ring_->cancel(tag(c, op_connect), {op_other, 0, 0});
  if (reset) {
    // socket(7), SO_LINGER: close(2) with a time of 0 sends RST. A receive that is underway holds
    // the socket open, so that it must go first.
    linger none{.l_onoff = 1, .l_linger = 0};
    setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    if (c.receiving) ring_->cancel(tag(c, op_recv), {op_other, 0, 0});
  } else if (c.receiving || c.sending) {
    stop_traffic(c, SHUT_RDWR);
  }
  release_if_quiet(c);
}

void Engine::release_if_quiet(Connection& c) {
  if (c.connecting || c.receiving || c.sending) return;
  if (c.fd >= 0) ring_->close(socket(c), {op_other, 0, 0});
  c.fd = -1;
  ++c.generation;
  --active_;
  if (!c.has_ticket && (stopping_ || !c.faulty)) {
    c.phase = Phase::vacant;
    vacant_.push_back(slot_of(c));
    return;
  }
  if (c.failures < 250) ++c.failures;
  bool gives_up = options_.on_disconnect == OnDisconnect::tolerate ||
                  (options_.on_disconnect == OnDisconnect::fail && c.failures >= failures_max);
  if (gives_up) {
    c.phase = Phase::retired;
    ++retired_;
    return;
  }
  c.phase = Phase::waiting;
  if (c.has_ticket) ++waiting_tickets_;
  sleep_until(c, now_ + std::min(retry_most_ns, retry_least_ns << std::min<int>(c.failures, 6)));
}

void Engine::sleep_until(Connection& c, MonotonicNs at) {
  c.wake_at = at;
  timers_.add(at, slot_of(c));
}

}  // namespace gatepost::load
