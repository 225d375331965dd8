// What clients do that should not be done.

#include <array>

#include "simulation/client_impl.hpp"

namespace gatepost::simulation {
namespace {

constexpr std::size_t line_max = 4096;           // with CRLF: taken
constexpr std::size_t endless_line = 64 * 1024;  // beyond it: 421
constexpr std::uint64_t overrun_factor = 10;     // SIZE-12

}  // namespace

std::string ClientModel::Impl::hidden_commands() {
  const std::string name = std::string(hidden_prefix) + std::to_string(number_);
  std::string commands;
  if (random_.once_in(2)) commands += "RSET\r\nEHLO evil.example\r\n";
  commands += "MAIL FROM:<" + name + "@evil.example>\r\n";
  commands += "RCPT TO:<" + name + "@" + settings_.server.everyone_domain + ">\r\n";
  commands += random_.once_in(2) ? "BDAT 6 LAST\r\nhidden" : "DATA\r\nhidden\r\n.\r\n";
  return commands;
}

// Before the greeting: 554 in its place, unless the server greeted before this arrived.
void ClientModel::Impl::early_talk() {
  --hostile_acts_left_;
  behaviour_ += " talks-early";
  switch (random_.below(4)) {
    case 0:
      put_line(CommandKind::noop, "NOOP");
      break;
    case 1:
      ending_ = true;
      put_line(CommandKind::quit, "QUIT");
      break;
    default:
      greeted_ = true;
      put_greeting();
      if (random_.once_in(3)) put_line(CommandKind::noop, "NOOP");
      break;
  }
}

// For a transaction that is not pipelined and goes by DATA.
void ClientModel::Impl::choose_trick() {
  --hostile_acts_left_;
  txn_.chunked = false;
  static constexpr std::array tricks{Trick::early, Trick::early, Trick::crawl, Trick::bare_dot_wait,
                                     Trick::silence_after_data};
  txn_.trick = tricks[random_.below(tricks.size())];
  if (txn_.trick == Trick::early) behaviour_ += " early-data";
}

void ClientModel::Impl::hostile_act() {
  switch (random_.below(12)) {
    case 0:
      return act_out_of_turn();
    case 1:
    case 2:
      return act_wrong_order();
    case 3:
      return act_long_line();
    case 4:
    case 5:
      return act_bad_octets();
    case 6:
      return act_flood();
    case 7:
      return act_not_smtp();
    case 8:
      return act_bad_bdat();
    case 9:
      return act_swallowed_chunk();
    case 10:
      return act_not_reading();
    default:
      return act_quit_and_more();
  }
}

// More behind EHLO before its reply.
void ClientModel::Impl::act_out_of_turn() {
  behaviour_ += " behind-EHLO";
  greeted_ = true;
  put_greeting();
  put_line(CommandKind::noop, "NOOP");
  await();
}

void ClientModel::Impl::act_wrong_order() {
  behaviour_ += " wrong-order";
  for (std::uint64_t i = random_.between(1, 3); i > 0; --i) {
    switch (random_.below(4)) {
      case 0: {
        Expected expected;
        expected.kind = CommandKind::rcpt;
        put("RCPT TO:<user1@example.org>\r\n", std::move(expected));
        break;
      }
      case 1:
        put_line(CommandKind::vrfy_empty, "VRFY");
        break;
      case 2: {
        RecipientModel bad;
        bad.fate = RecipientModel::Fate::malformed;
        bad.path = "<>";
        put_recipient(bad);
        break;
      }
      default:
        put_line(CommandKind::unknown, "SSH-2.0-OpenSSH_9.6");
        break;
    }
  }
  // DATA must be the last one of a group.
  if (random_.once_in(2)) put_line(CommandKind::data, "DATA");
  await();
}

void ClientModel::Impl::act_long_line() {
  behaviour_ += " long-line";
  const std::uint64_t kind = random_.below(4);
  if (kind == 0) {  // just within
    put_line(CommandKind::noop, "NOOP " + std::string(line_max - 2 - 5, 'x'));
  } else if (kind == 1 && hostile_acts_left_ > 0) {
    may_be_thrown_out_ = true;
    ending_ = true;
    Expected flood;
    flood.kind = CommandKind::not_smtp;
    flood.command = "an endless line";
    put(std::string(endless_line + random_.between(1, 9000), 'x'), std::move(flood));
  } else {
    const std::size_t size = static_cast<std::size_t>(
        random_.once_in(2) ? line_max + 1 : random_.between(line_max + 1, 60'000));
    put_line(CommandKind::too_long, "NOOP " + std::string(size - 2 - 5, 'x'));
  }
  await();
}

void ClientModel::Impl::act_bad_octets() {
  behaviour_ += " bad-octets";
  using namespace std::string_view_literals;
  static constexpr std::array<std::string_view, 12> lines{
      "NO\0OP"sv,
      "NOOP\0"sv,
      "NOOP\rRSET"sv,
      "NOOP\nRSET"sv,
      "\n"sv,
      "QUIT\r"sv,
      "\x80\xff\x01"sv,
      "NOOP \xc3\xa9"sv,
      "MAIL FROM:<a\0@b.example>"sv,
      "MAIL FROM:<hidden-1@b.example>\nRCPT TO:<hidden-1@everyone.example>\nDATA"sv,
      "RCPT TO:<hidden-1@everyone.example>\rRSET"sv,
      "RSET\n\nNOOP"sv};
  for (std::uint64_t i = random_.between(1, 4); i > 0; --i)
    put_line(CommandKind::bad_octets, lines[random_.below(lines.size())]);
  if (random_.once_in(3)) put_line(CommandKind::noop, "NOOP");
  await();
}

void ClientModel::Impl::act_flood() {
  behaviour_ += " floods";
  const std::uint64_t count = random_.between(5, 150);
  const std::uint64_t kind = random_.below(6);
  for (std::uint64_t i = 0; i < count; ++i) {
    switch (kind) {
      case 0:
        put_line(CommandKind::rset, "RSET");
        break;
      case 1:
        put_line(CommandKind::noop, "NOOP");
        break;
      case 2:
        put_line(CommandKind::vrfy, "VRFY somebody");
        break;
      case 3:
        put_line(CommandKind::help, "HELP");
        break;
      case 4:
        put_line(CommandKind::unknown, "FOO");
        break;
      default:
        put_line(CommandKind::not_implemented, "TURN");
        break;
    }
  }
  await();
}

// Browsers, TLS, a mail that lost its way: nothing behind the first line may be run.
void ClientModel::Impl::act_not_smtp() {
  behaviour_ += " no-SMTP";
  may_be_thrown_out_ = true;
  ending_ = true;
  using namespace std::string_view_literals;
  static constexpr std::array<std::string_view, 6> beginnings{
      "GET / HTTP/1.1\r\n"sv,
      "POST / HTTP/1.1\r\n"sv,
      "CONNECT mx.example.org:25 HTTP/1.0\r\n"sv,
      "Subject: lost\r\n"sv,
      "From: somebody@sender.example\r\n"sv,
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x11\x22\x33\x44"sv};
  Expected expected;
  expected.kind = CommandKind::not_smtp;
  const std::string_view beginning = beginnings[random_.below(beginnings.size())];
  expected.command = beginning[0] == '\x16' ? "a TLS record" : beginning.substr(0, 12);
  put(beginning, std::move(expected));
  put_raw("Host: x\r\n\r\n" + hidden_commands());
  await();
}

// A chunk whose length is not known, or absurd: the connection ends, and what follows is not run.
void ClientModel::Impl::act_bad_bdat() {
  behaviour_ += " bad-BDAT";
  ending_ = true;
  static constexpr std::array<std::string_view, 9> malformed{"BDAT",
                                                             "BDAT x",
                                                             "BDAT -1",
                                                             "BDAT 0x10",
                                                             "BDAT 3 FIRST",
                                                             "BDAT 3 LAST x",
                                                             "BDAT 3LAST",
                                                             "BDAT 99999999999999999999",
                                                             "BDAT 99999999999999999999 LAST"};
  CommandKind kind = CommandKind::bdat_malformed;
  std::string line(malformed[random_.below(malformed.size())]);
  if (random_.once_in(3)) {
    kind = CommandKind::bdat_huge;
    const std::uint64_t limit = settings_.server.message.size_limit;
    line = "BDAT " + std::to_string(random_.once_in(2) ? limit * overrun_factor + 1
                                                       : std::uint64_t{INT64_MAX});
  }
  const bool after_helo = state_ != only(DialogState::greeted) && !extended_;
  if (!settings_.server.chunking || after_helo) kind = CommandKind::bdat_not_offered;
  put_line(kind, line);
  put_raw(hidden_commands());
  await();
}

void ClientModel::Impl::put_chunk_of(CommandKind kind, std::string_view payload) {
  Expected expected;
  expected.kind = kind;
  expected.attempt = no_attempt;
  std::string line = "BDAT " + std::to_string(payload.size());
  if (kind == CommandKind::bdat_last) line += " LAST";
  expected.command = line;
  expected.chunks_total = payload.size();
  put(line + "\r\n" + std::string(payload), std::move(expected));
}

// BDAT out of order: its chunk goes the way of all chunks, and is no command.
void ClientModel::Impl::act_swallowed_chunk() {
  const bool before_greeting = state_ == only(DialogState::greeted) && settings_.server.chunking;
  if (!bdat_offered() && !before_greeting) return act_bad_bdat();
  behaviour_ += " chunk-out-of-order";
  put_chunk_of(random_.once_in(2) ? CommandKind::bdat : CommandKind::bdat_last, hidden_commands());
  put_line(CommandKind::noop, "NOOP");
  await();
}

// Sends and sends, and reads nothing.
void ClientModel::Impl::act_not_reading() {
  behaviour_ += " never-reads";
  reading = false;
  ending_ = true;
  if (extended_ && state_ == only(DialogState::ready)) {
    Attempt& begun = ledger_.begin(number_, now_us_);
    txn_ = {};
    txn_.attempt = begun.number;
    AddressMaker addresses(random_, settings_, begun.number, false);
    put_mail(addresses);
    for (std::uint64_t i = random_.between(50, 1500); i > 0; --i)
      put_recipient(addresses.plain_recipient(i));
  }
  for (std::uint64_t i = random_.between(20, 130); i > 0; --i) {
    put_line(CommandKind::help, "HELP");
    put_line(CommandKind::unknown, "FOO");
  }
  step(Step::Kind::silence);
}

void ClientModel::Impl::act_quit_and_more() {
  behaviour_ += " talks-behind-QUIT";
  ending_ = true;
  put_line(CommandKind::quit, "QUIT");
  put_raw(random_.once_in(2) ? hidden_commands() : "NOOP\r\nNOOP\r\n");
  await();
}

}  // namespace gatepost::simulation
