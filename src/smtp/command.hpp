// One command line taken apart: the verb and its argument (RFC 5321 §2.4, §4.1.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gatepost::smtp {

enum class Verb : std::uint8_t {
  ehlo,
  helo,
  mail,
  rcpt,
  data,
  bdat,
  rset,
  noop,
  quit,
  vrfy,
  expn,
  help,
  starttls,
  auth,  // known; answered by what is offered
  turn,
  send,
  soml,
  saml,
  etrn,          // known, never implemented: 502
  http_request,  // GET, POST, CONNECT, ... with a target: a browser or a proxy (SMG-13, D09..D11)
  tls_record,    // begins like a TLS handshake record
  header_field,  // "Name: value", with white space behind the colon: message content run as
                 // commands
  unknown
};
constexpr std::size_t verb_count = static_cast<std::size_t>(Verb::unknown) + 1;

struct Command {
  Verb verb = Verb::unknown;
  // What follows the verb's space, without trailing SP and HT (R5321-4.1.1-01). Points into the
  // line.
  std::string_view argument;
};

// line: without its CRLF, any octets. For MAIL and RCPT the argument begins with FROM: / TO:.
// The verb is matched in any case; more than one space behind it belongs to the separator.
// A verb that is known must be followed by a space or by the end of the line.
// White space in front of the verb, or a HT behind it that is not at the line's end, makes it
// unknown.
Command parse_command(std::string_view line);

// True when the octets begin as a TLS handshake record does (RFC 8446 §5.1). A ClientHello need not
// hold a line end, so this is to be asked of a line that is not complete yet (D11).
bool begins_tls_record(std::string_view octets);

// The verb as it is counted and logged: "ehlo", "mail", "unknown", ...
std::string_view verb_name(Verb verb);

// The argument of BDAT (RFC 3030 §2): "size" or "size LAST", LAST in any case. size: 1 to 19
// digits.
struct BdatArgument {
  bool valid =
      false;  // false: the length can't be known, the connection must end (BDAT-15, BDAT-16)
  std::uint64_t size = 0;  // at most 2^63-1
  bool last = false;
};
BdatArgument parse_bdat_argument(std::string_view argument);

// EHLO and HELO names (§4.1.1.1, §4.1.3): an ASCII domain (underscores are taken) or an address
// literal. name: the argument cut to what may go into the trace: one trailing dot of a domain
// dropped, text behind an address literal and a space dropped. Points into the argument.
struct GreetingArgument {
  bool valid = false;
  std::string_view name;
};
GreetingArgument parse_greeting(std::string_view argument);

}  // namespace gatepost::smtp
