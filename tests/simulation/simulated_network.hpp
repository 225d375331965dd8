// TCP as the two ends of a connection see it: octets arrive in order, in pieces, after a while; a
// receiver that does not read makes its sender wait; FIN and reset.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/random.hpp"

namespace gatepost::simulation {

class SimulatedKernel;
class Link;

// Whoever waits for a socket or listener: a ring.
class ReadinessWatcher {
 public:
  virtual void readable(std::uint64_t operation) = 0;
  virtual void writable(std::uint64_t operation) = 0;

 protected:
  ~ReadinessWatcher() = default;
};

// The server's end. Lives as long as a descriptor or an operation in a ring holds it.
class Socket : public std::enable_shared_from_this<Socket> {
 public:
  Socket(SimulatedKernel& kernel, std::shared_ptr<Link> link, std::uint64_t number);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Of the connection, in the order of their coming. 1, 2, ...
  std::uint64_t number() const { return number_; }
  unsigned client() const;
  const sockaddr_storage& address() const;
  std::uint32_t address_length() const;
  // Whether the peer's address can still be asked for.
  bool connected() const { return error_ == 0; }

  // What can be received: octets; then the end or an error.
  std::size_t received() const { return in_.size() - in_begin_; }
  bool ended() const { return in_ended_; }
  int error() const { return error_; }
  std::size_t take(std::uint8_t* into, std::size_t size);
  // Octets taken of the send, or a negated errno: -EAGAIN when there is no room at all.
  std::ptrdiff_t send(const void* data, std::size_t size);
  // What was sent so far, as the kernel counts its buffers.
  std::uint64_t total_cost() const { return total_cost_; }
  std::size_t room() const { return out_cost_ < out_capacity_ ? out_capacity_ - out_cost_ : 0; }
  void shutdown_write();
  // The power has failed: nothing is told to the peer.
  void vanish();
  // The network cuts the connection.
  void cut();

  // One of each at a time; nullptr takes it away.
  void watch_read(ReadinessWatcher* watcher, std::uint64_t operation);
  void watch_write(ReadinessWatcher* watcher, std::uint64_t operation);

  // --- For the check that nobody waits for others (clients that expect to be answered at once) ---
  // Octets of it were handed to its shard in this loop of the ring.
  void handed(std::uint64_t loop) {
    if (waiting_since_loop_ == 0) waiting_since_loop_ = loop;
  }
  // What happens to it is not its shard's doing.
  void excuse() { excused_ = true; }
  // Something is sent to it.
  void answered(std::uint64_t loop, std::uint64_t loops_borne);

 private:
  friend class Link;
  void notify_reader();
  void notify_writer();

  SimulatedKernel& kernel_;
  const std::shared_ptr<Link> link_;
  const std::uint64_t number_;
  std::string in_;
  std::size_t in_begin_ = 0;
  bool in_ended_ = false;
  bool out_ended_ = false;
  int error_ = 0;
  std::size_t out_cost_ = 0;
  std::size_t out_capacity_;
  std::uint64_t total_cost_ = 0;
  ReadinessWatcher* reader_ = nullptr;
  std::uint64_t reader_operation_ = 0;
  ReadinessWatcher* writer_ = nullptr;
  std::uint64_t writer_operation_ = 0;
  std::uint64_t waiting_since_loop_ = 0;
  bool excused_ = false;
};

// The client, as its own system's kernel reaches it.
class LinkClient {
 public:
  virtual void link_connected() = 0;
  virtual void link_refused() = 0;
  virtual void link_octets(std::string_view octets) = 0;
  virtual void link_ended() = 0;
  virtual void link_reset() = 0;
  // There is room again for what it wants to send.
  virtual void link_drained() = 0;
  virtual bool link_reading() = 0;

