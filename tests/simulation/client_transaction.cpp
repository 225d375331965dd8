// How a client sends a message: envelope, content by DATA or BDAT, alone or in groups.

#include <algorithm>
#include <array>

#include "simulation/client_impl.hpp"

namespace gatepost::simulation {
namespace {

constexpr unsigned chunks_max = 6;
// Where the limit is higher, going over it costs a run more than all else.
constexpr std::uint32_t recipient_limit_tried_max = 200;

}  // namespace

void ClientModel::Impl::begin_transaction(bool pipelined) {
  Attempt& begun = ledger_.begin(number_, now_us_);
  txn_ = {};
  txn_.attempt = begun.number;
  txn_.pipelined = pipelined;
  txn_.chunked = bdat_offered() && random_.percent(settings_.chunked);
  if (!pipelined && hostile_acts_left_ > 0 && random_.once_in(2)) choose_trick();
  begun.chunked = txn_.chunked;
  begun.message = MessageModel::make(random_, settings_.messages, settings_.server.message,
                                     begun.number, txn_.chunked, txn_.trick == Trick::early);
  if (txn_.trick == Trick::bare_dot_wait)
    begun.message = MessageModel::of("Subject: t\r\n\r\ntext\n.\n", settings_.server.message,
                                     begun.number, true);
  AddressMaker addresses(random_, settings_, begun.number, extended_ && settings_.server.smtputf8);
  list_recipients(addresses);
  // A refused MAIL before the good one.
  if (random_.percent(settings_.bad_recipients / 4)) put_bad_mail();
  if (!pipelined && !marks_.empty()) {
    // It has no business in one write with the next command where nothing is pipelined.
    txn_.stage = Stage::recipients;
    txn_.mail_due = true;
    return await();
  }
  put_mail(addresses);
  if (!pipelined) {
    txn_.stage = Stage::recipients;
    return await();
  }
  for (const RecipientModel& recipient : txn_.recipients) put_recipient(recipient);
  txn_.next_recipient = txn_.recipients.size();
  txn_.stage = Stage::content;
  if (txn_.chunked && !random_.once_in(4)) {
    put_all_chunks();
    txn_.stage = Stage::chunks;
    return put_behind_content();
  }
  if (!txn_.chunked && !random_.once_in(6)) put_data();
  await();
}

void ClientModel::Impl::list_recipients(AddressMaker& addresses) {
  std::uint64_t count = random_.once_in(2) ? 1 : random_.between(1, 5);
  const std::uint32_t limit = settings_.server.recipient_limit;
  if (random_.percent(settings_.many_recipients)) count = random_.between(100, 130);
  if (limit <= recipient_limit_tried_max && random_.percent(settings_.over_recipient_limit))
    count = limit + random_.between(1, 20);
  // Content without a token tells whose it is by its recipients only.
  const bool unique = attempt().message.token().empty() || attempt().message.content().empty();
  for (std::uint64_t i = 0; i < count; ++i) {
    if (count <= 5 && random_.percent(settings_.bad_recipients)) {
      if (random_.once_in(3) && !txn_.recipients.empty())
        txn_.recipients.push_back(txn_.recipients[random_.below(txn_.recipients.size())]);
      else
        txn_.recipients.push_back(addresses.bad_recipient(i));
    }
    // Some have nobody but bad ones.
    if (count == 1 && !txn_.recipients.empty() && random_.once_in(3)) return;
    txn_.recipients.push_back(count > 5 ? addresses.plain_recipient(i)
                                        : addresses.recipient(i, unique));
  }
}

std::string ClientModel::Impl::mail_parameters(const SenderModel& sender) {
  std::string parameters;
  Attempt& begun = attempt();
  if (!extended_) return parameters;
  const bool some_need = std::ranges::any_of(txn_.recipients, &RecipientModel::needs_smtputf8);
  txn_.smtputf8 =
      settings_.server.smtputf8 &&
      (sender.needs_smtputf8 || (some_need && !random_.once_in(10)) || random_.once_in(15));
  const std::uint64_t limit = settings_.server.message.size_limit;
  const std::uint64_t size = begun.message.size();
  if (random_.percent(settings_.parameters)) {
    std::uint64_t declared = std::min(size, limit);
    if (random_.once_in(6)) declared = random_.below(declared + 1);
    if (random_.once_in(6)) declared = random_.between(declared, limit);
    begun.declared_size = declared;
    parameters += random_.once_in(5) ? " size=" : " SIZE=";
    parameters += std::to_string(declared);
  }
  if (random_.percent(settings_.parameters)) {
    begun.body = random_.once_in(3) ? "7BIT" : "8BITMIME";
    parameters += (random_.once_in(5) ? " body=" : " BODY=") + begun.body;
  }
  begun.smtputf8 = txn_.smtputf8;
  if (txn_.smtputf8) parameters += " SMTPUTF8";
  return parameters;
}

void ClientModel::Impl::put_mail(AddressMaker& addresses) {
  const SenderModel sender = addresses.sender();
  Expected expected;
  expected.kind = CommandKind::mail;
  expected.attempt = txn_.attempt;
  expected.sender = sender.canonical;
  attempt().sender = sender.canonical;
  std::string line = random_.once_in(12) ? "mail from:" : "MAIL FROM:";
  if (random_.once_in(12)) line += ' ';
  line += sender.path;
  line += mail_parameters(sender);
  if (random_.once_in(20)) line += " \t";
  put(line + "\r\n", std::move(expected));
}

void ClientModel::Impl::put_bad_mail() {
  struct Bad {
    std::string line;
    std::uint16_t must;
  };
  const std::string over = std::to_string(settings_.server.message.size_limit + 1);
  const std::uint16_t extension = extended_ ? 501 : 555;
  const std::array<Bad, 14> all{
      {{"<a@>", 501},
       {"a@b.example", 501},
       {"<a@b.example>SIZE=1", 501},
       {"<a@b.example> FOO=1", 555},
       {"<a@b.example> SIZE=1k", extension},
       {"<a@b.example> SIZE=1 SIZE=1", extension},
       {"<a@b.example> SIZE=" + over, static_cast<std::uint16_t>(extended_ ? 552 : 555)},
       {"<a@b.example> BODY=wrong", extension},
       {"<a@b.example> RET=FULL", 555},
       {"<a@b..example>", 501},
       {"<a\x07@b.example>", 501},
       {"<\xc0\x80@b.example>", 0},
       {"<\xc3\xa9@b.example>", 0},
       {"<a@b.example> AUTH=<>", 555}}};
  const Bad& bad = all[random_.below(all.size())];
  Expected expected;
  expected.kind = CommandKind::mail_bad;
  expected.must = bad.must;
  put("MAIL FROM:" + bad.line + "\r\n", std::move(expected));
}

void ClientModel::Impl::put_recipient(const RecipientModel& recipient) {
  Expected expected;
  expected.kind = CommandKind::rcpt;
  expected.attempt = txn_.attempt;
  expected.recipient = recipient.target;
  if (recipient.fate != RecipientModel::Fate::good) {
    expected.kind = CommandKind::rcpt_bad;
    if (recipient.fate != RecipientModel::Fate::malformed) expected.must = 550;
  } else if (recipient.needs_smtputf8 && !txn_.smtputf8) {
    expected.kind = CommandKind::rcpt_bad;
    expected.must = 553;
  }
  std::string line = random_.once_in(20) ? "rcpt to:" : "RCPT TO:";
  if (random_.once_in(20)) line += ' ';
  line += recipient.path;
  put(line + "\r\n", std::move(expected));
}

void ClientModel::Impl::go_on_with_transaction() {
  if (txn_.mail_due) {
    txn_.mail_due = false;
    AddressMaker addresses(random_, settings_, txn_.attempt,
                           extended_ && settings_.server.smtputf8);
    put_mail(addresses);
    return await();
  }
  const bool open = may_be_in(DialogState::mail) || may_be_in(DialogState::recipients) ||
                    may_be_in(DialogState::chunks) || may_be_in(DialogState::chunks_failed);
  if (!open) {  // MAIL was refused, or all is done
    txn_.stage = Stage::none;
    return;
  }
  if (random_.percent(settings_.side_commands / 3)) {
    if (random_.once_in(6)) {
      Expected nested;
      nested.kind = CommandKind::mail;
      nested.attempt = txn_.attempt;
      nested.sender = "nested@sender.example";
      put("MAIL FROM:<nested@sender.example>\r\n", std::move(nested));
      return await();
    }
    return side_command();
  }
  if (txn_.stage != Stage::recipients) return go_on_with_content();
  if (txn_.next_recipient < txn_.recipients.size()) {
    put_recipient(txn_.recipients[txn_.next_recipient++]);
    return await();
  }
  txn_.stage = Stage::content;
  go_on_with_content();
}

void ClientModel::Impl::go_on_with_content() {
  if (txn_.stage == Stage::chunks) {
    // LAST leaves nothing open, unless it came to a transaction that had failed.
    if (txn_.last_sent || random_.percent(settings_.abort / 2)) return abandon_transaction();
    if (!may_be_in(DialogState::chunks) && random_.once_in(2)) return abandon_transaction();
    put_chunk();
    return await();
  }
  if (!may_be_in(DialogState::recipients)) return content_without_recipients();
  if (txn_.data_sent || random_.percent(settings_.abort / 2)) return abandon_transaction();
  if (txn_.chunked) {
    txn_.stage = Stage::chunks;
    put_chunk();
    return await();
  }
  put_data();
  if (txn_.trick == Trick::early) return put_content();
  await();
}

// 503 or 554 is due to DATA and to BDAT, whose chunk is swallowed.
void ClientModel::Impl::content_without_recipients() {
  if (txn_.tried_without || txn_.data_sent || random_.once_in(2)) return abandon_transaction();
  txn_.tried_without = true;
  if (!bdat_offered() || random_.once_in(2))
    put_line(CommandKind::data, "DATA");
  else
    put_chunk_of(random_.once_in(2) ? CommandKind::bdat : CommandKind::bdat_last,
                 hidden_commands());
  await();
}

void ClientModel::Impl::put_data() {
  txn_.data_sent = true;
  Expected expected;
  expected.kind = CommandKind::data;
  if (txn_.trick == Trick::early) expected.must = 354;
  put(random_.once_in(12) ? "data \r\n" : "DATA\r\n", std::move(expected));
}

void ClientModel::Impl::put_content() {
  const Attempt& begun = attempt();
  txn_.stage = Stage::none;
  switch (txn_.trick) {
    case Trick::silence_after_data:
      behaviour_ += " silent-after-DATA";
      return step(Step::Kind::silence);
    case Trick::bare_dot_wait:
      behaviour_ += " waits-behind-a-bare-dot";
      put_raw(begun.message.content());
      return step(Step::Kind::silence);
    case Trick::crawl:
      behaviour_ += " crawls";
      pace_ = Pace::crawling;
      break;
    default:
      break;
  }
  Expected expected;
  expected.kind = CommandKind::end_of_data;
  expected.attempt = txn_.attempt;
  expected.command = "content of message " + std::to_string(txn_.attempt);
  put(begun.message.data_form(), std::move(expected), true);
  if (txn_.trick != Trick::none) return await();
  put_behind_content();
}

void ClientModel::Impl::put_chunk() {
  const std::string& content = attempt().message.content();
  const std::uint64_t left = content.size() - txn_.chunk_at;
  std::uint64_t size = left;
  if (++txn_.chunks < chunks_max && random_.once_in(2))
    size = random_.once_in(6) ? std::min<std::uint64_t>(left, random_.below(3))
                              : random_.below(left + 1);
  const bool last = size == left && (txn_.chunks > chunks_max || !random_.once_in(4));
  Expected expected;
  expected.kind = last ? CommandKind::bdat_last : CommandKind::bdat;
  expected.attempt = txn_.attempt;
  expected.junk = size == 0 && !last;
  std::string line = (random_.once_in(12) ? "bdat " : "BDAT ") + std::to_string(size);
  if (last) line += random_.once_in(12) ? " last" : " LAST";
  expected.command = line;
  line += "\r\n";
  line.append(content, static_cast<std::size_t>(txn_.chunk_at), static_cast<std::size_t>(size));
  txn_.chunk_at += size;
  txn_.last_sent = last;
  expected.chunks_total = txn_.chunk_at;
  put(line, std::move(expected), last);
}

void ClientModel::Impl::put_all_chunks() {
  while (!txn_.last_sent) put_chunk();
}

// What goes out in one group with the end of the content.
void ClientModel::Impl::put_behind_content() {
  if (half_close_ && (transactions_left_ == 0 || random_.once_in(2))) {
    behaviour_ += " half-closes";
    ending_ = true;
    txn_.stage = Stage::none;
    if (!random_.once_in(4)) put_line(CommandKind::quit, "QUIT");
    return step(Step::Kind::fin);
  }
  if (!extended_ || stopping_ || !random_.percent(settings_.content_and_next)) return await();
  if (transactions_left_ > 0) {
    --transactions_left_;
    return begin_transaction(true);
  }
  ending_ = true;
  put_line(CommandKind::quit, "QUIT");
  await();
}

// RSET, or a greeting, which does the same.
void ClientModel::Impl::abandon_transaction() {
  txn_.stage = Stage::none;
  if (random_.once_in(8))
    put_greeting();
  else
    put_line(CommandKind::rset, "RSET");
  await();
}

}  // namespace gatepost::simulation
