// Reverse-paths, forward-paths and MAIL/RCPT parameters (RFC 5321 §4.1.2, §4.1.3; RFC 6531 §3.3).
//
// Pure functions over octets: no allocation (IDNA excepted), no C strings, work linear in the
// input. Results point into the input, except canonical spellings, which are written to storage
// that the caller gives.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bounds.hpp"

namespace gatepost::smtp {

enum class PathError : std::uint8_t {
  none,
  syntax,          // 501 5.1.7 for MAIL, 501 5.1.3 for RCPT
  not_ascii,       // a well-formed UTF-8 address where SMTPUTF8 was not given: 550 (MAIL) / 553
                   // (RCPT) 5.6.7
  malformed_utf8,  // 501 5.5.2 (UTF8-05)
  argument  // 501 5.5.4: not "FROM:<...>" or "TO:<...>" at all, or something glued to the ">"
};

// A canonical mailbox, "local-part@domain" without angle brackets, is never longer. A path may be
// longer than bounds::path_length_max: each part is held to its own limit, and a domain of 255
// octets has to be taken (R5321-4.5.3.1.2-01, X-16), which leaves the path's own 256 octets without
// anything to refuse.
constexpr std::size_t mailbox_length_max =
    bounds::local_part_length_max + 2 + 1 + bounds::domain_length_max;

// A mailbox in canonical spelling: minimum quoting (R5321-4.1.2-14), source route dropped, domain
// as sent.
struct Mailbox {
  std::string_view local_part;  // with quotes where they are needed; case preserved
  std::string_view
      domain;  // a domain, or an address literal with its brackets; empty for bare postmaster
  bool literal = false;
  bool non_ascii = false;  // in the local-part, the domain or the dropped route: needs SMTPUTF8
};

// Room for a canonical local-part: quoting can only get shorter, never longer. What is measured
// against bounds::local_part_length_max is the local-part as sent, without the two quotes but with
// its backslashes.
struct MailboxStorage {
  std::array<char, bounds::local_part_length_max + 2> local_part;
};

struct Path {
  PathError error = PathError::none;
  // What follows is set when error is none or not_ascii: the caller of the latter may find SMTPUTF8
  // among the parameters, and parses again.
  bool null = false;  // "<>", reverse-paths only
  Mailbox mailbox;
  std::string_view parameters;  // what follows the ">": empty, or SP and parameters
};

struct PathOptions {
  bool utf8_allowed = false;      // MAIL had (or is just giving) SMTPUTF8
  bool space_after_colon = true;  // "MAIL FROM: <a@b>" is taken
};

// argument: of MAIL, beginning with "FROM:" in any case. Results point into it and into storage.
Path parse_reverse_path(std::string_view argument, PathOptions options, MailboxStorage& storage);
// argument: of RCPT, beginning with "TO:" in any case. "<postmaster>" in any case (also quoted) has
// an empty domain.
Path parse_forward_path(std::string_view argument, PathOptions options, MailboxStorage& storage);

// The local-part without its quotes and backslashes: `local_part` itself when it has none, else in
// `storage`, which must not be the one that holds it. At most bounds::local_part_length_max octets.
// local_part: as in a Mailbox.
std::string_view unquoted_local_part(std::string_view local_part, MailboxStorage& storage);

// One esmtp-param (§4.1.2): keyword, and value when "=" was there.
struct Parameter {
  std::string_view keyword;
  std::string_view value;
  bool has_value = false;
};
enum class ParameterResult : std::uint8_t { parameter, end, syntax_error };
// Takes the next parameter off the front of `parameters` (each begins with one or more SP).
ParameterResult next_parameter(std::string_view& parameters, Parameter& parameter);

// The value of SIZE= (RFC 1870 §6): 1 to 20 digits. False when it is no such value.
// A number beyond 2^64-1 gives 2^64-1.
bool parse_size_value(std::string_view value, std::uint64_t& size);

// A domain's syntax: labels of letters, digits and hyphens (with utf8: U-labels too). No trailing
// dot. An ASCII label has 1 to 63 octets, the domain at most 255. U-labels are not put through IDNA
// here.
bool valid_domain(std::string_view domain, bool utf8);
// A domain as EHLO and HELO may give it: ASCII, underscores count as letters (R5321-4.1.2-06).
bool valid_greeting_domain(std::string_view domain);
// "[192.0.2.1]", "[IPv6:...]" with its brackets (§4.1.3).
bool valid_address_literal(std::string_view literal);
// The address of a valid literal as 16 octets, IPv4 as ::ffff:a.b.c.d. False when not an IP
// literal.
bool address_literal_value(std::string_view literal, std::array<std::uint8_t, 16>& address);

// An address as text. address: 16 octets, IPv4 as ::ffff:a.b.c.d. IPv6 is spelled as RFC 5952 says;
// an IPv4-mapped address is shown as IPv4 (R5321-5.2-01). Returns the length in `out`.
constexpr std::size_t address_text_max = 39;                            // 8 groups of 4 digits
constexpr std::size_t address_literal_text_max = address_text_max + 7;  // "[IPv6:" and "]"
std::size_t write_address(const std::array<std::uint8_t, 16>& address,
                          std::array<char, address_text_max>& out);
// The same as an address literal with its brackets and tag.
std::size_t write_address_literal(const std::array<std::uint8_t, 16>& address,
                                  std::array<char, address_literal_text_max>& out);

bool valid_utf8(std::string_view text);

// Writes the comparison form of a domain or address literal to `out`: A-labels (IDNA2008 through
// libidn2 when not ASCII, the only case that allocates) in lower case; a literal in the spelling of
// write_address_literal(). Returns its length, or 0 when there is none (IDNA refuses it, or it is
// too long). Never 0 for the domain of a path that was parsed without an error, unless it is empty.
std::size_t canonical_domain(std::string_view domain,
                             std::array<char, bounds::domain_length_max + 1>& out);

// ASCII case-insensitive comparison.
bool equals_ignoring_case(std::string_view a, std::string_view b);

}  // namespace gatepost::smtp
