#include "observe/escape.hpp"

#include <array>
#include <cstdint>

namespace gatepost::observe {

namespace {

constexpr char hex_digits[] = "0123456789ABCDEF";

// ASCII that needs no thought, for each of the two places.
constexpr std::array<bool, 256> make_plain(std::string_view special) {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 0x7f; ++c)
    plain[c] = special.find(static_cast<char>(c)) == std::string_view::npos;
  return plain;
}
constexpr std::array<bool, 256> plain_enclosed = make_plain("\\<>");
constexpr std::array<bool, 256> plain_in_sentence = make_plain("\\");

std::size_t plain_run(std::string_view text, const std::array<bool, 256>& plain) {
  std::size_t length = 0;
  while (length < text.size() && plain[static_cast<std::uint8_t>(text[length])]) ++length;
  return length;
}

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t length = 0;  // octets; 0: malformed
};

// The UTF-8 sequence of two octets or more that text begins with (RFC 3629 §4: no overlong forms,
// no surrogates).
CodePoint leading_code_point(std::string_view text) {
  auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  std::uint8_t first = octet(0);
  std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return {};
  std::uint32_t value = first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((octet(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (octet(i) & 0x3fu);
  }
  constexpr std::array<std::uint32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
    return {};
  return {value, length};
}

// Whether a terminal or a viewer may take the character for a line end, a control, or a change of
// direction.
bool deceptive(std::uint32_t c) {
  return (c >= 0x80 && c <= 0x9f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
         c == 0x200e || c == 0x200f || c == 0xfeff;
}

void append_hex(std::string& out, std::string_view octets) {
  for (char c : octets) {
    auto octet = static_cast<std::uint8_t>(c);
    out += {'\\', 'x', hex_digits[octet >> 4], hex_digits[octet & 15]};
  }
}

// Appends what follows a run of plain octets; returns how many octets of `text` that took.
std::size_t append_special_text(std::string& out, std::string_view text) {
  if (text[0] == '\\') {
    out += "\\\\";
    return 1;
  }
  CodePoint c;
  if ((text[0] & 0x80) != 0) c = leading_code_point(text);
  std::size_t length = c.length == 0 ? 1 : c.length;
  if (c.length == 0 || deceptive(c.value)) {
    append_hex(out, text.substr(0, length));
  } else {
    out += text.substr(0, length);
  }
  return length;
}

}  // namespace

void append_escaped_text(std::string& out, std::string_view text, TextPlace place) {
  const auto& plain = place == TextPlace::enclosed ? plain_enclosed : plain_in_sentence;
  for (;;) {
    std::size_t run = plain_run(text, plain);
    out.append(text.data(), run);
    text.remove_prefix(run);
    if (text.empty()) return;
    text.remove_prefix(append_special_text(out, text));
  }
}

}  // namespace gatepost::observe
