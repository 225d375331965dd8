#include "config/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/bounds.hpp"

namespace gatepost::config {

std::string to_text(const ListenAddress& address) {
  bool six = address.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", six ? "[" : "", address.host, six ? "]" : "", address.port);
}

bool is_loopback(const ListenAddress& address) {
  return address.host.starts_with("127.") || address.host == "::1";
}

std::uint32_t Config::buffer_count() const {
  std::uint64_t fit = buffer_memory_bytes / buffer_size_bytes;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::bit_floor(fit), bounds::receive_buffers_max));
}

}  // namespace gatepost::config
