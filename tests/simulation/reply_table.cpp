#include "simulation/reply_table.hpp"

#include <array>
#include <vector>

#include "base/check.hpp"

namespace gatepost::simulation {
namespace {

constexpr StateSet G0 = only(DialogState::greeted);
constexpr StateSet G5 = only(DialogState::refused);
constexpr StateSet R = only(DialogState::ready);
constexpr StateSet M = only(DialogState::mail);
constexpr StateSet T = only(DialogState::recipients);
constexpr StateSet B = only(DialogState::chunks);
constexpr StateSet Bx = only(DialogState::chunks_failed);
constexpr StateSet end = only(DialogState::closed);
constexpr StateSet served = G0 | R | M | T | B | Bx;
constexpr StateSet any = served | G5;
constexpr StateSet same = no_state;  // as `out`: the state stays

// In each of the states `in` the command may get each of `codes`, and leads to one of `out`.
struct Rule {
  CommandKind kind;
  StateSet in;
  std::vector<std::uint16_t> codes;
  StateSet out;
};

// The rows of §5a and of the tables around it, in their order.
const std::vector<Rule>& rules() {
  using enum CommandKind;
  static const std::vector<Rule> all{
      // R5321-4.2-02, -3.1-02, R7504-2-01. A refusal of one who talked first (SMG-11) ends it.
      {greeting, G0, {220}, G0},
      {greeting, G0, {554}, G5 | end},
      {greeting, G0, {521}, end},

      {ehlo, served, {250}, R},
      {ehlo, G5, {503}, same},
      {ehlo_bad, served, {500, 501, 502, 550}, same},
      {ehlo_bad, G5, {503}, same},
      {helo, served, {250}, R},
      {helo, G5, {503}, same},

      {mail, any & ~R, {503}, same},
      {mail, R, {250}, M},
      // 554: where mail goes to does not want it, now or ever. Not in the RFC's list for MAIL.
      {mail, R, {451, 452, 455, 554}, same},
      {mail_bad, any & ~R, {503}, same},
      {mail_bad, R, {501, 550, 552, 553, 555, 451, 452, 455}, same},

      {rcpt, any & ~(M | T), {503}, same},
      {rcpt, M | T, {250}, T},
      {rcpt, M | T, {450, 451, 452, 455}, same},
      {rcpt_bad, any & ~(M | T), {503}, same},
      {rcpt_bad, M | T, {501, 550, 551, 552, 553, 555, 450, 451, 452, 455}, same},

      {data, any & ~(M | T), {503}, same},
      {data, M, {503, 554}, same},
      {data, T, {354, 451, 452, 554}, same},
      {data_argument, T, {501}, same},
      {data_argument, served & ~T, {501, 503}, same},
      {data_argument, M, {554}, same},
      {data_argument, G5, {503}, same},
      {end_of_data, T, {250, 552, 554, 550, 450, 451, 452}, R},

      // A refused chunk is off the stream when its reply comes (BDAT-06).
      {bdat, G0 | G5 | R, {503}, same},
      {bdat, M, {503, 554}, Bx},
      {bdat, T | B, {250}, B},
      {bdat, T | B, {552, 554, 450, 451, 452}, Bx},
      {bdat, Bx, {503, 552, 554, 450, 451, 452}, same},
      {bdat_last, G0 | G5 | R, {503}, same},
      {bdat_last, M, {503, 554}, Bx | R},
      {bdat_last, T | B, {250, 552, 554, 550, 450, 451, 452}, R},
      {bdat_last, Bx, {503, 552, 554, 450, 451, 452}, R},
      // BDAT-15, BDAT-16, SIZE-12, BDAT-20: nobody knows what is a command from here on.
      {bdat_malformed, any, {501}, end},
      {bdat_huge, any, {552}, end},
      {bdat_not_offered, any, {500, 502, 503}, end},

      {rset, G0, {250}, same},
      {rset, served & ~G0, {250}, R},
      {rset, G5, {503}, same},
      {rset_argument, served, {501}, same},
      {rset_argument, G5, {503}, same},
      {noop, served, {250}, same},
      {noop, G5, {503}, same},
      {vrfy, served, {252, 550, 551, 553, 504, 501}, same},
      {vrfy, G5, {503}, same},
      {vrfy_empty, served, {501}, same},
      {vrfy_empty, G5, {503}, same},
      {expn, served, {502, 252, 550, 504}, same},
      {expn, G5, {503}, same},
      {help, served, {214, 211}, same},
      {help, G5, {503}, same},
      {quit, any, {221}, end},
      {quit_argument, served, {501}, same},
      {quit_argument, G5, {503}, same},
      // Not offered (tests/spec/exemptions.md).
      {starttls, served, {502, 503, 454, 501}, same},
      {starttls, G5, {503}, same},
      {auth, served, {502, 503}, same},
      {auth, G5, {503}, same},
      {not_implemented, served, {502}, same},
      {not_implemented, G5, {503}, same},
      {unknown, served, {500}, same},
      {unknown, G5, {503}, same},
      {too_long, any, {500}, same},
      {bad_octets, served, {500, 501}, same},
      {bad_octets, G5, {500, 501, 503}, same},
      // not_smtp: 421 and nothing else (SMG-13).
  };
  return all;
}

struct Cell {
  std::vector<std::uint16_t> codes;
  std::vector<StateSet> next;  // of each code
};

class Table {
 public:
  Table() {
    for (const Rule& rule : rules())
      for (std::size_t state = 0; state < dialog_state_count; ++state) {
        const StateSet here = only(static_cast<DialogState>(state));
        if ((rule.in & here) == 0) continue;
        Cell& target = cells_[static_cast<std::size_t>(rule.kind)][state];
        for (const std::uint16_t code : rule.codes) {
          target.codes.push_back(code);
          target.next.push_back(rule.out == same ? here : rule.out);
        }
      }
  }
  const Cell& cell(CommandKind kind, DialogState state) const {
    return cells_[static_cast<std::size_t>(kind)][static_cast<std::size_t>(state)];
  }

