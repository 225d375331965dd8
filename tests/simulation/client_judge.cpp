// What a client makes of a server's replies.

#include <algorithm>

#include "simulation/client_impl.hpp"

namespace gatepost::simulation {
namespace {

// Recipients beyond the limit are no errors up to so many (SMG-13).
constexpr std::uint32_t overshoot_borne = 1000;

bool in_transaction(StateSet states) {
  return (states & (only(DialogState::mail) | only(DialogState::recipients))) != 0;
}

bool takes_content(StateSet states) {
  return (states & (only(DialogState::recipients) | only(DialogState::chunks))) != 0;
}

bool is_content(CommandKind kind) {
  return kind == CommandKind::end_of_data || kind == CommandKind::bdat_last;
}

}  // namespace

void ClientModel::Impl::wrong(const std::string& text) {
  verdicts_.violation(checks::replies, description() + ": " + text);
  confused_ = true;
}

void ClientModel::Impl::wrong_reply(const Expected& expected, const Reply& reply,
                                    std::string_view why) {
  std::string text = reply.shown() + " to ";
  text += name_of(expected.kind);
  text += " \"" + expected.command + "\"";
  if (!why.empty()) {
    text += ": ";
    text += why;
  }
  wrong(text);
}

// Nothing but the end may follow.
void ClientModel::Impl::last_word() {
  last_word_ = true;
  state_ = only(DialogState::closed);
  in_data_ = false;
  connection_over();
}

void ClientModel::Impl::judge(const Reply& reply) {
  if (last_word_) return wrong(reply.shown() + " behind the server's last word");
  if (reply.code == 421) return judge_shutting(reply);
  if (expected_.empty()) {
    if (!judge_unasked(reply)) wrong(reply.shown() + " that nobody asked for");
    return;
  }
  if (judge_out_of_turn(reply)) return;
  const Expected expected = std::move(expected_.front());
  expected_.pop_front();
  const StateSet before = state_;
  const StateSet after = states_after(expected.kind, before, reply.code);
  if (after == no_state) {
    expected_.push_front(expected);  // for connection_over()
    return wrong_reply(expected, reply, "not permitted in this state");
  }
  judge_form(expected, reply);
  if (confused_ || !judge_narrow(expected, reply)) return;
  count_errors(expected, reply);
  state_ = after;
  apply(expected, reply, before);
}

// 421 may come at any time; the code behind it must fit what happened.
void ClientModel::Impl::judge_shutting(const Reply& reply) {
  if (!reply.enhanced.empty() && reply.enhanced[0] != '4')
    return wrong(reply.shown() + " has a code of another class");
  const bool greeting = !expected_.empty() && expected_.front().kind == CommandKind::greeting;
  if (!greeting && reply.enhanced.empty()) return wrong(reply.shown() + " has no enhanced code");
  if (!greeting && reply.enhanced == "4.7.0" && errors_most_ == 0 && !may_be_thrown_out_)
    return wrong(reply.shown() + " to a client that made no error");
  if (!settings_.server.hostname.empty() && !reply.text().starts_with(settings_.server.hostname))
    return wrong(reply.shown() + " does not begin with the server's name");
  last_word();
}

// Replies that come while content is on its way, though nothing was asked yet.
bool ClientModel::Impl::judge_unasked(const Reply& reply) {
  if (!in_data_ || current_ == no_attempt) return false;
  Attempt& sent = ledger_.at(current_);
  const bool waits = reply.code == 554 && reply.enhanced == "5.5.2" &&  // SMG-04
                     sent.message.has_bare_newline();
  const bool too_much = reply.code == 552 && sent.message.far_over_limit();  // SIZE-12
  if (!waits && !too_much) return false;
  sent.code = reply.code;
  last_word();
  return true;
}

// The same when the end of the content is on its way already; and 554 for those who talk before
// their turn (SMG-11). All of them end the connection.
bool ClientModel::Impl::judge_out_of_turn(const Reply& reply) {
  const Expected& expected = expected_.front();
  if (expected.kind == CommandKind::end_of_data && in_data_ && judge_unasked(reply)) return true;
  if (reply.code != 554 || !expected.talked_behind || !settings_.server.reject_early_talkers)
    return false;
  switch (expected.kind) {
    case CommandKind::greeting:
      if (settings_.server.greeting == ServerFacts::Greeting::refuse) return false;
      break;
    case CommandKind::ehlo:
    case CommandKind::helo:
    case CommandKind::ehlo_bad:
      break;
    case CommandKind::data:
    case CommandKind::data_argument:
      if (reply.enhanced == "5.5.0") {
        last_word();
        return true;
      }
      return false;
    default:
      return false;
  }
  if (!reply.enhanced.empty())
    wrong_reply(expected, reply, "an enhanced code where there must be none");
  else
    last_word();
  return true;
}

// ESC-01, ESC-02, X-17, R5321-4.3.1-02.
void ClientModel::Impl::judge_form(const Expected& expected, const Reply& reply) {
  const bool none = expected.plain_code || reply.code == 354;
  if (none != reply.enhanced.empty())
    return wrong_reply(expected, reply,
                       none ? "an enhanced code where there must be none" : "no enhanced code");
  const bool names_host = reply.code == 220 || reply.code == 221 ||
                          (expected.kind == CommandKind::greeting) ||
                          (reply.code == 250 && expected.plain_code);
  const std::string& host = settings_.server.hostname;
  if (!names_host || host.empty()) return;
  std::string_view text = reply.text();
  if (reply.lines.size() > 1) text = reply.lines.front();
  if (!text.starts_with(host) || (text.size() > host.size() && text[host.size()] != ' '))
    wrong_reply(expected, reply, "does not begin with the server's name");
  if (expected.kind == CommandKind::helo && reply.lines.size() > 1)
    wrong_reply(expected, reply, "more than one line");
}

// What this very command may be answered, within what the table permits.
bool ClientModel::Impl::judge_narrow(const Expected& expected, const Reply& reply) {
  std::string_view why;
  switch (expected.kind) {
    case CommandKind::greeting: {
      const bool refuses = settings_.server.greeting == ServerFacts::Greeting::refuse;
      if (refuses != (reply.code == 554)) why = "another greeting was due";
      break;
    }
    case CommandKind::mail_bad:
      if (expected.must != 0 && contains(state_, DialogState::ready) &&
          state_ == only(DialogState::ready) && reply.code != expected.must &&
          reply.code / 100 != 4)
        why = "another refusal was due";
      break;
    case CommandKind::rcpt:
    case CommandKind::rcpt_bad:
      return judge_recipient(expected, reply);
    case CommandKind::bdat:
      if (reply.code == 250 && expected.chunks_total > settings_.server.message.size_limit)
        why = "more than the size limit";
      if (reply.code == 552 && expected.chunks_total <= settings_.server.message.size_limit &&
          takes_content(state_))
        why = "not more than the size limit";
      if (reply.code == 554 && takes_content(state_) && reply.enhanced == "5.5.1")
        why = "there are recipients";
      break;
    case CommandKind::bdat_last:
    case CommandKind::end_of_data:
      return judge_content(expected, reply);
    case CommandKind::mail:
      if (reply.code == 554 && reply.enhanced != "5.0.0") why = "another refusal was due";
      break;
    case CommandKind::data:
      if (reply.code == 554 && state_ == only(DialogState::recipients) && reply.enhanced != "5.0.0")
        why = "there are recipients";
      if (reply.code == 554 && state_ == only(DialogState::mail) && rcpt_commands_ == 0)
        why = "no RCPT was sent: 503 was due";
      break;
    default:
      break;
  }
  if (why.empty()) return true;
  wrong_reply(expected, reply, why);
  return false;
}

bool ClientModel::Impl::judge_recipient(const Expected& expected, const Reply& reply) {
  if (!in_transaction(state_)) return true;
  ++rcpt_commands_;
  const bool beyond = rcpt_commands_ > settings_.server.recipient_limit;
  const bool too_many = reply.code == 452 && reply.enhanced == "4.5.3";
  std::string_view why;
  if (beyond && reply.code == 250)
    why = "more recipients than the limit";
  else if (!beyond && too_many)
    why = "not more recipients than the limit";
  else if (!too_many && expected.must != 0 && reply.code != expected.must)
    why = "another refusal was due";
  if (why.empty()) return true;
  wrong_reply(expected, reply, why);
  return false;
}

bool ClientModel::Impl::judge_content(const Expected& expected, const Reply& reply) {
  if (!takes_content(state_) || expected.attempt == no_attempt) return true;
  const Attempt& sent = ledger_.at(expected.attempt);
  // A message that ends with chunks may be refused for their number of octets alone.
  const bool by_count = expected.kind == CommandKind::bdat_last && reply.code == 552 &&
                        expected.chunks_total > settings_.server.message.size_limit;
  // Where it is the first chunk too, the sink may have refused before any content.
  const bool unopened = expected.kind == CommandKind::bdat_last &&
                        (reply.code / 100 == 4 || reply.enhanced == "5.0.0") &&
                        contains(state_, DialogState::recipients);
  if (by_count || unopened || sent.message.permits(reply.code, reply.enhanced)) return true;
  wrong_reply(expected, reply, "content of " + sent.message.description());
  return false;
}

// SMG-13.
void ClientModel::Impl::count_errors(const Expected& expected, const Reply& reply) {
  const ServerFacts& server = settings_.server;
  if (expected.kind == CommandKind::greeting || expected.kind == CommandKind::end_of_data) return;
  if (errors_least_ >= server.hard_error_limit && !is_content(expected.kind) &&
      expected.kind != CommandKind::bdat)
    return wrong_reply(expected, reply, "421 was due after so many errors");
  const bool chunk = expected.kind == CommandKind::bdat || expected.kind == CommandKind::bdat_last;
  bool junk_over = false;
  if (expected.junk) junk_over = ++junk_ > server.junk_command_limit;
  bool may_be = reply.code >= 500 || junk_over;
  if (reply.code == 452 && reply.enhanced == "4.5.3" && ++overshoot_ > overshoot_borne)
    may_be = true;
  if (may_be) ++errors_most_;
  if (reply.code >= 500 && !chunk) ++errors_least_;
}

void ClientModel::Impl::apply(const Expected& expected, const Reply& reply, StateSet before) {
  if (confused_) return;
  switch (expected.kind) {
    case CommandKind::ehlo:
    case CommandKind::helo:
      if (reply.code != 250) break;
      extended_ = expected.kind == CommandKind::ehlo;
      current_ = no_attempt;
      break;
    case CommandKind::rset:
      if (reply.code == 250) current_ = no_attempt;
      break;
    case CommandKind::mail:
      if (reply.code != 250) break;
      current_ = expected.attempt;
      rcpt_commands_ = 0;
      ledger_.at(current_).sender = expected.sender;
      break;
    case CommandKind::rcpt:
      if (reply.code == 250 && current_ != no_attempt)
        ledger_.at(current_).add_recipient(expected.recipient);
      break;
    case CommandKind::data:
      in_data_ = reply.code == 354;
      // What goes out behind it in the hope of 354 is run as commands now.
      if (!in_data_ && expected.must == 354) confused_ = true;
      break;
    case CommandKind::end_of_data:
    case CommandKind::bdat_last:
      apply_content(expected, reply, before);
      break;
    default:
      break;
  }
  if (state_ == only(DialogState::closed)) last_word();
}

void ClientModel::Impl::apply_content(const Expected& expected, const Reply& reply,
                                      StateSet before) {
  in_data_ = false;
  if (expected.attempt == no_attempt) return;  // a chunk out of order
  Attempt& sent = ledger_.at(expected.attempt);
  sent.code = reply.code;
  sent.answered_us = now_us_;
  if (takes_content(before)) current_ = no_attempt;
  if (reply.code != 250) {
    sent.state = Attempt::State::refused;
    return;
  }
  sent.state = Attempt::State::accepted;
  const std::string_view text = reply.lines.back();
  sent.queue_id = text.substr(text.rfind(' ') + 1);
  errors_least_ = errors_most_ = junk_ = overshoot_ = 0;
}

}  // namespace gatepost::simulation
