#include "smtp/command.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.hpp"
#include "smtp/octets.hpp"
#include "smtp/path.hpp"

namespace gatepost::smtp {
namespace {

using octets::is;

// Up to eight octets as one number, letters in upper case, so that a verb is found by one switch.
constexpr std::size_t verb_length_max = 8;
constexpr std::uint64_t verb_key(std::string_view verb) {
  std::uint64_t key = 0;
  for (char c : verb) key = key << 8 | static_cast<unsigned char>(octets::upper(c));
  return key;
}

Verb verb_of(std::string_view word) {
  if (word.empty() || word.size() > verb_length_max) return Verb::unknown;
  switch (verb_key(word)) {
    case verb_key("EHLO"):
      return Verb::ehlo;
    case verb_key("HELO"):
      return Verb::helo;
    case verb_key("MAIL"):
      return Verb::mail;
    case verb_key("RCPT"):
      return Verb::rcpt;
    case verb_key("DATA"):
      return Verb::data;
    case verb_key("BDAT"):
      return Verb::bdat;
    case verb_key("RSET"):
      return Verb::rset;
    case verb_key("NOOP"):
      return Verb::noop;
    case verb_key("QUIT"):
      return Verb::quit;
    case verb_key("VRFY"):
      return Verb::vrfy;
    case verb_key("EXPN"):
      return Verb::expn;
    case verb_key("HELP"):
      return Verb::help;
    case verb_key("STARTTLS"):
      return Verb::starttls;
    case verb_key("AUTH"):
      return Verb::auth;
    case verb_key("TURN"):
      return Verb::turn;
    case verb_key("SEND"):
      return Verb::send;
    case verb_key("SOML"):
      return Verb::soml;
    case verb_key("SAML"):
      return Verb::saml;
    case verb_key("ETRN"):
      return Verb::etrn;
    // RFC 9110 §9, RFC 5789; PRI opens HTTP/2 (RFC 9113 §3.4).
    case verb_key("GET"):
    case verb_key("POST"):
    case verb_key("HEAD"):
    case verb_key("PUT"):
    case verb_key("DELETE"):
    case verb_key("OPTIONS"):
    case verb_key("CONNECT"):
    case verb_key("PATCH"):
    case verb_key("TRACE"):
    case verb_key("PRI"):
      return Verb::http_request;
    default:
      return Verb::unknown;
  }
}

// RFC 5322 §2.2: a field name, a colon and, here, white space. The white space is what tells a
// header field from a mistyped command such as "MAILFROM:<a@b.test>", which is only unknown.
bool header_field_like(std::string_view line) {
  std::size_t name = 0;
  while (name < line.size() && is(line[name], octets::field_name)) ++name;
  if (name == 0 || line.size() - name < 2 || line[name] != ':') return false;
  return line[name + 1] == ' ' || line[name + 1] == '\t';
}

}  // namespace

bool begins_tls_record(std::string_view octets) {
  return octets.size() >= 2 && octets[0] == '\x16' && octets[1] == '\x03';
}

Command parse_command(std::string_view line) {
  if (begins_tls_record(line)) return {Verb::tls_record, {}};
  const std::string_view whole = line;
  // R5321-4.1.1-01: white space before CRLF is tolerated.
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);

  const std::size_t word_length = std::min(line.find(' '), line.size());
  const Verb verb = verb_of(line.substr(0, word_length));
  std::string_view argument = line.substr(word_length);
  argument.remove_prefix(std::min(argument.find_first_not_of(' '), argument.size()));

  // BDAT-15: whatever else stands behind BDAT, its payload follows, and must not run as commands.
  constexpr std::string_view bdat = "BDAT";
  if (verb == Verb::unknown && line.size() > bdat.size() &&
      equals_ignoring_case(line.substr(0, bdat.size()), bdat) &&
      !is(line[bdat.size()], octets::alnum) && line[bdat.size()] != ':')
    return {Verb::bdat, line.substr(bdat.size())};
  if (verb == Verb::unknown) {
    return {header_field_like(whole) ? Verb::header_field : Verb::unknown, argument};
  }
  // A lone "GET" is a mistyped command at worst; with a target it is a request line.
  if (verb == Verb::http_request && argument.empty()) return {Verb::unknown, {}};
  return {verb, argument};
}

std::string_view verb_name(Verb verb) {
  static constexpr std::array<std::string_view, verb_count> names = {
      "ehlo", "helo", "mail", "rcpt", "data",     "bdat",   "rset",   "noop",
      "quit", "vrfy", "expn", "help", "starttls", "auth",   "turn",   "send",
      "soml", "saml", "etrn", "http", "tls",      "header", "unknown"};
  static_assert(!names.back().empty());
  const auto index = static_cast<std::size_t>(verb);
  GP_CHECK(index < names.size());
  return names[index];
}

BdatArgument parse_bdat_argument(std::string_view argument) {
  // 19 digits always fit into 64 bits without a sign; the limit of BDAT-16 is checked after.
  constexpr std::size_t digits_max = 19;
  std::size_t digits = 0;
  std::uint64_t size = 0;
  while (digits < argument.size() && is(argument[digits], octets::digit)) {
    if (digits == digits_max) return {};
    size = size * 10 + static_cast<std::uint64_t>(argument[digits++] - '0');
  }
  if (digits == 0 || size > std::numeric_limits<std::int64_t>::max()) return {};

  std::string_view rest = argument.substr(digits);
  if (rest.empty()) return {true, size, false};
  const std::size_t spaces = rest.find_first_not_of(' ');
  if (spaces == 0 || spaces == rest.npos) return {};
  if (!equals_ignoring_case(rest.substr(spaces), "LAST")) return {};
  return {true, size, true};
}

GreetingArgument parse_greeting(std::string_view argument) {
  if (argument.empty()) return {};
  if (argument.front() == '[') {
    // R5321-4.1.1.1-03: after a literal, behind a space, old clients say more. It is not looked at.
    const std::size_t end = argument.find(']');
    if (end == argument.npos) return {};
    const std::string_view literal = argument.substr(0, end + 1);
    const std::string_view rest = argument.substr(end + 1);
    if (!rest.empty() && rest.front() != ' ') return {};
    return {valid_address_literal(literal), literal};
  }
  // R5321-4.1.2-05, R5321-4.1.2-06: one trailing dot and underscores are common in EHLO, and taken.
  if (argument.back() == '.') argument.remove_suffix(1);
  if (!valid_greeting_domain(argument)) return {};
  return {true, argument};
}

}  // namespace gatepost::smtp
