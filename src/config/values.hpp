// The values of flags: from text to numbers, durations, sizes, addresses, and back.
//
// Every error says what is allowed, in a form that goes behind "--flag 'value': ".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/config.hpp"
#include "policy/admission.hpp"

namespace gatepost::config {

struct Range {
  std::uint64_t least = 0;
  std::uint64_t most = 0;
};

// A whole number within the range.
Result<std::uint64_t> parse_count(std::string_view text, Range range);
// Octets: a whole number, alone or with K, M, G or T behind it (powers of 1024; "KiB", "KB", "k"
// are the same).
Result<std::uint64_t> parse_size(std::string_view text, Range range);
// Milliseconds: a whole number of seconds, or with ms, s, m, h or d behind it.
Result<std::uint64_t> parse_duration(std::string_view text, Range range_ms);
// "192.0.2.1:25", "[2001:db8::1]:25", "*:25" (inet_pton(3); names are not looked up).
Result<ListenAddress> parse_listen(std::string_view text);
// "192.0.2.0/24", "2001:db8::/32", or one address.
Result<policy::Network> parse_network(std::string_view text);

std::string size_text(std::uint64_t bytes);     // "50M", "1000"
std::string duration_text(std::uint64_t ms);    // "300s", "250ms"
std::string grouped_text(std::uint64_t count);  // "12,034"
std::string network_text(const policy::Network& network);

}  // namespace gatepost::config
