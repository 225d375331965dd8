#include "smtp/session_table.hpp"

#include <array>

#include "base/check.hpp"

namespace gatepost::smtp {
namespace {

using Row = std::array<const FixedReply*, state_count>;

constexpr const FixedReply* go = nullptr;
constexpr const FixedReply* serv = &replies::no_service;
constexpr const FixedReply* helo = &replies::greet_first;
constexpr const FixedReply* nest = &replies::nested_mail;
constexpr const FixedReply* mail = &replies::need_mail;
constexpr const FixedReply* bdat = &replies::chunks_running;
constexpr const FixedReply* fail = &replies::chunks_failed;
constexpr const FixedReply* n502 = &replies::not_implemented;
constexpr const FixedReply* u500 = &replies::unknown_command;

// The columns are the states, in the order of the enum:
//               greeted refused ready  mail  recipients chunks chunks_failed
constexpr std::array<Row, verb_count> table = {{
    /* ehlo */ {go, serv, go, go, go, go, go},
    /* helo */ {go, serv, go, go, go, go, go},
    /* mail */ {helo, serv, go, nest, nest, nest, nest},
    /* rcpt */ {helo, serv, mail, go, go, bdat, fail},
    /* data */ {helo, serv, mail, go, go, bdat, fail},
    /* bdat */ {helo, serv, mail, go, go, go, fail},
    /* rset */ {go, serv, go, go, go, go, go},
    /* noop */ {go, serv, go, go, go, go, go},
    /* quit */ {go, go, go, go, go, go, go},
    /* vrfy */ {go, serv, go, go, go, go, go},
    /* expn */ {n502, serv, n502, n502, n502, n502, n502},
    /* help */ {go, serv, go, go, go, go, go},
    /* starttls */ {n502, serv, n502, n502, n502, n502, n502},
    /* auth */ {n502, serv, n502, n502, n502, n502, n502},
    /* turn */ {n502, serv, n502, n502, n502, n502, n502},
    /* send */ {n502, serv, n502, n502, n502, n502, n502},
    /* soml */ {n502, serv, n502, n502, n502, n502, n502},
    /* saml */ {n502, serv, n502, n502, n502, n502, n502},
    /* etrn */ {n502, serv, n502, n502, n502, n502, n502},
    /* http_request: ends the session in every state (SMG-13) */
    {go, go, go, go, go, go, go},
    /* tls_record: likewise */
    {go, go, go, go, go, go, go},
    /* header_field: likewise */
    {go, go, go, go, go, go, go},
    /* unknown */ {u500, serv, u500, u500, u500, u500, u500},
}};
static_assert(static_cast<std::size_t>(Verb::starttls) == 12 &&
              static_cast<std::size_t>(Verb::unknown) == 22 && table.size() == 23);

}  // namespace

const FixedReply* forbidden(State state, Verb verb) {
  return table[static_cast<std::size_t>(verb)][static_cast<std::size_t>(state)];
}

}  // namespace gatepost::smtp
