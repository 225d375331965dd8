#include "config/config.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/bounds.hpp"

namespace gatepost::config {

namespace {

// The address as the kernel compares it: IPv4 is a part of IPv6 (RFC 4291 §2.5.5.2).
in6_addr octets_of(const ListenAddress& address) {
  in6_addr octets{};
  if (inet_pton(AF_INET6, address.host.c_str(), &octets) == 1) return octets;
  octets = {};
  octets.s6_addr[10] = octets.s6_addr[11] = 0xff;
  inet_pton(AF_INET, address.host.c_str(), octets.s6_addr + 12);
  return octets;
}

// Whether a socket on `wide` gets what comes to `narrow`. Sockets on :: take IPv4, too.
bool covers(const ListenAddress& wide, const ListenAddress& narrow) {
  if (wide.host == "*") return true;
  if (narrow.host == "*") return false;
  const in6_addr of_wide = octets_of(wide);
  const in6_addr of_narrow = octets_of(narrow);
  if (IN6_IS_ADDR_UNSPECIFIED(&of_wide) || IN6_ARE_ADDR_EQUAL(&of_wide, &of_narrow)) return true;
  const bool every_ipv4 = IN6_IS_ADDR_V4MAPPED(&of_wide) && of_wide.s6_addr32[3] == 0;
  return every_ipv4 && IN6_IS_ADDR_V4MAPPED(&of_narrow);
}

}  // namespace

std::string to_text(const ListenAddress& address) {
  bool six = address.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", six ? "[" : "", address.host, six ? "]" : "", address.port);
}

bool is_loopback(const ListenAddress& address) {
  return address.host.starts_with("127.") || address.host == "::1";
}

bool overlap(const ListenAddress& a, const ListenAddress& b) {
  return a.port == b.port && (covers(a, b) || covers(b, a));
}

std::uint32_t Config::buffer_count() const {
  std::uint64_t fit = buffer_memory_bytes / buffer_size_bytes;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::bit_floor(fit), bounds::receive_buffers_max));
}

}  // namespace gatepost::config
