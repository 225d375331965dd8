// Numbers as people write them on a command line: counts, sizes, durations, percentages.
//
// Each function takes the whole of `text`; anything it does not understand, or that is outside the
// allowed range, is an Error that says what is allowed. Any thread; nothing is kept.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace gatepost::load {

// "12000". Allowed: least..most.
Result<std::uint64_t> parse_count(std::string_view text, std::uint64_t least, std::uint64_t most);
// Octets: "4096", "4K", "1.5M", "1G" (powers of 1024; k, KiB, KB are the same as K).
Result<std::uint64_t> parse_size(std::string_view text, std::uint64_t least, std::uint64_t most);
// Nanoseconds: "250ms", "10s", "5m", "2h", "1.5s"; a bare number is seconds. Limits in nanoseconds.
Result<std::uint64_t> parse_duration(std::string_view text, std::uint64_t least,
                                     std::uint64_t most);
// A share of 1: "5%", "0.5%". The percent sign is required. Allowed: 0%..100%.
Result<double> parse_percentage(std::string_view text);
// A number greater than 0: "0.8".
Result<double> parse_positive(std::string_view text, double most);

}  // namespace gatepost::load
