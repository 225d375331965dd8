// Theory of operation
//
// A session is in one of seven states. Each command is first looked up here: the table says whether
// the command may go on in this state, or gives the reply that ends it. Only then are its arguments
// looked at, so a command out of order is 503 whatever it says, and changes nothing (RFC 5321
// §4.1.4).
//
//   greeted --EHLO/HELO--> ready --MAIL--> mail --RCPT--> recipients --DATA--> (content) --> ready
//                            ^                               |
//                            |                               +--BDAT--> chunks --BDAT LAST--> ready
//                            |                                             | (a chunk fails)
//                            +------- RSET, EHLO, HELO -------+            v
//                            +----------------------------------- chunks_failed
//
//   refused: greeted with 554; only QUIT is served.
//
// Message content is no state of this table: while it runs no command is looked for.
// STARTTLS is known here and not implemented yet; when it is, its row is all that changes.
#pragma once

#include <cstdint>

#include "smtp/command.hpp"
#include "smtp/reply.hpp"

namespace gatepost::smtp {

enum class State : std::uint8_t {
  greeted,
  refused,
  ready,
  mail,
  recipients,
  chunks,
  chunks_failed
};
constexpr std::size_t state_count = 7;

// What a command meets in a state: nullptr means it may go on.
//
// Two cells depend on more than the state, and their commands look themselves: DATA and BDAT in
// `mail` tell "no RCPT was sent" (503) from "all were refused" (554). A refused BDAT still swallows
// its chunk, in every state (RFC 3030 §2).
const FixedReply* forbidden(State state, Verb verb);

}  // namespace gatepost::smtp
