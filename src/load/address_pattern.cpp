#include "load/address_pattern.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/bounds.hpp"
#include "load/limits.hpp"
#include "load/quantity.hpp"

namespace gatepost::load {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_atext(char c) {
  return is_alphanumeric(c) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

// Parts of one character or more, separated by single dots.
template <class Allowed>
bool is_dotted(std::string_view text, Allowed allowed) {
  bool after_dot = true;
  for (char c : text) {
    if (c == '.' && after_dot) return false;
    if (c != '.' && !allowed(c)) return false;
    after_dot = c == '.';
  }
  return !after_dot;
}

}  // namespace

bool is_plain_address(std::string_view address) {
  auto at = address.find('@');
  if (at == std::string_view::npos || at > bounds::local_part_length_max) return false;
  std::string_view local_part = address.substr(0, at), domain = address.substr(at + 1);
  if (domain.empty() || domain.size() > bounds::domain_length_max) return false;
  if (!is_dotted(local_part, is_atext)) return false;
  if (domain.front() == '[' && domain.back() == ']') {
    domain = domain.substr(1, domain.size() - 2);
    return !domain.empty() && std::all_of(domain.begin(), domain.end(), [](char c) {
      return is_alphanumeric(c) || c == '.' || c == ':' || c == '-';
    });
  }
  return is_dotted(domain, [](char c) { return is_alphanumeric(c) || c == '-'; });
}

Result<Done> expand_addresses(std::string_view pattern, std::vector<std::string>& mailboxes) {
  Error wrong{
      fmt::format("'{}' is not allowed: an address such as user@example.org, or with one "
                  "range such as user{{1-50}}@example.org (at most {} mailboxes in all)",
                  pattern, limits::mailboxes_max)};
  auto open = pattern.find('{'), close = pattern.find('}');
  std::uint64_t first = 0, last = 0;
  std::string_view before = pattern, after;
  if (open != std::string_view::npos && close != std::string_view::npos && open < close) {
    std::string_view range = pattern.substr(open + 1, close - open - 1);
    auto dash = range.find('-');
    if (dash == std::string_view::npos) return wrong;
    auto low = parse_count(range.substr(0, dash), 0, limits::messages_max);
    auto high = parse_count(range.substr(dash + 1), 0, limits::messages_max);
    if (!low || !high || low.value() > high.value()) return wrong;
    first = low.value();
    last = high.value();
    before = pattern.substr(0, open);
    after = pattern.substr(close + 1);
  }
  if (last - first + 1 > limits::mailboxes_max - mailboxes.size()) return wrong;
  bool ranged = before.size() != pattern.size();
  for (std::uint64_t n = first; n <= last; ++n) {
    std::string address = ranged ? fmt::format("{}{}{}", before, n, after) : std::string(pattern);
    // Braces that are left over are atext (§4.1.2), but hardly meant.
    if (!is_plain_address(address) || address.find_first_of("{}") != std::string::npos)
      return wrong;
    mailboxes.push_back(std::move(address));
  }
  return Done{};
}

}  // namespace gatepost::load
