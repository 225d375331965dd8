// An SMTP server of a few lines for the load generator's tests: blocking, a thread per connection,
// and each connection does what the test says.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace gatepost::load {

// The server's end of one connection.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  ~Peer() { close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void write(std::string_view octets) { send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL); }
  // Up to and with `end`; what came before it when the client closed first.
  std::string read_until(std::string_view end) {
    std::size_t searched = 0;
    while (true) {
      auto at = buffer_.find(end, searched < end.size() ? 0 : searched - end.size());
      searched = buffer_.size();
      if (at != std::string::npos) {
        std::string octets = buffer_.substr(0, at + end.size());
        buffer_.erase(0, at + end.size());
        return octets;
      }
      if (!fill()) return std::move(buffer_);
    }
  }
  std::string read_line() { return read_until("\r\n"); }
  std::string read_octets(std::size_t count) {
    while (buffer_.size() < count && fill()) {
    }
    std::string octets = buffer_.substr(0, count);
    buffer_.erase(0, octets.size());
    return octets;
  }
  // RST instead of FIN.
  void reset() {
    linger none{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  }
  // FIN; what the client sends is still read.
  void half_close() { shutdown(fd_, SHUT_WR); }
  // The client's address, in host byte order.
  std::uint32_t client_address() const {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    getpeername(fd_, reinterpret_cast<sockaddr*>(&address), &length);
    return ntohl(address.sin_addr.s_addr);
  }
  // Everything that the client has sent.
  const std::string& seen() const { return seen_; }
  // Greets, takes EHLO and offers `extensions` ("250 mx\r\n" when empty).
  void greet(std::string_view extensions) {
    write("220 stub.example.org\r\n");
    read_line();
    write(extensions.empty() ? "250 mx\r\n" : extensions);
  }
  // Up to 354; false when the client said QUIT (and got 221) or is gone.
  bool take_envelope() {
    while (true) {
      std::string line = read_line();
      if (line == "QUIT\r\n") write("221 bye\r\n");
      if (line == "QUIT\r\n" || line.empty()) return false;
      if (line == "DATA\r\n") break;
      write("250 ok\r\n");
    }
    write("354 go\r\n");
    return true;
  }
  std::string take_content() { return read_until("\r\n.\r\n"); }

 private:
  bool fill() {
    char octets[65536];
    // A test that goes wrong ends, late, instead of hanging.
    pollfd ready{fd_, POLLIN, 0};
    if (poll(&ready, 1, 60'000) <= 0) return false;
    ssize_t got = recv(fd_, octets, sizeof octets, 0);
    if (got <= 0) return false;
    buffer_.append(octets, static_cast<std::size_t>(got));
    seen_.append(octets, static_cast<std::size_t>(got));
    return true;
  }
  int fd_;
  std::string buffer_, seen_;
};

class StubServer {
 public:
  // serve(peer, number): what becomes of the number-th connection, from 0.
  explicit StubServer(std::function<void(Peer&, int)> serve) : serve_(std::move(serve)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener_, reinterpret_cast<sockaddr*>(&address_), sizeof address_);
    socklen_t length = sizeof address_;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &length);
    listen(listener_, 128);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~StubServer() { stop(); }

  // Waits for the connections' end. After it seen() is complete.
  void stop() {
    if (!acceptor_.joinable()) return;
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (std::thread& thread : connections_) thread.join();
    close(listener_);
  }
  const sockaddr_in& address() const { return address_; }
  // What each connection's client sent, in the order in which they ended.
  const std::vector<std::string>& seen() const { return seen_; }

 private:
  void accept_all() {
    for (int number = 0;; ++number) {
      int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      connections_.emplace_back([this, fd, number] {
        Peer peer(fd);
        serve_(peer, number);
        std::lock_guard guard(mutex_);
        seen_.push_back(peer.seen());
      });
    }
  }

  std::function<void(Peer&, int)> serve_;
  int listener_ = -1;
  sockaddr_in address_{};
  std::thread acceptor_;
  std::vector<std::thread> connections_;
  std::mutex mutex_;
  std::vector<std::string> seen_;
};

}  // namespace gatepost::load
