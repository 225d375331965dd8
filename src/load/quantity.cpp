#include "load/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <string>

namespace gatepost::load {
namespace {

struct Number {
  double value;
  std::string unit;  // lower case
};

// A decimal number without sign or exponent, and the letters behind it.
bool split_number(std::string_view text, Number& number) {
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t end = 0;
  while (end < text.size() && (is_digit(text[end]) || text[end] == '.')) ++end;
  if (end == 0 || !is_digit(text[0])) return false;
  auto [last, error] = std::from_chars(text.data(), text.data() + end, number.value);
  if (error != std::errc{} || last != text.data() + end) return false;
  number.unit.assign(text.substr(end));
  std::transform(number.unit.begin(), number.unit.end(), number.unit.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return true;
}

double size_factor(std::string_view unit) {
  if (unit.empty() || unit == "b") return 1;
  if (unit == "k" || unit == "kb" || unit == "kib") return 1024;
  if (unit == "m" || unit == "mb" || unit == "mib") return 1024.0 * 1024;
  if (unit == "g" || unit == "gb" || unit == "gib") return 1024.0 * 1024 * 1024;
  return 0;
}

double duration_factor(std::string_view unit) {
  if (unit == "us") return 1e3;
  if (unit == "ms") return 1e6;
  if (unit.empty() || unit == "s") return 1e9;
  if (unit == "m" || unit == "min") return 60e9;
  if (unit == "h") return 3600e9;
  return 0;
}

std::string show_size(std::uint64_t octets) {
  if (octets != 0 && octets % (1u << 20) == 0) return fmt::format("{}M", octets >> 20);
  if (octets != 0 && octets % 1024 == 0) return fmt::format("{}K", octets >> 10);
  return fmt::format("{}", octets);
}

std::string show_duration(std::uint64_t ns) {
  if (ns % 3'600'000'000'000u == 0 && ns != 0) return fmt::format("{}h", ns / 3'600'000'000'000u);
  if (ns % 1'000'000'000u == 0) return fmt::format("{}s", ns / 1'000'000'000u);
  return fmt::format("{}ms", ns / 1'000'000u);
}

}  // namespace

Result<std::uint64_t> parse_count(std::string_view text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  auto [last, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || last != text.data() + text.size() || value < least || value > most)
    return Error{
        fmt::format("'{}' is not allowed: a whole number from {} to {}", text, least, most)};
  return value;
}

Result<std::uint64_t> parse_size(std::string_view text, std::uint64_t least, std::uint64_t most) {
  Number number{};
  double factor = split_number(text, number) ? size_factor(number.unit) : 0;
  double octets = number.value * factor;
  if (factor == 0 || octets < static_cast<double>(least) || octets > static_cast<double>(most))
    return Error{fmt::format("'{}' is not allowed: octets from {} to {}, such as 4096, 4K or 1.5M",
                             text, show_size(least), show_size(most))};
  return static_cast<std::uint64_t>(octets);
}

Result<std::uint64_t> parse_duration(std::string_view text, std::uint64_t least,
                                     std::uint64_t most) {
  Number number{};
  double factor = split_number(text, number) ? duration_factor(number.unit) : 0;
  double ns = number.value * factor;
  if (factor == 0 || ns < static_cast<double>(least) || ns > static_cast<double>(most))
    return Error{
        fmt::format("'{}' is not allowed: a duration from {} to {}, such as 250ms, 10s or 5m", text,
                    show_duration(least), show_duration(most))};
  return static_cast<std::uint64_t>(ns);
}

Result<double> parse_percentage(std::string_view text) {
  Number number{};
  if (!split_number(text, number) || number.unit != "%" || number.value > 100)
    return Error{fmt::format("'{}' is not allowed: a percentage from 0% to 100%", text)};
  return number.value / 100;
}

Result<double> parse_positive(std::string_view text, double most) {
  Number number{};
  if (!split_number(text, number) || !number.unit.empty() || !(number.value > 0) ||
      number.value > most)
    return Error{fmt::format("'{}' is not allowed: a number above 0 and up to {}", text, most)};
  return number.value;
}

}  // namespace gatepost::load
