#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <cstring>

#include "load/options.hpp"
#include "load/quantity.hpp"

namespace gatepost::load {

Result<Target> parse_target(std::string_view text, bool allow_remote) {
  Error wrong{
      fmt::format("target '{}' is not allowed: ADDRESS:PORT such as 127.0.0.1:2525, "
                  "[::1]:2525 or localhost:2525",
                  text)};
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong;
  auto port = parse_count(text.substr(colon + 1), 1, 65535);
  std::string host(text.substr(0, colon));
  if (!port || host.empty()) return wrong;
  if (host == "localhost") host = "127.0.0.1";

  Target target;
  target.text = text;
  bool loopback = false;
  if (host.front() == '[' && host.back() == ']') {
    auto* address = reinterpret_cast<sockaddr_in6*>(&target.address);
    std::string number = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, number.c_str(), &address->sin6_addr) != 1) return wrong;
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(static_cast<std::uint16_t>(port.value()));
    target.length = sizeof *address;
    loopback = IN6_IS_ADDR_LOOPBACK(&address->sin6_addr);
  } else {
    auto* address = reinterpret_cast<sockaddr_in*>(&target.address);
    if (inet_pton(AF_INET, host.c_str(), &address->sin_addr) != 1) return wrong;
    address->sin_family = AF_INET;
    address->sin_port = htons(static_cast<std::uint16_t>(port.value()));
    target.length = sizeof *address;
    loopback = (ntohl(address->sin_addr.s_addr) >> 24) == 127;
  }
  if (!loopback && !allow_remote)
    return Error{
        fmt::format("target '{}' is not on this machine: load on a server that is not "
                    "yours is an attack; if it is yours, add --allow-remote",
                    text)};
  return target;
}

}  // namespace gatepost::load
