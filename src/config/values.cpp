#include "config/values.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

namespace gatepost::config {

namespace {

struct Unit {
  std::string_view name;  // lower case
  std::uint64_t factor;
};

constexpr std::array size_units{Unit{"", 1},
                                Unit{"b", 1},
                                Unit{"k", 1u << 10},
                                Unit{"kb", 1u << 10},
                                Unit{"kib", 1u << 10},
                                Unit{"m", 1u << 20},
                                Unit{"mb", 1u << 20},
                                Unit{"mib", 1u << 20},
                                Unit{"g", 1u << 30},
                                Unit{"gb", 1u << 30},
                                Unit{"gib", 1u << 30},
                                Unit{"t", std::uint64_t{1} << 40},
                                Unit{"tb", std::uint64_t{1} << 40},
                                Unit{"tib", std::uint64_t{1} << 40}};
constexpr std::array duration_units{Unit{"", 1000},    Unit{"ms", 1},        Unit{"s", 1000},
                                    Unit{"m", 60'000}, Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};

// digits, then one of the units. None when it is not that, or does not fit into 64 bits.
std::optional<std::uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units) {
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end == text.data()) return {};
  std::string rest(end, text.data() + text.size());
  for (char& c : rest) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  for (const Unit& unit : units) {
    if (unit.name != rest) continue;
    std::uint64_t product;
    if (__builtin_mul_overflow(number, unit.factor, &product)) return ~std::uint64_t{0};
    return product;
  }
  return {};
}

bool within(std::uint64_t value, Range range) {
  return value >= range.least && value <= range.most;
}

// inet_pton(3) wants a C string; an address with a NUL inside is none.
bool parse_address(int family, std::string_view text, void* out) {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (text.size() >= copy.size() || text.find('\0') != std::string_view::npos) return false;
  std::copy(text.begin(), text.end(), copy.begin());
  return inet_pton(family, copy.data(), out) == 1;
}

constexpr policy::Address mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_mapped(const policy::Address& address) {
  return std::equal(mapped_prefix.begin(), mapped_prefix.begin() + 12, address.begin());
}

}  // namespace

Result<std::uint64_t> parse_count(std::string_view text, Range range) {
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) number = ~std::uint64_t{0};
  bool whole =
      !text.empty() && end == text.data() + text.size() && error != std::errc::invalid_argument;
  if (!whole || !within(number, range))
    return Error{fmt::format("allowed is a whole number from {} to {}", range.least, range.most)};
  return number;
}

Result<std::uint64_t> parse_size(std::string_view text, Range range) {
  auto bytes = parse_with_unit(text, size_units);
  if (!bytes || !within(*bytes, range)) {
    return Error{
        fmt::format("allowed is a size from {} to {}, in bytes or with K, M, G or T behind it",
                    size_text(range.least), size_text(range.most))};
  }
  return *bytes;
}

Result<std::uint64_t> parse_duration(std::string_view text, Range range_ms) {
  auto ms = parse_with_unit(text, duration_units);
  if (!ms || !within(*ms, range_ms)) {
    return Error{fmt::format(
        "allowed is a duration from {} to {}, in seconds or with ms, s, m, h or d behind it",
        duration_text(range_ms.least), duration_text(range_ms.most))};
  }
  return *ms;
}

Result<ListenAddress> parse_listen(std::string_view text) {
  const Error wrong{
      "allowed is ADDR:PORT with a numeric address: 192.0.2.1:25, [2001:db8::1]:25, *:25 for every "
      "address"};
  std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong;
  auto port = parse_count(text.substr(colon + 1), {1, 65535});
  if (!port) return Error{"allowed is ADDR:PORT with a port from 1 to 65535"};
  std::string_view host = text.substr(0, colon);
  std::array<std::uint8_t, 16> octets;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (!parse_address(AF_INET6, host, octets.data())) return wrong;
  } else if (host != "*" && !parse_address(AF_INET, host, octets.data())) {
    return wrong;
  }
  return ListenAddress{std::string(host), static_cast<std::uint16_t>(port.value())};
}

Result<policy::Network> parse_network(std::string_view text) {
  const Error wrong{"allowed is a network as 192.0.2.0/24 or 2001:db8::/32, or one address"};
  std::size_t slash = text.find('/');
  std::string_view address = text.substr(0, slash);
  policy::Network network{.address = mapped_prefix, .prefix_bits = 128};
  bool four = parse_address(AF_INET, address, network.address.data() + 12);
  if (!four) {
    network.address = {};
    if (!parse_address(AF_INET6, address, network.address.data())) return wrong;
  }
  if (slash != std::string_view::npos) {
    auto bits = parse_count(text.substr(slash + 1), {0, four ? 32u : 128u});
    if (!bits) return wrong;
    network.prefix_bits = static_cast<unsigned>(bits.value()) + (four ? 96 : 0);
  }
  // 192.0.2.1/24 is more often a slip of the pen than a wish.
  for (unsigned bit = network.prefix_bits; bit < 128; ++bit) {
    if ((network.address[bit / 8] & (0x80 >> bit % 8)) != 0)
      return Error{
          "the address has bits behind the prefix length: write the network's own address"};
  }
  return network;
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::string_view letters = "TGMK";
  for (std::size_t i = 0; i < letters.size(); ++i) {
    std::uint64_t factor = std::uint64_t{1} << (40 - 10 * i);
    if (bytes != 0 && bytes % factor == 0) return fmt::format("{}{}", bytes / factor, letters[i]);
  }
  return std::to_string(bytes);
}

std::string duration_text(std::uint64_t ms) {
  if (ms % 1000 != 0) return fmt::format("{}ms", ms);
  if (ms != 0 && ms % 86'400'000 == 0) return fmt::format("{}d", ms / 86'400'000);
  if (ms != 0 && ms % 3'600'000 == 0) return fmt::format("{}h", ms / 3'600'000);
  return fmt::format("{}s", ms / 1000);
}

std::string grouped_text(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string network_text(const policy::Network& network) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_mapped(network.address) && network.prefix_bits >= 96) {
    inet_ntop(AF_INET, network.address.data() + 12, text.data(), text.size());
    return fmt::format("{}/{}", text.data(), network.prefix_bits - 96);
  }
  inet_ntop(AF_INET6, network.address.data(), text.data(), text.size());
  return fmt::format("{}/{}", text.data(), network.prefix_bits);
}

}  // namespace gatepost::config
