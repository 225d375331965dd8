// Domains: their syntax (RFC 5321 §4.1.2, RFC 6531 §3.3) and their comparison form (RFC 5891).

#include <idn2.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "smtp/octets.hpp"
#include "smtp/path.hpp"

namespace gatepost::smtp {
namespace {

using octets::is;

struct DomainRules {
  bool utf8;
  bool underscore;
};

// Label by label in one pass: R5321-4.1.2-05. The length of a label that is not ASCII is that of
// its A-label, which only IDNA can tell.
bool follows(std::string_view domain, DomainRules rules) {
  if (domain.empty() || domain.size() > bounds::domain_length_max) return false;
  std::size_t label_begin = 0;
  bool ascii_label = true;
  auto label_ends = [&](std::size_t end) {
    const std::size_t length = end - label_begin;
    if (length == 0 || domain[label_begin] == '-' || domain[end - 1] == '-') return false;
    return !ascii_label || length <= bounds::domain_label_length_max;
  };
  for (std::size_t i = 0; i < domain.size(); ++i) {
    const char c = domain[i];
    if (is(c, octets::alnum) || c == '-') continue;
    if (c == '.') {
      if (!label_ends(i)) return false;
      label_begin = i + 1;
      ascii_label = true;
    } else if (octets::non_ascii(c) && rules.utf8) {
      ascii_label = false;
    } else if (c != '_' || !rules.underscore) {
      return false;
    }
  }
  return label_ends(domain.size());
}

// Whether each label became one label, and each that is not ASCII an A-label. The mapping takes
// capitals and decomposed letters to U-labels, which is welcome, but also other dots to ".", and
// full-width or invisible characters to plain ASCII, which RFC 6531 §3.3 does not know.
bool same_labels(std::string_view domain, std::string_view mapped) {
  for (;;) {
    const std::size_t end = std::min(domain.find('.'), domain.size());
    const std::size_t mapped_end = std::min(mapped.find('.'), mapped.size());
    const std::string_view label = domain.substr(0, end);
    const bool ascii = std::none_of(label.begin(), label.end(), octets::non_ascii);
    if (!ascii && !mapped.starts_with("xn--")) return false;
    const bool last = end == domain.size();
    if (last || mapped_end == mapped.size()) return last && mapped_end == mapped.size();
    domain.remove_prefix(end + 1);
    mapped.remove_prefix(mapped_end + 1);
  }
}

std::size_t write_idna(std::string_view domain,
                       std::array<char, bounds::domain_length_max + 1>& out) {
  // libidn2 wants a C string, so a NUL has to be refused before it could cut the name.
  if (domain.size() > bounds::domain_length_max || domain.find('\0') != domain.npos) return 0;
  std::array<std::uint8_t, bounds::domain_length_max + 1> text;
  std::memcpy(text.data(), domain.data(), domain.size());
  text[domain.size()] = 0;
  std::uint8_t* raw = nullptr;
  const int result = idn2_lookup_u8(text.data(), &raw, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<std::uint8_t, decltype(&idn2_free)> owner(raw, &idn2_free);
  if (result != IDN2_OK) return 0;
  const std::string_view mapped(reinterpret_cast<const char*>(raw));
  // The mapping may yield ASCII that no domain may hold, from full-width forms for instance, and
  // this name becomes part of file names.
  if (!follows(mapped, {.utf8 = false, .underscore = false})) return 0;
  if (!same_labels(domain, mapped)) return 0;
  std::memcpy(out.data(), mapped.data(), mapped.size());
  return mapped.size();
}

}  // namespace

bool valid_domain(std::string_view domain, bool utf8) {
  return follows(domain, {.utf8 = utf8, .underscore = false});
}

bool valid_greeting_domain(std::string_view domain) {
  return follows(domain, {.utf8 = false, .underscore = true});
}

std::size_t canonical_domain(std::string_view domain,
                             std::array<char, bounds::domain_length_max + 1>& out) {
  if (domain.size() > bounds::domain_length_max) return 0;
  if (!domain.empty() && domain.front() == '[') {
    std::array<std::uint8_t, 16> address;
    if (!address_literal_value(domain, address)) return 0;
    std::array<char, address_literal_text_max> literal;
    const std::size_t size = write_address_literal(address, literal);
    std::memcpy(out.data(), literal.data(), size);
    return size;
  }
  for (std::size_t i = 0; i < domain.size(); ++i) {
    if (octets::non_ascii(domain[i])) {
      const std::size_t size = write_idna(domain, out);
      for (std::size_t j = 0; j < size; ++j) out[j] = octets::lower(out[j]);
      return size;
    }
    out[i] = octets::lower(domain[i]);
  }
  return domain.size();
}

bool valid_utf8(std::string_view text) {
  // RFC 3629 §4: no overlong form, no surrogate, nothing beyond U+10FFFF.
  auto octet = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned first = octet(i);
    if (first < 0x80) {
      ++i;
      continue;
    }
    std::size_t more;
    unsigned second_min = 0x80, second_max = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
      more = 1;
    } else if (first >= 0xe0 && first <= 0xef) {
      more = 2;
      if (first == 0xe0) second_min = 0xa0;
      if (first == 0xed) second_max = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
      more = 3;
      if (first == 0xf0) second_min = 0x90;
      if (first == 0xf4) second_max = 0x8f;
    } else {
      return false;
    }
    if (text.size() - i <= more) return false;
    if (octet(i + 1) < second_min || octet(i + 1) > second_max) return false;
    for (std::size_t k = 2; k <= more; ++k)
      if ((octet(i + k) & 0xc0) != 0x80) return false;
    i += more + 1;
  }
  return true;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (octets::lower(a[i]) != octets::lower(b[i])) return false;
  return true;
}

}  // namespace gatepost::smtp
