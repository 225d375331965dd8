#include "load/client_session.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.hpp"
#include "load/limits.hpp"

namespace gatepost::load {
namespace {

constexpr std::string_view garbage_line = "XYZZY no server knows this one\r\n";
constexpr unsigned garbage_lines = 25;
constexpr std::size_t refusal_text_max = 160;

// RFC 5321 §4.1.1.1: EHLO keywords are compared without regard to case.
bool same_keyword(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return (x >= 'a' && x <= 'z' ? static_cast<char>(x - 'a' + 'A') : x) == y;
  });
}

bool positive(int code) {
  return code / 100 == 2;
}

}  // namespace

void ClientSession::start() {
  clear_output();
  awaiting_ = Awaiting::greeting;
  end_ = End::quit;
  outcome_ = Outcome::none;
  pipelining_ = chunking_ = size_ = pipelined_ = in_message_ = false;
  content_started_ = ends_message_ = end_of_data_submitted_ = cutting_ = false;
}

void ClientSession::begin() {
  GP_CHECK(awaiting_ == Awaiting::none);
  outcome_ = Outcome::none;
  refusal_.code = 0;
  in_message_ = true;
  mail_taken_ = content_started_ = ends_message_ = end_of_data_submitted_ = cutting_ = false;
  recipient_ = taken_ = recipients_refused_ = 0;
  pipelined_ = pipelining_;
  clear_output();
  append_envelope(pipelined_);
  flush_text();
  awaiting_ = Awaiting::mail;
}

void ClientSession::begin_garbage() {
  GP_CHECK(awaiting_ == Awaiting::none);
  outcome_ = Outcome::none;
  garbage_left_ = garbage_lines;
  send_command(garbage_line, Awaiting::garbage);
}

// RFC 5321 §4.1.1.10: QUIT is the last command, and the connection stays until its reply.
void ClientSession::quit() {
  send_command("QUIT\r\n", Awaiting::quit);
}

ClientSession::Step ClientSession::on_line(const ReplyLine& line) {
  if (awaiting_ == Awaiting::ehlo && positive(line.code)) read_extension(line.text);
  return line.last ? on_reply(line.code, line.text) : Step::wait;
}

ClientSession::Step ClientSession::on_reply(int code, std::string_view text) {
  if (code == 421 && awaiting_ != Awaiting::quit) {
    // §3.8: the server shuts the channel, whatever the command was.
    refuse(code, text, "session");
    return leave(End::server_closing);
  }
  switch (awaiting_) {
    case Awaiting::greeting:
      if (positive(code)) {
        send_command(fmt::format("EHLO {}\r\n", settings_->helo), Awaiting::ehlo);
        return Step::send;
      }
      // §3.1: after 554 the client says QUIT and nothing else.
      refuse(code, text, "greeting");
      end_ = End::greeting_refused;
      quit();
      return Step::send;
    case Awaiting::ehlo:
      if (!positive(code) && code / 100 == 5) {
        // §3.2: a server that does not know EHLO gets HELO.
        send_command(fmt::format("HELO {}\r\n", settings_->helo), Awaiting::helo);
        return Step::send;
      }
      [[fallthrough]];
    case Awaiting::helo:
      if (positive(code)) {
        awaiting_ = Awaiting::none;
        return Step::ready;
      }
      refuse(code, text, "EHLO/HELO");
      end_ = End::helo_refused;
      quit();
      return Step::send;
    case Awaiting::mail:
    case Awaiting::rcpt:
      return on_mail_or_rcpt(code, text);
    case Awaiting::data:
      return on_data(code, text);
    case Awaiting::content:
      if (positive(code) && taken_ > 0) {
        outcome_ = Outcome::acknowledged;
      } else {
        refuse(code, text, "end of data");
      }
      return finish();
    case Awaiting::bdat:
      return on_chunk(code, text);
    case Awaiting::rset:
      return finish();
    case Awaiting::garbage:
      if (--garbage_left_ == 0) return finish();
      send_command(garbage_line, Awaiting::garbage);
      return Step::send;
    case Awaiting::quit:
      awaiting_ = Awaiting::over;
      return Step::over;
    case Awaiting::none:
    case Awaiting::over:
      break;
  }
  // A reply to nothing: client and server no longer agree on what belongs to what.
  return leave(End::protocol);
}

