// The character classes of the SMTP grammar (RFC 5321 §4.1.2, RFC 5322 §2.2) as one table.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace gatepost::smtp::octets {

enum Class : std::uint8_t {
  digit = 1,
  alnum = 2,
  atext = 4,        // of an unquoted local-part; octets of UTF-8 sequences are not in it
  value = 8,        // of an esmtp-value: 33-60, 62-126
  field_name = 16,  // 33-126 but the colon
  hex = 32,
  printable = 64  // 32-126
};

namespace detail {
constexpr std::array<std::uint8_t, 256> make_table() {
  std::array<std::uint8_t, 256> table{};
  for (unsigned c = 0; c < 128; ++c) {
    const bool is_digit = c >= '0' && c <= '9';
    const unsigned lower = c | 0x20u;
    const bool is_letter = lower >= 'a' && lower <= 'z';
    unsigned bits = 0;
    if (is_digit) bits |= digit | hex;
    if (lower >= 'a' && lower <= 'f') bits |= hex;
    if (is_digit || is_letter) bits |= alnum | atext;
    if (std::string_view("!#$%&'*+-/=?^_`{|}~").find(static_cast<char>(c)) !=
        std::string_view::npos)
      bits |= atext;
    if (c >= 33 && c <= 126 && c != '=') bits |= value;
    if (c >= 33 && c <= 126 && c != ':') bits |= field_name;
    if (c >= 32 && c <= 126) bits |= printable;
    table[c] = static_cast<std::uint8_t>(bits);
  }
  return table;
}
inline constexpr std::array<std::uint8_t, 256> table = make_table();
}  // namespace detail

constexpr bool is(char c, unsigned classes) {
  return (detail::table[static_cast<unsigned char>(c)] & classes) != 0;
}
constexpr bool non_ascii(char c) {
  return static_cast<unsigned char>(c) >= 0x80;
}

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
constexpr char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
}

}  // namespace gatepost::smtp::octets
