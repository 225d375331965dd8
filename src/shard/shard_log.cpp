// What a shard tells the operator: lines of the event log, and why sessions ended.

#include <algorithm>
#include <array>
#include <string>

#include "shard/shard.hpp"

namespace gatepost::shard {
namespace {

// "TO:<u@example.org> X=Y" -> "u@example.org", for the log only.
std::string_view logged_path(std::string_view argument) {
  std::size_t begin = argument.find('<');
  std::size_t end = argument.rfind('>');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin)
    return argument;
  return argument.substr(begin + 1, end - begin - 1);
}

// As Postfix writes them: in capitals.
std::string logged_name(std::uint8_t verb) {
  if (verb == Connection::no_verb) return "CONNECT";
  if (verb == Connection::end_of_message) return "END-OF-MESSAGE";
  std::string name(smtp::verb_name(static_cast<smtp::Verb>(verb)));
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
  });
  return name;
}

// Commands whose refusal is worth a line: those that keep mail out. The rest shows in the counts of
// the disconnect line.
bool keeps_mail_out(smtp::Verb verb) {
  switch (verb) {
    case smtp::Verb::ehlo:
    case smtp::Verb::helo:
    case smtp::Verb::mail:
    case smtp::Verb::rcpt:
    case smtp::Verb::data:
    case smtp::Verb::bdat:
      return true;
    default:
      return false;
  }
}

std::string_view words_for(smtp::Ending ending) {
  switch (ending) {
    case smtp::Ending::none:
    case smtp::Ending::quit:
    case smtp::Ending::no_mail:
      break;
    case smtp::Ending::early_talker:
      return "improper command pipelining";
    case smtp::Ending::too_many_errors:
      return "too many errors";
    case smtp::Ending::not_smtp:
      return "non-SMTP command";
    case smtp::Ending::endless_line:
      return "line without end";
    case smtp::Ending::unusable_bdat:
      return "BDAT without a length";
    case smtp::Ending::oversize:
      return "message far over the size limit";
    case smtp::Ending::timeout:
      return "timeout";
    case smtp::Ending::shutdown:
      return "closed at shutdown";
    case smtp::Ending::overload:
      return "too many errors while buffers are short";
  }
  return {};
}

}  // namespace

void Shard::note(std::string_view text) {
  log_.note(wall_us_, observe::LogLevel::warn, text);
}

observe::LoggedSession Shard::logged(Connection& connection) const {
  observe::LoggedSession session;
  session.client_address = connection.address_view();
  session.client_port = connection.port;
  if (connection.has_session) {
    session.protocol = connection.session().protocol();
    session.helo = connection.session().helo();
  }
  return session;
}

// "550 5.1.1 text\r\n" in its parts; of several lines the first.
observe::LoggedReply Shard::logged_reply(std::string_view wire) {
  observe::LoggedReply reply;
  reply.code = smtp::FixedReply::code_of(wire);
  std::string_view text = wire.substr(4, wire.find("\r\n") - 4);
  std::size_t space = text.find(' ');
  bool enhanced = text.size() > 5 && text[0] == wire[0] && text[1] == '.';
  if (enhanced && space != std::string_view::npos) {
    reply.enhanced_status = text.substr(0, space);
    text.remove_prefix(space + 1);
  }
  reply.text = text;
  return reply;
}

// "lost connection after RCPT": Postfix's words, which filters look for.
std::string Shard::after_verb(std::string_view what, const Connection& connection) {
  return std::string(what) + " after " + logged_name(connection.last_verb);
}

std::string Shard::end_reason(Connection& connection) const {
  const std::string_view words = words_for(connection.session().ending());
  return words.empty() ? std::string() : after_verb(words, connection);
}

void Shard::count_ending(smtp::Ending ending) {
  if (ending == smtp::Ending::early_talker) counters_.pipelining_violations.add();
  if (ending == smtp::Ending::too_many_errors) counters_.error_limit_disconnects.add();
}

