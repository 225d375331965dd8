// What a client does with a connection: greeting, transactions, other commands, the end.

#include <array>

#include "simulation/client_impl.hpp"

namespace gatepost::simulation {

void ClientModel::Impl::think() {
  if (stopping_ || !random_.percent(settings_.thinking)) return;
  // Now and then nearly as long as the server bears.
  const std::uint64_t most =
      random_.once_in(200) ? settings_.server.timeout_ms / 2 : settings_.thinking_ms_max;
  wait_until_us_ = now_us_ + random_.below(most + 1) * 1000;
}

// Called when everything is sent and every reply is in.
void ClientModel::Impl::plan() {
  if (ending_) return step(Step::Kind::close);
  think();
  plan_step();
  if (!stopping_) cut_by_chance();
}

void ClientModel::Impl::plan_step() {
  if (in_data_) return put_content();
  if (stopping_) return plan_end();
  if (txn_.stage != Stage::none) return go_on_with_transaction();
  if (may_be_in(DialogState::refused)) return plan_refused();
  if (state_ != only(DialogState::ready) && state_ != only(DialogState::greeted))
    return abandon_transaction();
  if (hostile_acts_left_ > 0 && random_.percent(40)) {
    --hostile_acts_left_;
    return hostile_act();
  }
  if (random_.percent(settings_.side_commands)) return side_command();
  if (!greeted_) return plan_greeting();
  if (transactions_left_ > 0) {
    --transactions_left_;
    return begin_transaction(extended_ && random_.percent(settings_.pipelining));
  }
  if (hostile_acts_left_ > 0) {
    --hostile_acts_left_;
    return hostile_act();
  }
  plan_end();
}

// One who is greeted with 554 may try a few commands, and must be told 503 to all of them.
void ClientModel::Impl::plan_refused() {
  if (refused_commands_left_ == 0) return plan_end();
  --refused_commands_left_;
  switch (random_.below(8)) {
    case 0:
    case 1:
      put_greeting();
      break;
    case 2: {
      Expected expected;
      expected.kind = CommandKind::mail;
      expected.attempt = ledger_.begin(number_, now_us_).number;
      put("MAIL FROM:<s@sender.example>\r\n", std::move(expected));
      break;
    }
    case 3:
      put_line(CommandKind::data, "DATA");
      break;
    case 4:
      put_line(CommandKind::quit_argument, "QUIT now");
      break;
    case 5:
      act_long_line();
      break;
    default:
      return side_command();
  }
  await();
}

void ClientModel::Impl::put_greeting() {
  static constexpr std::array<std::string_view, 7> names{
      "client.example", "mail.client.example", "[192.0.2.1]",    "[IPv6:2001:db8::1]",
      "a_b.example",    "localhost",           "client.example."};
  const bool helo = random_.percent(settings_.helo);
  std::string line = helo ? "HELO " : random_.once_in(10) ? "ehlo " : "EHLO ";
  line += names[random_.below(names.size())];
  put_line(helo ? CommandKind::helo : CommandKind::ehlo, line);
}

void ClientModel::Impl::plan_greeting() {
  if (random_.once_in(25)) {
    static constexpr std::array<std::string_view, 5> bad{"EHLO a(b", "EHLO", "EHLO a b",
                                                         "HELO a..b", "EHLO [256.1.1.1]"};
    put_line(CommandKind::ehlo_bad, bad[random_.below(bad.size())]);
    return await();
  }
  greeted_ = true;
  put_greeting();
  await();
}

// Commands that change nothing, in any state.
void ClientModel::Impl::side_command() {
  switch (random_.below(16)) {
    case 0:
    case 1:
      put_line(CommandKind::noop, random_.once_in(2) ? "NOOP" : "noop with words");
      break;
    case 2:
      put_line(CommandKind::vrfy, "VRFY user1@example.org");
      break;
    case 3:
      put_line(CommandKind::help, random_.once_in(2) ? "HELP" : "HELP DATA");
      break;
    case 4:
      put_line(CommandKind::expn, "EXPN list");
      break;
    case 5:
      put_line(CommandKind::unknown, "XFOO bar");
      break;
    case 6:
      put_line(CommandKind::starttls, "STARTTLS");
      break;
    case 7:
      put_line(CommandKind::auth, "AUTH PLAIN AGEAYg==");
      break;
    case 8:
      put_line(CommandKind::not_implemented, random_.once_in(2) ? "TURN" : "ETRN example.org");
      break;
    case 9:
      put_line(CommandKind::rset_argument, "RSET it");
      break;
    case 10:
      put_line(CommandKind::quit_argument, "QUIT now");
      break;
    case 11:
      put_line(CommandKind::vrfy_empty, "VRFY");
      break;
    case 12:
      put_line(CommandKind::ehlo_bad, "EHLO bad..name");
      break;
    case 13:
      put_line(CommandKind::data_argument, "DATA now");
      break;
    case 14:
      // Only a transaction that is not to be kept.
      if (txn_.stage == Stage::none)
        put_line(CommandKind::rset, random_.once_in(4) ? "RSET \t" : "RSET");
      else
        put_line(CommandKind::noop, "NOOP");
      break;
    default:
      if (txn_.stage == Stage::none && greeted_)
        put_greeting();
      else
        put_line(CommandKind::noop, "NOOP ");
      break;
  }
  await();
}

void ClientModel::Impl::plan_end() {
  ending_ = true;
  if (!stopping_ && random_.percent(settings_.plain_disconnect)) {
    static constexpr std::array kinds{Step::Kind::fin, Step::Kind::close, Step::Kind::reset,
                                      Step::Kind::fin};
    return step(kinds[random_.below(kinds.size())]);
  }
  put_line(CommandKind::quit, random_.once_in(10) ? "quit " : "QUIT");
  if (random_.once_in(8)) return step(Step::Kind::fin);
  await();
}

}  // namespace gatepost::simulation
