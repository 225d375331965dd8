#include "main/listeners.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace gatepost {
namespace {

constexpr int backlog = 4096;
constexpr int port_wait_ms = 3000;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

bool to_socket_address(const config::ListenAddress& address, bool ipv6_available,
                       SocketAddress& out) {
  const std::string host = address.host == "*" ? (ipv6_available ? "::" : "0.0.0.0") : address.host;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(address.port);
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    std::memcpy(&out.storage, &v4, sizeof v4);
    out.size = sizeof v4;
    return true;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(address.port);
  if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    std::memcpy(&out.storage, &v6, sizeof v6);
    out.size = sizeof v6;
    return true;
  }
  return false;
}

std::string remedy(int error, std::string_view flag, const config::ListenAddress& address) {
  switch (error) {
    case EADDRINUSE:
      return fmt::format(
          "the port is in use: another server runs there (ss -ltnp 'sport = :{}'), or "
          "choose another with --{}",
          address.port, flag);
    case EACCES:
      return "no permission: ports below 1024 need CAP_NET_BIND_SERVICE (systemd: "
             "AmbientCapabilities=CAP_NET_BIND_SERVICE), or choose a port from 1024 on";
    case EADDRNOTAVAIL:
      return "no interface of this host has the address: give one that `ip address` shows";
    case EAFNOSUPPORT:
      return "this host has no such address family: use an IPv4 address";
    default:
      return std::strerror(error);
  }
}

Error failed(int error, std::string_view flag, const config::ListenAddress& address) {
  return {fmt::format("--{} {}: {}", flag, to_text(address), remedy(error, flag, address))};
}

bool has_ipv6() {
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

// Whether somebody listens already. SO_REUSEPORT would let two processes of one user share the port
// silently, each getting some of the mail.
int probe(const SocketAddress& address) {
  int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  int error = 0;
  if (bind(fd, address.get(), address.size) != 0 || listen(fd, 1) != 0) error = errno;
  close(fd);
  return error;
}

int open_listener(const SocketAddress& address) {
  int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int one = 1;
  int zero = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  // Accepted sockets inherit both (tcp(7)).
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (address.storage.ss_family == AF_INET6)
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
  if (bind(fd, address.get(), address.size) != 0 || listen(fd, backlog) != 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

}  // namespace

std::uint16_t port_of(const shard::Listener& listener) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(listener.fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &storage, sizeof v6);
    return ntohs(v6.sin6_port);
  }
  sockaddr_in v4;
  std::memcpy(&v4, &storage, sizeof v4);
  return ntohs(v4.sin_port);
}

Result<Done> check_free(std::string_view flag, const config::ListenAddress& address) {
  SocketAddress socket_address;
  if (!to_socket_address(address, has_ipv6(), socket_address))
    return failed(EADDRNOTAVAIL, flag, address);
  // A process that was killed keeps its port until the kernel has taken its ring apart, which
  // happens some time after its end: a restart right behind it waits for that.
  int error = probe(socket_address);
  for (int waited_ms = 0; error == EADDRINUSE && waited_ms < port_wait_ms; waited_ms += 50) {
    usleep(50'000);
    error = probe(socket_address);
  }
  if (error != 0) return failed(error, flag, address);
  return Done{};
}

Result<std::vector<shard::Listener>> listen_on(const config::ListenAddress& address,
                                               unsigned shards) {
  constexpr std::string_view flag = "listen";
  config::ListenAddress wanted = address;
  SocketAddress socket_address;
  if (auto free = check_free(flag, address); !free) return Error{free.error()};
  to_socket_address(wanted, has_ipv6(), socket_address);
  std::vector<shard::Listener> listeners;
  for (unsigned i = 0; i < shards; ++i) {
    int fd = open_listener(socket_address);
    if (fd < 0) {
      for (const shard::Listener& listener : listeners) close(listener.fd);
      return failed(-fd, flag, address);
    }
    listeners.push_back({fd, socket_address.storage.ss_family});
    if (wanted.port == 0) {
      wanted.port = port_of(listeners.front());
      to_socket_address(wanted, has_ipv6(), socket_address);
    }
  }
  return listeners;
}

std::vector<policy::Address> own_addresses() {
  std::vector<policy::Address> addresses;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return addresses;
  for (const ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    policy::Address address{};
    if (at->ifa_addr->sa_family == AF_INET) {
      sockaddr_in v4;
      std::memcpy(&v4, at->ifa_addr, sizeof v4);
      address[10] = address[11] = 0xff;
      std::memcpy(address.data() + 12, &v4.sin_addr, 4);
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 v6;
      std::memcpy(&v6, at->ifa_addr, sizeof v6);
      std::memcpy(address.data(), &v6.sin6_addr, 16);
    } else {
      continue;
    }
    addresses.push_back(address);
  }
  freeifaddrs(first);
  return addresses;
}

}  // namespace gatepost
