// MAIL and RCPT parameters (RFC 5321 §4.1.2: esmtp-param).

#include <limits>

#include "smtp/octets.hpp"
#include "smtp/path.hpp"

namespace gatepost::smtp {

using octets::is;

ParameterResult next_parameter(std::string_view& parameters, Parameter& parameter) {
  if (parameters.empty()) return ParameterResult::end;
  const std::size_t begin = parameters.find_first_not_of(' ');
  // Trailing space is gone already; a caller who left it gets the same answer.
  if (begin == parameters.npos) {
    parameters = {};
    return ParameterResult::end;
  }
  if (begin == 0) return ParameterResult::syntax_error;  // R5321-4.1.2-04
  const std::string_view text = parameters.substr(begin);

  if (!is(text[0], octets::alnum)) return ParameterResult::syntax_error;  // R5321-4.1.2-02
  std::size_t at = 1;
  while (at < text.size() && (is(text[at], octets::alnum) || text[at] == '-')) ++at;
  parameter = {text.substr(0, at), {}, false};
  if (at < text.size() && text[at] == '=') {
    const std::size_t value_begin = ++at;
    while (at < text.size() && is(text[at], octets::value)) ++at;
    if (at == value_begin) return ParameterResult::syntax_error;  // R5321-4.1.2-03
    parameter.value = text.substr(value_begin, at - value_begin);
    parameter.has_value = true;
  }
  if (at < text.size() && text[at] != ' ') return ParameterResult::syntax_error;
  parameters = text.substr(at);
  return ParameterResult::parameter;
}

bool parse_size_value(std::string_view value, std::uint64_t& size) {
  constexpr std::size_t digits_max = 20;  // RFC 1870 §5
  constexpr std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
  if (value.empty() || value.size() > digits_max) return false;
  std::uint64_t sum = 0;
  for (char c : value) {
    if (!is(c, octets::digit)) return false;
    const auto number = static_cast<std::uint64_t>(c - '0');
    sum = sum > (limit - number) / 10 ? limit : sum * 10 + number;
  }
  size = sum;
  return true;
}

}  // namespace gatepost::smtp
