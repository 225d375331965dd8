#include "simulation/simulated_network.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.hpp"
#include "fmt/format.h"
#include "simulation/simulated_kernel.hpp"

namespace gatepost::simulation {
namespace {

// What a send occupies of the socket's buffer at least (sk_buff and its page).
constexpr std::size_t send_cost_min = 1280;
constexpr std::size_t backlog_max = 256;
constexpr SimulatedNs slow_segment_min = 500 * ms;
constexpr SimulatedNs slow_segment_max = 8 * second;

}  // namespace

// --- The server's end ----------------------------------------------------------------------------

Socket::Socket(SimulatedKernel& kernel, std::shared_ptr<Link> link, std::uint64_t number)
    : kernel_(kernel),
      link_(std::move(link)),
      number_(number),
      out_capacity_(link_->options().server_out_capacity) {}

Socket::~Socket() {
  link_->server_closed(received() > 0);
}

unsigned Socket::client() const {
  return link_->options().client;
}

const sockaddr_storage& Socket::address() const {
  return link_->address();
}

std::uint32_t Socket::address_length() const {
  return address().ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

std::size_t Socket::take(std::uint8_t* into, std::size_t size) {
  const std::size_t taken = std::min(size, received());
  std::memcpy(into, in_.data() + in_begin_, taken);
  in_begin_ += taken;
  if (in_begin_ == in_.size()) {
    in_.clear();
    in_begin_ = 0;
  }
  link_->deliver_up();
  return taken;
}

std::ptrdiff_t Socket::send(const void* data, std::size_t size) {
  if (error_ != 0) return -error_;
  if (out_ended_) return -EPIPE;
  // The last piece may go over the limit, as it does in the kernel.
  std::size_t taken = out_cost_ < out_capacity_ ? std::min(size, out_capacity_ - out_cost_) : 0;
  // A socket that has sent little has room for certain (tcp_wmem).
  constexpr std::uint64_t room_for_certain = 14 * 1024;
  if (taken > 0 && total_cost_ + std::max(size, send_cost_min) > room_for_certain &&
      kernel_.faults().strikes(Fault::short_send, client())) {
    taken = kernel_.faults().random(Fault::short_send).below(taken + 1);
    // Memory is short for a moment only.
    kernel_.after(kernel_.faults().random(Fault::short_send).below(50 * ms),
                  [weak = weak_from_this()] {
                    if (const auto self = weak.lock()) self->notify_writer();
                  });
  }
  if (taken == 0) return -EAGAIN;
  const std::size_t cost = std::max(taken, send_cost_min);
  out_cost_ += cost;
  total_cost_ += cost;
  link_->server_sent({static_cast<const char*>(data), taken}, cost);
  return static_cast<std::ptrdiff_t>(taken);
}

void Socket::answered(std::uint64_t loop, std::uint64_t loops_borne) {
  if (link_->options().answered_at_once && waiting_since_loop_ > 0 && !excused_ &&
      loop - waiting_since_loop_ > loops_borne)
    kernel_.record().violation(
        checks::progress,
        fmt::format("client {} was answered after {} loops", client(), loop - waiting_since_loop_));
  waiting_since_loop_ = 0;
  excused_ = false;
}

void Socket::shutdown_write() {
  if (out_ended_) return;
  out_ended_ = true;
  link_->server_ended();
}

void Socket::vanish() {
  link_->server_vanished();
}

void Socket::cut() {
  link_->cut();
}

void Socket::watch_read(ReadinessWatcher* watcher, std::uint64_t operation) {
  reader_ = watcher;
  reader_operation_ = operation;
}

void Socket::watch_write(ReadinessWatcher* watcher, std::uint64_t operation) {
  writer_ = watcher;
  writer_operation_ = operation;
}

void Socket::notify_reader() {
  if (reader_ != nullptr) reader_->readable(reader_operation_);
}

void Socket::notify_writer() {
  if (writer_ != nullptr) writer_->writable(writer_operation_);
}

// --- The connection ------------------------------------------------------------------------------

Link::Link(SimulatedKernel& kernel, const LinkOptions& options, Random random, LinkClient* client)
    : kernel_(kernel), options_(options), random_(random), client_(client) {
  if (options.ipv6) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(options.port);
    inet_pton(AF_INET6, "2001:db8::", &v6.sin6_addr);
    // Of another network each, so that each is another client.
    v6.sin6_addr.s6_addr[5] = static_cast<std::uint8_t>(options.host);
    std::memcpy(&address_, &v6, sizeof v6);
  } else {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(options.port);
    v4.sin_addr.s_addr = htonl(0xC6336400u + (options.host & 0xffu));  // 198.51.100.0/24
    std::memcpy(&address_, &v4, sizeof v4);
  }
}

// When a segment that is sent now arrives; never before the one that went before it.
std::uint64_t Link::arrival(std::uint64_t& last) {
  std::uint64_t delay = options_.latency_ns;
  if (options_.latency_more_ns > 0) delay += random_.below(options_.latency_more_ns);
  if (kernel_.faults().strikes(Fault::slow_network, options_.client))
    delay +=
        kernel_.faults().random(Fault::slow_network).between(slow_segment_min, slow_segment_max);
  last = std::max(last, kernel_.now() + delay);
  return last - kernel_.now();
}

void Link::send(std::string_view octets) {
  GP_CHECK(!client_up_ended_);
  while (!octets.empty()) {
    std::size_t size = std::min(octets.size(), options_.segment_max);
    if (options_.splits_everywhere && size > 1) size = random_.between(1, size);
    up_bytes_ += size;
    transmit_up({Segment::Kind::octets, std::string(octets.substr(0, size))});
    octets.remove_prefix(size);
  }
}

void Link::end() {
  if (client_up_ended_) return;
  client_up_ended_ = true;
  transmit_up({Segment::Kind::end, {}});
}

void Link::close() {
  if (!client_up_ended_) end();
  client_closed_ = true;
  client_ = nullptr;
  // What was there and was never read makes its system answer with a reset.
  if (!client_buffer_.empty()) transmit_up({Segment::Kind::reset, {}});
}

void Link::reset() {
  client_up_ended_ = client_closed_ = client_gone_ = true;
  client_ = nullptr;
  transmit_up({Segment::Kind::reset, {}});
}

void Link::transmit_up(Segment segment) {
  kernel_.after(arrival(up_last_),
                [self = shared_from_this(), moved = std::move(segment)]() mutable {
                  self->arrived_up(std::move(moved));
                });
}

void Link::arrived_up(Segment segment) {
  if (segment.kind == Segment::Kind::reset) {
    up_waiting_.clear();
    reset_arrived_ = true;
    reset_server(ECONNRESET);
    return;
  }
  if (server_closed_) {
    // Nobody is there any more.
    if (segment.kind == Segment::Kind::octets) reset_client();
    return;
  }
  up_waiting_.push_back(std::move(segment));
  deliver_up();
}

// Into the server's receive buffer, as far as there is room.
void Link::deliver_up() {
  if (server_ == nullptr || server_->error_ != 0) return;
  bool any = false;
  while (!up_waiting_.empty()) {
    Segment& next = up_waiting_.front();
    if (next.kind == Segment::Kind::end) {
      server_->in_ended_ = true;
    } else {
      if (server_->received() > 0 &&
          server_->received() + next.octets.size() > options_.server_in_capacity)
        break;
      server_->in_ += next.octets;
      up_bytes_ -= next.octets.size();
    }
    any = true;
    up_waiting_.pop_front();
  }
  if (!any) return;
  server_->notify_reader();
  if (client_ != nullptr && has_room())
    kernel_.after(0, [self = shared_from_this()] {
      if (self->client_ != nullptr) self->client_->link_drained();
    });
}

void Link::refuse() {
  kernel_.after(options_.latency_ns, [self = shared_from_this()] {
    self->server_closed_ = true;
    if (self->client_ != nullptr) self->client_->link_refused();
  });
}

void Link::attach(Socket* socket) {
  server_ = socket;
  deliver_up();
  if (reset_arrived_) reset_server(ECONNRESET);
}

void Link::cut() {
  reset_server(kernel_.random().percent(50) ? ECONNRESET : ETIMEDOUT);
  reset_client();
}

void Link::reset_server(int error) {
  if (server_ == nullptr || server_->error_ != 0) return;
  kernel_.record().trace("reset", options_.client, server_->number());
  server_->error_ = error;
  // Linux keeps what was received; other losses take it along.
  if (random_.percent(50)) {
    server_->in_.clear();
    server_->in_begin_ = 0;
  }
  server_->notify_reader();
  server_->notify_writer();
}

void Link::reset_client() {
  if (client_gone_) return;
  client_gone_ = true;
  kernel_.after(random_.between(options_.latency_ns, options_.latency_ns + 1 * ms),
                [self = shared_from_this()] {
                  LinkClient* const client = std::exchange(self->client_, nullptr);
                  if (client != nullptr) client->link_reset();
                });
}

// --- Down to the client --------------------------------------------------------------------------

void Link::server_sent(std::string_view octets, std::size_t cost) {
  kernel_.record().trace("sent", options_.client, octets.size(), octets);
  // The cost of a send is given back as its parts arrive; the first takes what is over.
  bool first = true;
  std::size_t rest = octets.size();
  while (!octets.empty()) {
    std::size_t size = std::min(octets.size(), options_.segment_max);
    if (options_.splits_everywhere && size > 1) size = random_.between(1, size);
    Segment segment{Segment::Kind::octets, std::string(octets.substr(0, size)), size};
    if (first) segment.cost += cost - rest;
    first = false;
    transmit_down(std::move(segment));
    octets.remove_prefix(size);
  }
}

void Link::server_ended() {
  transmit_down({Segment::Kind::end, {}});
}

void Link::server_closed(bool unread) {
  server_ = nullptr;
  if (server_closed_) return;
  server_closed_ = true;
  // The end of a killed process is told as a reset too, so that clients do not miss a last word.
  if (unread || !up_waiting_.empty() || kernel_.killing())
    reset_client();
  else
    transmit_down({Segment::Kind::end, {}});
}

void Link::server_vanished() {
  server_ = nullptr;
  server_closed_ = true;
  // Sooner or later the client finds out: by its own timeout, or by the rebooted system's answer.
  kernel_.after(random_.between(1 * second, 60 * second), [self = shared_from_this()] {
    if (std::exchange(self->client_gone_, true)) return;
    LinkClient* const client = std::exchange(self->client_, nullptr);
    if (client != nullptr) client->link_reset();
  });
}

void Link::transmit_down(Segment segment) {
  kernel_.after(arrival(down_last_), [self = shared_from_this(), moved = std::move(segment)] {
    self->arrived_down(moved);
  });
}

void Link::arrived_down(const Segment& segment) {
  if (client_gone_) return;
  if (client_closed_) {
    if (segment.kind == Segment::Kind::octets) reset_server(ECONNRESET);
    return;
  }
  if (segment.kind == Segment::Kind::end) {
    client_buffer_ended_ = true;
  } else {
    client_buffer_ += segment.octets;
    if (client_buffer_.size() <= options_.client_window)
      acknowledge(segment.cost);
    else
      unacknowledged_ += segment.cost;
  }
  look_again();
}

void Link::acknowledge(std::size_t cost) {
  kernel_.after(options_.latency_ns, [self = shared_from_this(), cost] {
    if (self->server_ == nullptr) return;
    self->server_->out_cost_ -= cost;
    self->server_->notify_writer();
  });
}

void Link::look_again() {
  if (client_ == nullptr || !client_->link_reading()) return;
  if (!client_buffer_.empty()) {
    const std::string octets = std::exchange(client_buffer_, {});
    if (unacknowledged_ > 0) acknowledge(std::exchange(unacknowledged_, 0));
    client_->link_octets(octets);
  }
  if (client_ != nullptr && std::exchange(client_buffer_ended_, false)) client_->link_ended();
}

// --- Listening -----------------------------------------------------------------------------------

void SimulatedNetwork::connect(const std::shared_ptr<Link>& link) {
  kernel_.after(link->options().latency_ns, [this, link] { arrived(link); });
}

void SimulatedNetwork::arrived(const std::shared_ptr<Link>& link) {
  std::vector<Listener*> open;
  const int family = link->address().ss_family;
  for (const auto& listener : listeners_)
    if (!listener->stopped && listener->family == family && listener->backlog.size() < backlog_max)
      open.push_back(listener.get());
  if (open.empty()) {
    link->refuse();
    return;
  }
  Listener& chosen = *open[kernel_.random().below(open.size())];
  chosen.backlog.push_back(link);
  // The handshake is the kernel's: the client may talk before the connection is accepted.
  kernel_.after(link->options().latency_ns, [link] {
    if (link->client_ != nullptr) link->client_->link_connected();
  });
  if (chosen.watcher != nullptr) chosen.watcher->readable(chosen.operation);
}

void SimulatedNetwork::add_listener(std::shared_ptr<Listener> listener) {
  listeners_.push_back(std::move(listener));
}

void SimulatedNetwork::stop(Listener& listener) {
  listener.stopped = true;
  for (const auto& link : listener.backlog) link->reset_client();
  listener.backlog.clear();
}

void SimulatedNetwork::remove(Listener& listener) {
  stop(listener);
  std::erase_if(listeners_, [&](const auto& each) { return each.get() == &listener; });
}

std::shared_ptr<Socket> SimulatedNetwork::accept(Listener& listener) {
  if (listener.backlog.empty()) return nullptr;
  const std::shared_ptr<Link> link = listener.backlog.front();
  listener.backlog.pop_front();
  auto socket = std::make_shared<Socket>(kernel_, link, next_socket_++);
  link->attach(socket.get());
  return socket;
}

}  // namespace gatepost::simulation
