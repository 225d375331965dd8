#include "smtp/session.hpp"

#include <algorithm>
#include <cstring>

#include "base/check.hpp"

namespace gatepost::smtp {
namespace {

constexpr unsigned seen_size = 1;
constexpr unsigned seen_body = 2;
constexpr unsigned seen_smtputf8 = 4;

const FixedReply* path_refusal(const Path& path, bool sender) {
  switch (path.error) {
    case PathError::none:
      return nullptr;
    case PathError::syntax:
      return sender ? &replies::bad_sender_syntax : &replies::bad_recipient_syntax;
    case PathError::not_ascii:
      // SMTPUTF8 is not on offer, so the address can't be had with it either, and its
      // parameter is unknown (UTF8-19).
      return path.parameters.empty() ? &replies::bad_octet : &replies::unknown_parameter;
    case PathError::malformed_utf8:
      return &replies::malformed_utf8;
    case PathError::argument:
      return sender ? &replies::mail_syntax : &replies::rcpt_syntax;
  }
  return nullptr;
}

// Commands that cost us and bring nobody any mail: beyond a number of them each counts as an error
// (SMG-13).
bool is_junk(Verb verb) {
  switch (verb) {
    case Verb::rset:
    case Verb::noop:
    case Verb::vrfy:
    case Verb::expn:
    case Verb::help:
    case Verb::ehlo:
    case Verb::helo:
      return true;
    default:
      return false;
  }
}

}  // namespace

Session::Session(const SessionConfig& config, SessionPools& pools, SessionHost& host,
                 ContentStyle style, Peer peer)
    : config_(config), pools_(pools), host_(host), style_(style), peer_(peer) {}

Session::~Session() {
  end_transaction();
  if (partial_ != nullptr) pools_.give_back(partial_);
}

void Session::end_transaction() {
  if (transaction_ == nullptr) return;
  if (transaction_->sink_open) host_.abort_message();
  pools_.transactions.give_back(transaction_);
  transaction_ = nullptr;
}

void Session::answer(std::string_view wire, ReplyKind kind) {
  ReplyNote note{wire, kind, command_.verb, command_.argument};
  if (!host_.reply(note)) drain_due_ = true;
  if (kind != ReplyKind::command) return;
  const std::uint16_t code = note.code();
  bool error = code >= 500 || junk_now_;
  // By its octets: where a constant's text lies may differ from one source file to the next.
  if (wire == replies::too_many_recipients.wire)
    error = ++overshoot_ > config_.settings.recipient_overshoot_limit;
  junk_now_ = false;
  if (!error) return;
  ++errors_;
  if (errors_ > config_.settings.soft_error_limit && config_.settings.error_sleep_ms > 0)
    sleep_due_ = true;
}

Event Session::close_with(std::string_view wire, Ending ending, ReplyKind kind) {
  ending_ = ending;
  answer(wire, kind);
  phase_ = Phase::closed;
  return Event::close;
}

Event Session::greet(bool octets_waiting) {
  command_ = {};
  switch (peer_.greeting) {
    case Greeting::no_mail:
      return close_with(config_.texts.no_mail, Ending::no_mail, ReplyKind::greeting);
    case Greeting::refuse:
      state_ = State::refused;
      answer(config_.texts.refuse, ReplyKind::greeting);
      return Event::need_input;
    case Greeting::welcome:
      break;
  }
  if (octets_waiting && config_.settings.reject_early_talkers)
    return close_with(config_.texts.early_talker, Ending::early_talker, ReplyKind::greeting);
  answer(config_.texts.welcome, ReplyKind::greeting);
  return Event::need_input;
}

Event Session::next(std::span<std::uint8_t>& input, bool more_behind) {
  release_line();
  for (;;) {
    if (phase_ == Phase::closed) return Event::close;
    if (sleep_due_) {
      sleep_due_ = false;
      return Event::sleep;
    }
    if (drain_due_) {
      drain_due_ = false;
      return Event::drain;
    }
    Event event = Event::need_input;
    switch (phase_) {
      case Phase::closed:
      case Phase::deciding:
      case Phase::committing:
        GP_CHECK(false);  // an answer to the last event is missing
        break;
      case Phase::command:
        if (input.empty()) return Event::need_input;
        if (take_line(input)) event = run_command(!input.empty() || more_behind);
        break;
      case Phase::data:
        if (input.empty()) return Event::need_input;
        event = take_data(input);
        break;
      case Phase::chunk:
        if (input.empty() && chunk_left_ > 0) return Event::need_input;
        event = take_chunk(input);
        break;
      case Phase::swallow:
        if (input.empty() && chunk_left_ > 0) return Event::need_input;
        event = take_swallowed(input);
        break;
    }
    if (event != Event::need_input) return event;
    release_line();
  }
}

// need_input: go on with what input there is.
Event Session::run_command(bool input_behind) {
  command_ = parse_command(line_);
  junk_now_ = false;
  if (errors_ >= config_.settings.hard_error_limit)
    return close_with(config_.texts.too_many_errors, Ending::too_many_errors);
  switch (command_.verb) {
    case Verb::http_request:
    case Verb::tls_record:
    case Verb::header_field:
      // A browser, a proxy or a lost message body: nothing of it may run as commands (D09, D10).
      return close_with(config_.texts.not_smtp, Ending::not_smtp);
    default:
      break;
  }
  if (line_refused(command_)) {
    if (command_.verb != Verb::bdat) return Event::need_input;
    phase_ = Phase::closed;  // BDAT-15: how long its payload is can't be trusted
    ending_ = Ending::unusable_bdat;
    return Event::close;
  }
  if (command_.verb == Verb::bdat) return bdat_command();
  // The greeting that every session begins with is not junk yet.
  const bool first_greeting =
      state_ == State::greeted && (command_.verb == Verb::ehlo || command_.verb == Verb::helo);
  if (is_junk(command_.verb) && !first_greeting)
    junk_now_ = ++junk_ > config_.settings.junk_command_limit;
  // An argument to DATA is refused whatever the state (R5321-4.1.1-02), but to a peer that is not
  // served every command but QUIT is 503 (R5321-3.1-04).
  const bool bad_data = command_.verb == Verb::data && !command_.argument.empty();
  if (bad_data && state_ != State::refused) {
    answer(replies::no_argument_allowed);
    return Event::need_input;
  }
  if (const FixedReply* refusal = forbidden(state_, command_.verb); refusal != nullptr) {
    const bool greeting = command_.verb == Verb::ehlo || command_.verb == Verb::helo;
    answer(greeting ? std::string_view(config_.texts.no_service) : refusal->wire);
    return Event::need_input;
  }
  switch (command_.verb) {
    case Verb::ehlo:
    case Verb::helo:
      return greeting_command(input_behind);
    case Verb::mail:
      return mail_command();
    case Verb::rcpt:
      return rcpt_command();
    case Verb::data:
      return data_command(input_behind);
    case Verb::quit:
      if (!command_.argument.empty()) break;
      return close_with(config_.texts.quit, Ending::quit);
    default:
      break;
  }
  plain_command();
  return Event::need_input;
}

void Session::plain_command() {
  switch (command_.verb) {
    case Verb::quit:
      answer(state_ == State::refused ? replies::no_service : replies::no_argument_allowed);
      return;
    case Verb::rset:
      if (!command_.argument.empty()) {
        answer(replies::no_argument_allowed);
        return;
      }
      end_transaction();
      if (state_ != State::greeted) state_ = State::ready;
      answer(replies::ok);
      return;
    case Verb::noop:
      answer(replies::ok);
      return;
    case Verb::help:
      answer(config_.texts.help);
      return;
    case Verb::vrfy:
      vrfy_command();
      return;
    default:
      answer(replies::unknown_command);
      return;
  }
}

// RFC 5321 §3.5.3, §7.3: nothing is verified and nothing looks as if it were.
void Session::vrfy_command() {
  std::string_view argument = command_.argument;
  if (argument.empty()) {
    answer(replies::argument_needed);
    return;
  }
  if ((line_findings_ & scan::eight_bit) == 0) {
    answer(replies::cannot_verify);
    return;
  }
  if (!valid_utf8(argument)) {
    answer(replies::malformed_utf8);
    return;
  }
  // RFC 6531 §3.7.4.2: without the parameter the reply says that the address can't be shown.
  constexpr std::string_view keyword = " SMTPUTF8";
  bool asked = argument.size() > keyword.size() &&
               equals_ignoring_case(argument.substr(argument.size() - keyword.size()), keyword);
  answer(asked ? replies::cannot_verify : replies::cannot_verify_utf8);
}

Event Session::greeting_command(bool input_behind) {
  GreetingArgument name = parse_greeting(command_.argument);
  if (!name.valid) {
    answer(config_.texts.bad_greeting);  // RFC 5321 §4.1.4: the state stays as it was
    return Event::need_input;
  }
  if (input_behind && config_.settings.reject_early_talkers)
    return close_with(config_.texts.early_talker, Ending::early_talker);
  end_transaction();
  static_assert(bounds::domain_length_max <= 255);
  const std::size_t size = name.name.size();
  long_helo_ = size > helo_.size() ? std::make_unique_for_overwrite<char[]>(size) : nullptr;
  std::memcpy(long_helo_ != nullptr ? long_helo_.get() : helo_.data(), name.name.data(), size);
  helo_size_ = static_cast<std::uint8_t>(size);
  extended_ = command_.verb == Verb::ehlo;
  state_ = State::ready;
  answer(extended_ ? config_.texts.ehlo : config_.texts.helo);
  return Event::need_input;
}

std::string_view Session::protocol() const {
  if (helo_size_ == 0) return {};
  if (!extended_) return "SMTP";
  return transaction_ != nullptr && transaction_->smtputf8 ? "UTF8SMTP" : "ESMTP";
}

Event Session::mail_command() {
  MailboxStorage storage;
  PathOptions options;
  options.utf8_allowed = extended_ && config_.settings.smtputf8;
  options.space_after_colon = config_.settings.space_after_colon;
  Path path = parse_reverse_path(command_.argument, options, storage);
  if (const FixedReply* refusal = path_refusal(path, true); refusal != nullptr) {
    answer(*refusal);
    return Event::need_input;
  }
  transaction_ = pools_.transactions.take();
  if (const FixedReply* refusal = mail_parameters(path.parameters, path.mailbox.non_ascii);
      refusal != nullptr) {
    end_transaction();
    answer(*refusal);
    return Event::need_input;
  }
  transaction_->begin(path.mailbox, path.null);
  phase_ = Phase::deciding;
  return Event::decide_mail;
}

const FixedReply* Session::mail_parameters(std::string_view parameters, bool non_ascii) {
  unsigned seen = 0;
  for (std::size_t count = 0;; ++count) {
    Parameter parameter;
    ParameterResult result = next_parameter(parameters, parameter);
    if (result == ParameterResult::end) break;
    if (result == ParameterResult::syntax_error || count == bounds::esmtp_parameters_max)
      return &replies::bad_parameter;
    // After HELO no extension is in force, so none of their parameters is known (UTF8-19).
    if (!extended_) return &replies::unknown_parameter;
    if (const FixedReply* refusal = mail_parameter(parameter, seen); refusal != nullptr)
      return refusal;
  }
  if (non_ascii && !transaction_->smtputf8) return &replies::sender_needs_smtputf8;
  return nullptr;
}

const FixedReply* Session::mail_parameter(const Parameter& parameter, unsigned& seen) {
  const SessionSettings& settings = config_.settings;
  auto repeated = [&](unsigned bit) {
    bool again = (seen & bit) != 0;
    seen |= bit;
    return again;
  };
  if (equals_ignoring_case(parameter.keyword, "SIZE")) {  // RFC 1870 §6
    if (repeated(seen_size) || !parameter.has_value ||
        !parse_size_value(parameter.value, transaction_->declared_size))
      return &replies::bad_parameter;
    if (transaction_->declared_size > settings.message_size_limit) return &replies::size_over_limit;
    return nullptr;
  }
  if (equals_ignoring_case(parameter.keyword, "BODY")) {  // RFC 6152 §3, RFC 3030 §3
    if (repeated(seen_body) || !parameter.has_value) return &replies::bad_parameter;
    if (equals_ignoring_case(parameter.value, "7BIT")) {
      transaction_->body = BodyType::seven_bit;
    } else if (equals_ignoring_case(parameter.value, "8BITMIME")) {
      transaction_->body = BodyType::eight_bit_mime;
    } else if (equals_ignoring_case(parameter.value, "BINARYMIME")) {
      if (!settings.binarymime || !settings.chunking) return &replies::unknown_parameter;
      transaction_->body = BodyType::binary_mime;
    } else {
      return &replies::bad_parameter;
    }
    return nullptr;
  }
  if (equals_ignoring_case(parameter.keyword, "SMTPUTF8") && settings.smtputf8) {  // RFC 6531 §3.4
    if (repeated(seen_smtputf8) || parameter.has_value) return &replies::bad_parameter;
    transaction_->smtputf8 = true;
    return nullptr;
  }
  return &replies::unknown_parameter;
}

void Session::mail_decided(const FixedReply* refusal) {
  GP_CHECK(phase_ == Phase::deciding && transaction_ != nullptr);
  phase_ = Phase::command;
  if (refusal != nullptr) {
    answer(*refusal);
    end_transaction();
    return;
  }
  state_ = State::mail;
  answer(replies::mail_ok);
}

Event Session::rcpt_command() {
  ++transaction_->rcpt_commands;
  RecipientScratch& scratch = pools_.recipient_scratch;
  PathOptions options;
  options.utf8_allowed = extended_ && config_.settings.smtputf8;
  options.space_after_colon = config_.settings.space_after_colon;
  Path path = parse_forward_path(command_.argument, options, scratch.mailbox);
  if (const FixedReply* refusal = path_refusal(path, false); refusal != nullptr) {
    answer(*refusal);
    return Event::need_input;
  }
  if (!path.parameters.empty()) {  // none is offered until DSN is
    Parameter parameter;
    ParameterResult result = next_parameter(path.parameters, parameter);
    if (result != ParameterResult::end) {
      answer(result == ParameterResult::syntax_error ? replies::bad_parameter
                                                     : replies::unknown_parameter);
      return Event::need_input;
    }
  }
  if (path.mailbox.non_ascii && !transaction_->smtputf8) {
    answer(replies::recipient_needs_smtputf8);
    return Event::need_input;
  }
  if (transaction_->rcpt_commands > config_.settings.recipient_limit) {
    answer(replies::too_many_recipients);  // RFC 5321 §4.5.3.1.10: 452, the accepted ones stay
    return Event::need_input;
  }
  std::size_t domain_size = 0;
  if (!path.mailbox.domain.empty()) {
    domain_size = canonical_domain(path.mailbox.domain, scratch.domain);
    if (domain_size == 0) {
      answer(replies::bad_recipient_syntax);
      return Event::need_input;
    }
  }
  pending_.mailbox = path.mailbox;
  pending_.local_part = unquoted_local_part(path.mailbox.local_part, scratch.unquoted);
  pending_.domain = {scratch.domain.data(), domain_size};
  phase_ = Phase::deciding;
  return Event::decide_recipient;
}

void Session::recipient_decided(const FixedReply* refusal, std::string_view mailbox,
                                std::string_view domain) {
  GP_CHECK(phase_ == Phase::deciding && transaction_ != nullptr);
  phase_ = Phase::command;
  if (refusal == nullptr &&
      transaction_->add_recipient(pending_.mailbox, pending_.local_part, mailbox, domain) ==
          Transaction::Added::no_memory)
    refusal = &replies::too_much_envelope;
  if (refusal != nullptr) {
    answer(*refusal);
    return;
  }
  state_ = State::recipients;
  answer(replies::rcpt_ok);
}

Event Session::data_command(bool input_behind) {
  if (state_ == State::mail) {
    // RFC 5321 §3.3: 503 when no RCPT came, 554 when all were refused (PIPE-06).
    answer(transaction_->rcpt_commands == 0 ? replies::need_rcpt : replies::no_valid_recipients);
    return Event::need_input;
  }
  if (transaction_->body == BodyType::binary_mime) {  // RFC 3030 §3
    answer(replies::binary_needs_bdat);
    return Event::need_input;
  }
  if (input_behind && config_.settings.reject_early_talkers)
    return close_with(replies::sync_error.wire, Ending::early_talker);
  phase_ = Phase::deciding;
  bdat_opening_ = false;
  return Event::open_message;
}

Event Session::timed_out() {
  if (phase_ == Phase::closed) return Event::close;
  if (after_bare_dot_line())
    return close_with(replies::bare_dot_wait.wire, Ending::timeout, ReplyKind::end_of_data);
  return close_with(config_.texts.timeout, Ending::timeout, ReplyKind::unasked);
}

Event Session::shut_down() {
  if (phase_ == Phase::closed) return Event::close;
  return close_with(config_.texts.shutdown, Ending::shutdown, ReplyKind::unasked);
}

Event Session::dismiss() {
  if (phase_ == Phase::closed) return Event::close;
  return close_with(config_.texts.too_many_errors, Ending::overload, ReplyKind::unasked);
}

}  // namespace gatepost::smtp