 protected:
  ~LinkClient() = default;
};

struct LinkOptions {
  unsigned client = 0;
  bool ipv6 = false;
  std::uint32_t host = 0;  // the last part of its address
  std::uint16_t port = 0;
  std::uint64_t latency_ns = 0;       // of a segment, one way, at least
  std::uint64_t latency_more_ns = 0;  // and up to so much more
  std::size_t segment_max = 1448;
  bool splits_everywhere = false;  // segments of any size
  std::size_t server_in_capacity = 64 * 1024;
  std::size_t server_out_capacity = 64 * 1024;
  std::size_t client_window = 64 * 1024;
  bool answered_at_once = false;  // each of its octets deserves an answer in the next loop
};

// One connection, between the two.
class Link : public std::enable_shared_from_this<Link> {
 public:
  // client: until detach().
  Link(SimulatedKernel& kernel, const LinkOptions& options, Random random, LinkClient* client);

  const LinkOptions& options() const { return options_; }
  const sockaddr_storage& address() const { return address_; }

  // --- The client's calls ---
  // Returns false when its system takes no more for now.
  bool has_room() const { return up_bytes_ < options_.client_window; }
  void send(std::string_view octets);
  void end();    // FIN
  void close();  // FIN, and what arrives from now on is answered with a reset
  void reset();
  // The client reads again, or not.
  void look_again();
  // The server's end lives still, whatever the client knows of it.
  bool server_open() const { return !server_closed_; }
  void detach() { client_ = nullptr; }

  // --- The network's ---
  // The connection is accepted by nobody: tells the client.
  void refuse();
  void attach(Socket* socket);
  // Cut by something between the two.
  void cut();

  // --- The server's kernel's ---
  void server_sent(std::string_view octets, std::size_t cost);
  void server_ended();
  void server_closed(bool unread);
  // The server's system is gone without a word.
  void server_vanished();

 private:
  struct Segment {
    enum class Kind : std::uint8_t { octets, end, reset };
    Kind kind = Kind::octets;
    std::string octets;
    std::size_t cost = 0;
  };

  std::uint64_t arrival(std::uint64_t& last);
  void transmit_up(Segment segment);
  void transmit_down(Segment segment);
  void arrived_up(Segment segment);
  void arrived_down(const Segment& segment);
  void deliver_up();
  void acknowledge(std::size_t cost);
  void reset_server(int error);
  void reset_client();
  friend class Socket;
  friend class SimulatedNetwork;

  SimulatedKernel& kernel_;
  const LinkOptions options_;
  Random random_;
  LinkClient* client_;
  Socket* server_ = nullptr;
  sockaddr_storage address_{};
  bool client_closed_ = false;  // does not read any more
  bool client_gone_ = false;    // knows nothing of the connection any more
  bool server_closed_ = false;
  bool client_up_ended_ = false;
  bool reset_arrived_ = false;
  std::size_t unacknowledged_ = 0;  // cost of what did not fit into the client's window
  std::size_t up_bytes_ = 0;        // sent by the client and not yet in the server's buffer
  std::uint64_t up_last_ = 0;
  std::uint64_t down_last_ = 0;
  std::deque<Segment> up_waiting_;  // arrived, and no room
  std::string client_buffer_;       // arrived, and not read
  bool client_buffer_ended_ = false;
};

// Waits for connections on behalf of a shard.
struct Listener {
  int family = AF_INET;
  bool stopped = false;
  std::deque<std::shared_ptr<Link>> backlog;
  ReadinessWatcher* watcher = nullptr;
  std::uint64_t operation = 0;
};

class SimulatedNetwork {
 public:
  explicit SimulatedNetwork(SimulatedKernel& kernel) : kernel_(kernel) {}

  // Begins a connection; the client is told when it stands, or that it was refused.
  void connect(const std::shared_ptr<Link>& link);
  // SO_REUSEPORT: each connection goes to one of them.
  void add_listener(std::shared_ptr<Listener> listener);
  void stop(Listener& listener);
  void remove(Listener& listener);
  void forget_listeners() { listeners_.clear(); }
  std::shared_ptr<Socket> accept(Listener& listener);

 private:
  void arrived(const std::shared_ptr<Link>& link);

  SimulatedKernel& kernel_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::uint64_t next_socket_ = 1;
};

}  // namespace gatepost::simulation