// Each command and its reply, at level debug.
void Shard::log_exchange(Connection& connection, const smtp::ReplyNote& note) {
  if (!log_.wants(observe::LogLevel::debug)) return;
  std::string text;
  switch (note.kind) {
    case smtp::ReplyKind::command:
      text = logged_name(static_cast<std::uint8_t>(note.verb));
      // Arguments of AUTH are secrets, and lines that are no commands may be (AUTH-02).
      if (!note.argument.empty() && note.verb != smtp::Verb::auth &&
          note.verb != smtp::Verb::unknown)
        text.append(" ").append(note.argument);
      break;
    case smtp::ReplyKind::end_of_data:
      text = "END-OF-MESSAGE";
      break;
    case smtp::ReplyKind::greeting:
      text = "CONNECT";
      break;
    case smtp::ReplyKind::unasked:
      text = "(unasked)";
      break;
  }
  text.append(" -> ").append(note.wire.substr(0, note.wire.find("\r\n")));
  log_.note(wall_us_, observe::LogLevel::debug, logged(connection), text);
}

void Shard::log_refused_command(Connection& connection, const smtp::ReplyNote& note) {
  if (!log_.wants(cause_.empty() ? observe::LogLevel::info : observe::LogLevel::warn)) return;
  const bool greeting = note.kind == smtp::ReplyKind::greeting;
  if (!greeting && !keeps_mail_out(note.verb)) return;
  observe::LoggedReject reject;
  const std::string command =
      logged_name(greeting ? Connection::no_verb : static_cast<std::uint8_t>(note.verb));
  reject.command = command;
  reject.reply = logged_reply(note.wire);
  reject.cause = cause_;
  observe::LoggedSession session = logged(connection);
  const smtp::Verb verb = greeting ? smtp::Verb::noop : note.verb;
  if (verb == smtp::Verb::ehlo || verb == smtp::Verb::helo) {
    session.helo = note.argument;
  } else if (verb == smtp::Verb::mail) {
    reject.reverse_path = logged_path(note.argument);
    reject.has_reverse_path = true;
  } else if (smtp::Transaction* transaction = connection.session().transaction();
             transaction != nullptr) {
    reject.reverse_path = transaction->reverse_path();
    reject.has_reverse_path = true;
  }
  if (verb == smtp::Verb::rcpt) reject.recipient = logged_path(note.argument);
  log_.reject(wall_us_, session, reject);
}

// One line per message, whatever became of it.
void Shard::log_message(Connection& connection, const smtp::ReplyNote& note) {
  smtp::Transaction& transaction = *connection.session().transaction();
  MessageRecord& message = connection.message;
  const std::uint16_t code = note.code();
  (code < 400   ? counters_.messages_accepted
   : code < 500 ? counters_.messages_deferred
                : counters_.messages_rejected)
      .add();
  if (note.wire == smtp::replies::bare_newline_in_content.wire)
    counters_.bare_newline_refusals.add();
  // What failed on our side is to be seen where nothing else of the mail is.
  if (!log_.wants(cause_.empty() ? observe::LogLevel::info : observe::LogLevel::warn)) return;
  std::array<std::string_view, observe::recipients_logged_max> recipients;
  std::size_t count = 0;
  for (const Recipient& recipient : transaction.recipients()) {
    if (count == recipients.size()) break;
    recipients[count++] = recipient.address;
  }
  observe::LoggedMessage line;
  line.id = message.id.view();
  line.reverse_path = transaction.reverse_path();
  line.recipients = {recipients.data(), count};
  line.recipient_count = static_cast<std::uint32_t>(transaction.recipient_count());
  line.size_bytes = connection.session().content_octets();
  line.reply = logged_reply(note.wire);
  line.total_us = (now_ns_ - message.begun_ns) / 1000;
  line.commit_us = message.commit_ns == 0 ? 0 : (now_ns_ - message.commit_ns) / 1000;
  line.cause = cause_;
  log_.message(wall_us_, logged(connection), line);
}

}  // namespace gatepost::shard
