// What is in the store, held against what the clients know.

#include <algorithm>
#include <map>
#include <unordered_map>

#include "simulation/ledger.hpp"

namespace gatepost::simulation {
namespace {

// A stored message without the fields that the server put on top.
struct TakenApart {
  std::string wrong;  // what the trace lacks; the rest is not set then
  std::string reverse_path;
  std::string id;
  std::string_view content;
};

// Takes one line off the front, without its end; false when none is whole.
bool take_line(std::string_view& text, std::string_view line_end, std::string_view& line) {
  const std::size_t size = text.find(line_end);
  if (size == std::string_view::npos) return false;
  line = text.substr(0, size);
  text.remove_prefix(size + line_end.size());
  return true;
}

TakenApart take_apart(const StoredMessage& message, const StoreRules& rules) {
  const std::string_view line_end = message.form == StoredForm::lf ? "\n" : "\r\n";
  std::string_view rest = message.octets;
  std::string_view line;
  TakenApart parts;
  auto fails = [&](std::string_view why) {
    parts.wrong = why;
    return parts;
  };
  if (rules.final_delivery) {
    if (!take_line(rest, line_end, line) || !line.starts_with("Return-Path: <") ||
        !line.ends_with(">"))
      return fails("no Return-Path on top");
    parts.reverse_path = line.substr(14, line.size() - 15);
  }
  if (!take_line(rest, line_end, line) || !line.starts_with("Received: from "))
    return fails("no Received on top");
  std::string received(line);
  while (rest.starts_with('\t') || rest.starts_with(' ')) {
    if (!take_line(rest, line_end, line)) return fails("a Received that does not end");
    received += ' ';
    received += line.substr(1);
  }
  const std::size_t by = received.find(" by " + rules.hostname + " ");
  if (by == std::string::npos) return fails("a Received that does not name us");
  const std::size_t id = received.find(" id ", by);
  if (id == std::string::npos) return fails("a Received without an id");
  parts.id = received.substr(id + 4, received.find_first_of(" ;", id + 4) - id - 4);
  if (parts.id.empty() || received.find(';', id) == std::string::npos)
    return fails("a Received without id or date");
  parts.content = rest;
  return parts;
}

bool is_hidden(std::string_view address) {
  return address.find(hidden_prefix) != std::string_view::npos;
}

// "u12-3" anywhere in a mailbox: of attempt 12.
bool number_in_mailbox(std::string_view mailbox, std::uint64_t& number) {
  for (std::size_t at = mailbox.find('u'); at != std::string_view::npos;
       at = mailbox.find('u', at + 1)) {
    std::size_t end = at + 1;
    std::uint64_t value = 0;
    for (; end < mailbox.size() && mailbox[end] >= '0' && mailbox[end] <= '9'; ++end)
      value = value * 10 + static_cast<std::uint64_t>(mailbox[end] - '0');
    if (end == at + 1 || end == mailbox.size() || mailbox[end] != '-') continue;
    number = value;
    return true;
  }
  return false;
}

std::string_view name_of(Attempt::State state) {
  switch (state) {
    case Attempt::State::unfinished:
      return "unfinished";
    case Attempt::State::unanswered:
      return "unanswered";
    case Attempt::State::accepted:
      return "accepted";
    case Attempt::State::refused:
      return "refused";
  }
  return "?";
}

std::string shown(const Attempt& attempt) {
  return "message " + std::to_string(attempt.number) + " of client " +
         std::to_string(attempt.client) + " (" + std::string(name_of(attempt.state)) +
         (attempt.code != 0 ? " by " + std::to_string(attempt.code) : std::string()) + ", " +
         attempt.message.description() + ")";
}

// The first place where two texts differ, with some octets of each.
std::string difference(std::string_view stored, std::string_view expected) {
  const auto [a, b] = std::ranges::mismatch(stored, expected);
  const auto at = static_cast<std::size_t>(a - stored.begin());
  auto excerpt = [&](std::string_view text) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string result;
    for (const char octet : text.substr(std::min(at, text.size()), 24)) {
      if (octet >= ' ' && octet <= '~' && octet != '\\') {
        result += octet;
        continue;
      }
      const auto value = static_cast<unsigned char>(octet);
      result += "\\x";
      result += digits[value >> 4];
      result += digits[value & 15];
    }
    return "\"" + result + "\"";
  };
  return "at octet " + std::to_string(at) + " of " + std::to_string(stored.size()) + " (" +
         std::to_string(expected.size()) + " expected): " + excerpt(stored) + " in place of " +
         excerpt(expected);
}

class StoreCheck {
 public:
  StoreCheck(const Ledger& ledger, const Facts& facts, const StoreRules& rules, Verdicts& verdicts)
      : ledger_(ledger), facts_(facts), rules_(rules), verdicts_(verdicts) {}

