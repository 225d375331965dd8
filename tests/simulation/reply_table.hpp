// Which reply a command may get in which state, and what it makes of the state: the table of
// tests/spec/rfc5321.md §5a, written out a second time so that the server's own can be held against
// it. Nothing here is shared with src/smtp.
//
// Where the RFC leaves a choice, all of it is permitted, and the state afterwards may not be known:
// hence sets of states.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gatepost::simulation {

enum class DialogState : std::uint8_t {
  greeted,        // G0: 220 was said, no EHLO yet
  refused,        // G5: 554 was said in place of it
  ready,          // R
  mail,           // M: MAIL was taken, no recipient yet
  recipients,     // T: at least one recipient was taken
  chunks,         // B: BDAT is running
  chunks_failed,  // Bx
  closed          // the server has said its last word
};
constexpr std::size_t dialog_state_count = 8;

// A set of states: bit n is the state of that number.
using StateSet = std::uint8_t;
constexpr StateSet only(DialogState state) {
  return static_cast<StateSet>(1u << static_cast<unsigned>(state));
}
constexpr bool contains(StateSet states, DialogState state) {
  return (states & only(state)) != 0;
}
constexpr StateSet no_state = 0;

enum class CommandKind : std::uint8_t {
  greeting,  // no command: the server's first reply
  ehlo,
  ehlo_bad,  // the argument is no name; HELO the same
  helo,
  mail,  // well formed, sender and parameters acceptable
  mail_bad,
  rcpt,
  rcpt_bad,  // malformed, unknown, foreign
  data,
  data_argument,
  end_of_data,  // the content of DATA, when 354 was said
  bdat,         // with its chunk
  bdat_last,
  bdat_malformed,  // no length can be read from it
  bdat_huge,       // a chunk many times over the size limit
  bdat_not_offered,
  rset,
  rset_argument,
  noop,
  vrfy,
  vrfy_empty,
  expn,
  help,
  quit,
  quit_argument,
  starttls,
  auth,
  not_implemented,  // TURN, SEND, SOML, SAML, ETRN
  unknown,
  too_long,    // above 4096 octets
  bad_octets,  // NUL, 8-bit, bare CR or LF in the line
  not_smtp     // HTTP, TLS, message text
};
constexpr std::size_t command_kind_count = static_cast<std::size_t>(CommandKind::not_smtp) + 1;

std::string_view name_of(CommandKind kind);
std::string_view name_of(DialogState state);
// "G0|R", for messages.
void append_names(std::string& out, StateSet states);

// Codes that the command may get in this state. 421 may come at any time and stands in no row.
std::span<const std::uint16_t> permitted_replies(CommandKind kind, DialogState state);

// The states that the server may be in after it answered `code` in one of `before`; no_state when
// that reply was not permitted in any of them. 421 always leads to closed.
StateSet states_after(CommandKind kind, StateSet before, std::uint16_t code);

}  // namespace gatepost::simulation