 private:
  std::array<std::array<Cell, dialog_state_count>, command_kind_count> cells_;
};

const Table& table() {
  static const Table instance;
  return instance;
}

}  // namespace

std::span<const std::uint16_t> permitted_replies(CommandKind kind, DialogState state) {
  return table().cell(kind, state).codes;
}

StateSet states_after(CommandKind kind, StateSet before, std::uint16_t code) {
  if (code == 421) return end;
  StateSet after = no_state;
  for (std::size_t state = 0; state < dialog_state_count; ++state) {
    if (!contains(before, static_cast<DialogState>(state))) continue;
    const Cell& cell = table().cell(kind, static_cast<DialogState>(state));
    for (std::size_t i = 0; i < cell.codes.size(); ++i)
      if (cell.codes[i] == code) after = static_cast<StateSet>(after | cell.next[i]);
  }
  return after;
}

std::string_view name_of(CommandKind kind) {
  static constexpr std::array<std::string_view, command_kind_count> names{
      "greeting",
      "EHLO",
      "EHLO with a bad name",
      "HELO",
      "MAIL",
      "bad MAIL",
      "RCPT",
      "bad RCPT",
      "DATA",
      "DATA with text",
      "end of data",
      "BDAT",
      "BDAT LAST",
      "malformed BDAT",
      "huge BDAT",
      "BDAT that is not offered",
      "RSET",
      "RSET with text",
      "NOOP",
      "VRFY",
      "VRFY of none",
      "EXPN",
      "HELP",
      "QUIT",
      "QUIT with text",
      "STARTTLS",
      "AUTH",
      "unimplemented command",
      "unknown command",
      "too long line",
      "line with bad octets",
      "what is no SMTP"};
  return names[static_cast<std::size_t>(kind)];
}

std::string_view name_of(DialogState state) {
  static constexpr std::array<std::string_view, dialog_state_count> names{
      "G0", "G5", "R", "M", "T", "B", "Bx", "closed"};
  return names[static_cast<std::size_t>(state)];
}

void append_names(std::string& out, StateSet states) {
  bool first = true;
  for (std::size_t state = 0; state < dialog_state_count; ++state) {
    if (!contains(states, static_cast<DialogState>(state))) continue;
    if (!first) out += '|';
    out += name_of(static_cast<DialogState>(state));
    first = false;
  }
}

}  // namespace gatepost::simulation
