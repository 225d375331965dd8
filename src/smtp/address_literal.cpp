// Address literals (RFC 5321 §4.1.3) and the text of addresses (RFC 5952).

#include <algorithm>
#include <cstring>

#include "smtp/octets.hpp"
#include "smtp/path.hpp"

namespace gatepost::smtp {
namespace {

using Address = std::array<std::uint8_t, 16>;
using octets::is;

constexpr std::string_view ipv6_tag = "IPv6:";
constexpr std::size_t groups_max = 8;
constexpr std::array<std::uint8_t, 12> mapped_prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// Snum "." Snum "." Snum "." Snum, each of 1 to 3 digits and at most 255 (R5321-4.1.3-01).
bool parse_ipv4(std::string_view text, std::uint8_t* out) {
  std::size_t at = 0;
  for (unsigned number = 0; number < 4; ++number) {
    if (number > 0 && (at == text.size() || text[at++] != '.')) return false;
    unsigned value = 0;
    const std::size_t first = at;
    while (at < text.size() && at - first < 3 && is(text[at], octets::digit))
      value = value * 10 + static_cast<unsigned>(text[at++] - '0');
    if (at == first || value > 255) return false;
    out[number] = static_cast<std::uint8_t>(value);
  }
  return at == text.size();
}

unsigned hex_value(char c) {
  return is(c, octets::digit) ? static_cast<unsigned>(c - '0')
                              : static_cast<unsigned>(octets::lower(c) - 'a') + 10;
}

// The groups before and behind "::", gathered from left to right. A "::" may stand for a single
// group, never for none.
class Ipv6Parser {
 public:
  bool parse(std::string_view text, Address& address) {
    std::size_t at = 0;
    if (text.starts_with("::")) {
      gap_ = 0;
      at = 2;
    } else if (text.empty()) {
      return false;
    }
    while (at < text.size()) {
      if (!take_group_or_ipv4(text, at)) return false;
      if (at == text.size()) break;
      if (text[at++] != ':') return false;
      if (at == text.size()) return false;  // a single colon at the end
      if (text[at] != ':') continue;
      if (gap_ != no_gap) return false;  // a second "::"
      gap_ = octets_;
      ++at;
    }
    return finish(address);
  }

 private:
  static constexpr std::size_t no_gap = 17;

  bool take_group_or_ipv4(std::string_view text, std::size_t& at) {
    std::size_t digits = 0;
    unsigned value = 0;
    while (at + digits < text.size() && digits < 4 && is(text[at + digits], octets::hex))
      value = value << 4 | hex_value(text[at + digits++]);
    if (digits == 0) return false;
    if (at + digits < text.size() && text[at + digits] == '.') {
      if (octets_ + 4 > found_.size() || !parse_ipv4(text.substr(at), found_.data() + octets_))
        return false;
      octets_ += 4;
      at = text.size();
      return true;
    }
    if (octets_ + 2 > found_.size()) return false;
    found_[octets_++] = static_cast<std::uint8_t>(value >> 8);
    found_[octets_++] = static_cast<std::uint8_t>(value & 0xff);
    at += digits;
    return true;
  }

  bool finish(Address& address) const {
    if (gap_ == no_gap) {
      address = found_;
      return octets_ == found_.size();
    }
    if (octets_ >= found_.size()) return false;
    address.fill(0);
    std::copy_n(found_.begin(), gap_, address.begin());
    std::copy(found_.begin() + static_cast<std::ptrdiff_t>(gap_),
              found_.begin() + static_cast<std::ptrdiff_t>(octets_),
              address.end() - static_cast<std::ptrdiff_t>(octets_ - gap_));
    return true;
  }

  Address found_{};
  std::size_t octets_ = 0;
  std::size_t gap_ = no_gap;
};

char* write_decimal(char* out, unsigned value) {
  if (value >= 100) *out++ = static_cast<char>('0' + value / 100);
  if (value >= 10) *out++ = static_cast<char>('0' + value / 10 % 10);
  *out++ = static_cast<char>('0' + value % 10);
  return out;
}

char* write_hex_group(char* out, unsigned value) {
  bool begun = false;
  for (int shift = 12; shift >= 0; shift -= 4) {
    const unsigned digit = value >> shift & 0xf;
    if (digit == 0 && !begun && shift > 0) continue;
    begun = true;
    *out++ = "0123456789abcdef"[digit];
  }
  return out;
}

bool is_ipv4(const Address& address) {
  return std::equal(mapped_prefix.begin(), mapped_prefix.end(), address.begin());
}

char* write_ipv4(char* out, const Address& address) {
  for (std::size_t i = 12; i < 16; ++i) {
    if (i > 12) *out++ = '.';
    out = write_decimal(out, address[i]);
  }
  return out;
}

char* write_ipv6(char* out, const Address& address) {
  auto group = [&](std::size_t i) {
    return static_cast<unsigned>(address[2 * i] << 8 | address[2 * i + 1]);
  };
  // RFC 5952 §4.2: the longest run of two or more zero groups, the first of equal ones.
  std::size_t gap = groups_max, gap_length = 1;
  for (std::size_t i = 0; i < groups_max; ++i) {
    std::size_t length = 0;
    while (i + length < groups_max && group(i + length) == 0) ++length;
    if (length > gap_length) {
      gap = i;
      gap_length = length;
    }
    i += length;
  }
  for (std::size_t i = 0; i < groups_max; ++i) {
    if (i == gap) {
      *out++ = ':';
      *out++ = ':';
      i += gap_length - 1;
      continue;
    }
    if (i > 0 && i != gap + gap_length) *out++ = ':';
    out = write_hex_group(out, group(i));
  }
  return out;
}

}  // namespace

bool address_literal_value(std::string_view literal, Address& address) {
  if (literal.size() < 2 || literal.front() != '[' || literal.back() != ']') return false;
  const std::string_view inner = literal.substr(1, literal.size() - 2);
  if (inner.size() >= ipv6_tag.size() &&
      equals_ignoring_case(inner.substr(0, ipv6_tag.size()), ipv6_tag)) {
    return Ipv6Parser().parse(inner.substr(ipv6_tag.size()), address);
  }
  // No other tag is registered (R5321-4.1.3-05), so what is left is IPv4.
  std::copy(mapped_prefix.begin(), mapped_prefix.end(), address.begin());
  return parse_ipv4(inner, address.data() + mapped_prefix.size());
}

bool valid_address_literal(std::string_view literal) {
  Address address;
  return address_literal_value(literal, address);
}

std::size_t write_address(const Address& address, std::array<char, address_text_max>& out) {
  char* end = is_ipv4(address) ? write_ipv4(out.data(), address) : write_ipv6(out.data(), address);
  return static_cast<std::size_t>(end - out.data());
}

std::size_t write_address_literal(const Address& address,
                                  std::array<char, address_literal_text_max>& out) {
  std::array<char, address_text_max> text;
  const std::size_t text_size = write_address(address, text);
  const std::string_view tag = is_ipv4(address) ? std::string_view() : ipv6_tag;
  char* end = out.data();
  *end++ = '[';
  end = std::copy(tag.begin(), tag.end(), end);
  end = std::copy_n(text.begin(), text_size, end);
  *end++ = ']';
  return static_cast<std::size_t>(end - out.data());
}

}  // namespace gatepost::smtp