  void take(const StoredMessage& message);
  void finish();

 private:
  struct Copies {
    std::map<std::string, unsigned, std::less<>> by_mailbox;
    std::string id;
    unsigned ids = 0;  // different ones
  };

  void content(const Attempt& attempt, const StoredMessage& message, std::string_view octets);
  void envelope(const Attempt& attempt, const StoredMessage::Envelope& envelope);
  void accepted(const Attempt& attempt, const Copies& copies);
  void doubtful(const Attempt& attempt, const Copies& copies);
  const std::string& expected(const Attempt& attempt, StoredForm form);
  void violation(int check, const Attempt& attempt, const std::string& text) {
    verdicts_.violation(check, shown(attempt) + ": " + text);
  }

  const Ledger& ledger_;
  const Facts& facts_;
  const StoreRules& rules_;
  Verdicts& verdicts_;
  std::unordered_map<std::uint64_t, Copies> copies_;
  // Copies of one message mostly stand behind each other.
  const Attempt* expected_of_ = nullptr;
  StoredForm expected_form_ = StoredForm::lf;
  std::string expected_;
};

const std::string& StoreCheck::expected(const Attempt& attempt, StoredForm form) {
  if (expected_of_ != &attempt || expected_form_ != form) {
    expected_of_ = &attempt;
    expected_form_ = form;
    expected_ = attempt.message.stored(form);
  }
  return expected_;
}

void StoreCheck::take(const StoredMessage& message) {
  const TakenApart parts = take_apart(message, rules_);
  if (is_hidden(message.mailbox) || is_hidden(parts.reverse_path))
    return verdicts_.violation(checks::nothing_hidden, "a message of commands in content: from <" +
                                                           parts.reverse_path + "> to " +
                                                           message.mailbox);
  if (!parts.wrong.empty())
    return verdicts_.violation(checks::durable,
                               "a message in " + message.mailbox + " has " + parts.wrong);
  std::uint64_t number = 0;
  const bool by_mailbox = number_in_mailbox(message.mailbox, number);
  const std::uint64_t by_mailbox_number = number;
  if ((!MessageModel::find_number(parts.content, number) && !by_mailbox) ||
      number >= ledger_.size())
    return verdicts_.violation(checks::no_mixture, "a message in " + message.mailbox + " (id " +
                                                       parts.id + ") is nobody's");
  const Attempt& attempt = ledger_.at(number);
  if (!attempt.has_mailbox(message.mailbox))
    return violation(
        checks::no_mixture, attempt,
        "is in " + message.mailbox + ", which is no recipient of it" +
            (by_mailbox ? ", but of message " + std::to_string(by_mailbox_number) : std::string()));
  content(attempt, message, parts.content);
  if (rules_.final_delivery && parts.reverse_path != attempt.sender)
    violation(checks::no_mixture, attempt,
              "has Return-Path <" + parts.reverse_path + "> in place of <" + attempt.sender + ">");
  if (message.envelope) envelope(attempt, *message.envelope);

  Copies& copies = copies_[number];
  ++copies.by_mailbox[message.mailbox];
  if (copies.id != parts.id) ++copies.ids;
  copies.id = parts.id;
}

void StoreCheck::content(const Attempt& attempt, const StoredMessage& message,
                         std::string_view octets) {
  const std::string& wanted = expected(attempt, message.form);
  if (octets == wanted) return;
  const std::string text =
      "is not what was sent in " + message.mailbox + ", " + difference(octets, wanted);
  // Does it hold what another one says of itself?
  std::uint64_t other = 0;
  std::size_t own = octets.find(attempt.message.token());
  const bool behind_own =
      !attempt.message.token().empty() && own != std::string_view::npos &&
      MessageModel::find_number(octets.substr(own + attempt.message.token().size()), other);
  if ((behind_own && other != attempt.number) ||
      (octets.size() > wanted.size() && octets.starts_with(wanted)))
    return violation(checks::no_mixture, attempt, text);
  violation(attempt.state == Attempt::State::accepted ? checks::durable : checks::not_stored,
            attempt, text);
}

void StoreCheck::envelope(const Attempt& attempt, const StoredMessage::Envelope& envelope) {
  if (envelope.reverse_path != attempt.sender)
    violation(checks::no_mixture, attempt,
              "its envelope is from <" + envelope.reverse_path + ">, not <" + attempt.sender + ">");
  // Of those that were never answered some may be in it.
  auto ours = attempt.recipients.begin();
  for (const std::string& theirs : envelope.recipients) {
    const bool more_ours = ours != attempt.recipients.end();
    if (more_ours && ours->address == theirs)
      ++ours;
    else if (std::ranges::find(attempt.unanswered_recipients, theirs,
                               &AcceptedRecipient::address) == attempt.unanswered_recipients.end())
      return violation(checks::no_mixture, attempt,
                       "its envelope is for <" + theirs + "> where " +
                           (more_ours ? "<" + ours->address + ">" : "nobody else") +
                           " was accepted");
  }
  if (ours != attempt.recipients.end())
    violation(checks::no_mixture, attempt,
              "its envelope is not for <" + ours->address + ">, which was accepted");
  if (envelope.body != attempt.body || envelope.smtputf8 != attempt.smtputf8 ||
      envelope.declared_size != attempt.declared_size.value_or(0))
    violation(checks::no_mixture, attempt, "its envelope has parameters that MAIL did not have");
}

void StoreCheck::accepted(const Attempt& attempt, const Copies& copies) {
  for (const std::string_view mailbox : attempt.mailboxes()) {
    const auto found = copies.by_mailbox.find(mailbox);
    const unsigned count = found == copies.by_mailbox.end() ? 0 : found->second;
    if (count == 1) continue;
    violation(checks::durable, attempt,
              "is " + std::to_string(count) + " times in " + std::string(mailbox));
  }
  if (copies.ids > 1 || (copies.ids == 1 && copies.id != attempt.queue_id))
    violation(checks::durable, attempt,
              "was accepted as " + attempt.queue_id + " and is stored as " + copies.id);
}

// Refused, given up or not answered.
void StoreCheck::doubtful(const Attempt& attempt, const Copies& copies) {
  if (copies.by_mailbox.empty()) return;
  const bool in_doubt = facts_.in_doubt(copies.id);
  const bool unanswered = attempt.state == Attempt::State::unanswered;
  const bool crashed =
      attempt.handed_us != never && facts_.crashed_between(attempt.handed_us, never);
  const bool may_be = in_doubt || (unanswered && (crashed || facts_.logged_accepted(copies.id)));
  const std::string text = "is in the store as " + copies.id;
  if (!may_be) {
    violation(checks::not_stored, attempt, text + ", and the log does not say so");
    return;
  }
  for (const auto& [mailbox, count] : copies.by_mailbox)
    if (count > 1 || copies.ids > 1)
      violation(checks::not_stored, attempt,
                std::string(text).append(" more than once, in ").append(mailbox));
  if (rules_.partial_after_crash && (in_doubt || crashed)) return;
  for (const std::string_view mailbox : attempt.mailboxes())
    if (!copies.by_mailbox.contains(mailbox))
      violation(checks::not_stored, attempt,
                std::string(text).append(", but not in ").append(mailbox));
}

void StoreCheck::finish() {
  static const Copies no_copies;
  for (const Attempt& attempt : ledger_.all()) {
    const auto found = copies_.find(attempt.number);
    const Copies& copies = found == copies_.end() ? no_copies : found->second;
    if (!copies.by_mailbox.empty() && attempt.message.fault() != MessageModel::Fault::none)
      violation(checks::not_stored, attempt, "is in the store, though it had to be refused");
    else if (attempt.state == Attempt::State::accepted)
      accepted(attempt, copies);
    else
      doubtful(attempt, copies);
  }
}

}  // namespace

void check_store(const Ledger& ledger, const std::vector<StoredMessage>& stored, const Facts& facts,
                 const StoreRules& rules, Verdicts& verdicts) {
  StoreCheck check(ledger, facts, rules, verdicts);
  for (const StoredMessage& message : stored) check.take(message);
  check.finish();
}

}  // namespace gatepost::simulation