void ClientSession::read_extension(std::string_view line) {
  std::string_view keyword = line.substr(0, line.find(' '));
  if (same_keyword(keyword, "PIPELINING")) pipelining_ = settings_->pipelining;
  if (same_keyword(keyword, "CHUNKING")) chunking_ = settings_->chunking;
  if (same_keyword(keyword, "SIZE")) size_ = true;
}

ClientSession::Step ClientSession::on_mail_or_rcpt(int code, std::string_view text) {
  bool all_answered = false;
  if (awaiting_ == Awaiting::mail) {
    mail_taken_ = positive(code);
    if (!mail_taken_) {
      refuse(code, text, "MAIL");
      if (!pipelined_) return finish();  // no transaction was opened
    }
    awaiting_ = Awaiting::rcpt;
  } else {
    if (positive(code))
      message_.recipients[taken_++] = message_.recipients[recipient_];
    else
      refuse(code, text, "RCPT");
    all_answered = ++recipient_ == message_.recipients.size();
  }
  if (all_answered) return after_recipients();
  if (pipelined_) return Step::wait;
  clear_output();
  append_envelope(false);
  flush_text();
  return Step::send;
}

ClientSession::Step ClientSession::after_recipients() {
  recipients_refused_ = message_.recipients.size() - taken_;
  message_.recipients.resize(taken_);
  if (chunking_) {
    if (taken_ == 0) return fail_message();
    compose_chunks();
    return Step::send;
  }
  if (pipelined_) {  // DATA is already on its way
    awaiting_ = Awaiting::data;
    return Step::wait;
  }
  if (taken_ == 0) return fail_message();
  send_command("DATA\r\n", Awaiting::data);
  return Step::send;
}

ClientSession::Step ClientSession::on_data(int code, std::string_view text) {
  if (code / 100 != 3) {
    refuse(code, text, "DATA");
    return fail_message();
  }
  if (taken_ == 0) {
    // RFC 2920 §3.1: DATA was taken although no recipient was. An empty message ends it.
    send_command(end_of_data, Awaiting::content);
    return Step::send;
  }
  compose_data();
  return Step::send;
}

ClientSession::Step ClientSession::on_chunk(int code, std::string_view text) {
  if (!positive(code)) refuse(code, text, "BDAT");
  if (--chunk_replies_left_ == 0) {
    if (outcome_ == Outcome::refused) return fail_message();
    outcome_ = Outcome::acknowledged;
    return finish();
  }
  if (pipelined_) return Step::wait;
  if (!positive(code)) return fail_message();
  window_end_ = chunk_ends_[++chunks_sent_];
  return Step::send;
}

ClientSession::Step ClientSession::leave(End end) {
  end_ = end;
  awaiting_ = Awaiting::over;
  return Step::over;
}

// Clears the server's transaction (RFC 5321 §4.1.4: no MAIL while one is open).
ClientSession::Step ClientSession::fail_message() {
  outcome_ = Outcome::refused;
  if (!mail_taken_) return finish();
  send_command("RSET\r\n", Awaiting::rset);
  return Step::send;
}

ClientSession::Step ClientSession::finish() {
  in_message_ = false;
  awaiting_ = Awaiting::none;
  return Step::finished;
}

void ClientSession::refuse(int code, std::string_view text, std::string_view command) {
  // A recipient's refusal does not decide about the message; the first one is kept for the case
  // that all are refused.
  if (command != "RCPT") outcome_ = Outcome::refused;
  if (refusal_.code != 0) return;
  refusal_.code = code;
  refusal_.text = fmt::format("{} {} (to {})", code, text.substr(0, refusal_text_max), command);
}

}  // namespace gatepost::load
