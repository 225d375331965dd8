// One SMTP dialogue, sans I/O: octets in; replies, content and questions out (RFC 5321).
//
// The session knows the protocol and nothing else: no descriptor, clock, log or file. Its host
// feeds it with next(), which works through the input until something is needed from outside and
// says what (Event). Replies and content go out through SessionHost while it works.
//
//   Event event = session.greet(octets_are_waiting);
//   ...
//   while ((event = session.next(input, more_behind)) != Event::need_input)
//     switch (event) { case Event::decide_mail: session.mail_decided(...); ... }
//
// Everything belongs to the shard's thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/bounds.hpp"
#include "scan/scanner.hpp"
#include "smtp/command.hpp"
#include "smtp/reply.hpp"
#include "smtp/session_config.hpp"
#include "smtp/session_table.hpp"
#include "smtp/transaction.hpp"

namespace gatepost::smtp {

enum class Event : std::uint8_t {
  need_input,        // all input was taken: call next() when there is more
  decide_mail,       // MAIL is well formed: answer with mail_decided()
  decide_recipient,  // RCPT is well formed: answer with recipient_decided()
  open_message,      // content is about to begin: open the sink's message, answer with opened()
  commit_message,    // content is whole: commit, answer with committed() when the receipt is there
  sleep,             // hold what was replied for error_sleep_ms, then call next() (SMG-13)
  drain,             // too many replies at once: send them, then call next()
  close              // send what was replied, then end the connection
};

// Why a session ended by our will.
enum class Ending : std::uint8_t {
  none,  // not ended, or by the peer's
  quit,
  no_mail,          // a 521 greeting
  early_talker,     // octets before their turn (SMG-11)
  too_many_errors,  // SMG-13
  not_smtp,         // HTTP, TLS or message text in place of commands
  endless_line,     // D06
  unusable_bdat,    // no length, so that its payload can't be told from commands (BDAT-15)
  oversize,         // content many times over the limit (SIZE-12)
  timeout,
  shutdown,
  overload  // errors of its own, and room is short
};

enum class ReplyKind : std::uint8_t { greeting, command, end_of_data, unasked };

struct ReplyNote {
  std::string_view wire;  // whole lines with CRLF; valid during the call
  ReplyKind kind = ReplyKind::command;
  Verb verb = Verb::unknown;  // of the command answered
  std::string_view argument;  // of the command answered; hostile octets
  std::uint16_t code() const { return FixedReply::code_of(wire); }
};

// What a session needs while it works. All calls come from inside the session's functions.
class SessionHost {
 public:
  // Sends a reply, after the earlier ones. Returns whether there is room for more at once.
  virtual bool reply(const ReplyNote& note) = 0;
  // Content of the open message, a part of the input that next() was given, changed in place.
  virtual void content(std::uint8_t* octets, std::size_t size) = 0;
  // Content that is a constant.
  virtual void content_constant(std::string_view octets) = 0;
  // Content whose fate is not known yet (the begin of what may be a field to drop), and later the
  // verdict on all of it. Between the two there is no other content.
  virtual void hold_content(std::uint8_t* octets, std::size_t size) = 0;
  virtual void hold_constant(std::string_view octets) = 0;
  virtual void resolve_held(bool keep) = 0;
  // The open message is given up: nothing of it may stay.
  virtual void abort_message() = 0;

 protected:
  ~SessionHost() = default;
};

// A command line that came in pieces.
struct PartialLine {
  std::uint32_t size = 0;
  std::array<std::uint8_t, bounds::command_line_length_max> octets;
};

// Where the recipient in question is written out while its decision is pending. One for all
// sessions of a shard: a host that decides later than at once copies what it needs.
struct RecipientScratch {
  MailboxStorage mailbox;
  MailboxStorage unquoted;
  std::array<char, bounds::domain_length_max + 1> domain;
};

// What sessions of a shard draw from.
class SessionPools {
 public:
  explicit SessionPools(std::size_t envelope_budget_bytes) : transactions(envelope_budget_bytes) {}
  PartialLine* take_line();
  void give_back(PartialLine* line);

  TransactionPool transactions;
  RecipientScratch recipient_scratch;

 private:
  std::vector<std::unique_ptr<PartialLine>> lines_;
  std::vector<PartialLine*> idle_lines_;
};

// How content shall leave the session, as the sink wants it.
struct ContentStyle {
  scan::LineEnd line_end = scan::LineEnd::crlf;
  bool drop_return_path = false;  // final delivery: earlier Return-Path fields go (RFC 5321 §4.4)
};

class Session {
 public:
  struct Peer {
    Greeting greeting = Greeting::welcome;
    scan::BareNewline bare_newline = scan::BareNewline::keep;
  };

  Session(const SessionConfig& config, SessionPools& pools, SessionHost& host, ContentStyle style,
          Peer peer);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Greets. octets_waiting: the peer talked first (SMG-11, E01).
  Event greet(bool octets_waiting);
  // Works through `input` and moves its front on. The octets may be changed, and stay in use until
  // the next call of any function here. more_behind: further octets have arrived that are not in
  // `input`.
  Event next(std::span<std::uint8_t>& input, bool more_behind);

  // --- Answers to events ---
  // nullptr accepts; else the refusal, which is sent.
  void mail_decided(const FixedReply* refusal);
  struct PendingRecipient {
    Mailbox mailbox;
    std::string_view local_part;  // without quoting
    std::string_view domain;      // compared form; empty for bare postmaster
  };
  const PendingRecipient& pending_recipient() const { return pending_; }
  // mailbox: as Recipient::mailbox. domain: where the recipient belongs (for bare postmaster: the
  // first accepted domain). Both are copied; neither is looked at when there is a refusal.
  void recipient_decided(const FixedReply* refusal, std::string_view mailbox,
                         std::string_view domain);
  void opened(const FixedReply* refusal);
  // id: of the message, when it was taken over.
  void committed(const FixedReply* refusal, std::string_view id);

  // --- From outside, between events ---
  // The peer was silent or slow for too long.
  Event timed_out();
  // The service stops: 421 and close.
  Event shut_down();
  // A peer with many errors is let go for the others' sake: 421 and close.
  Event dismiss();

  // --- For the host's decisions and records ---
  bool in_transaction() const { return transaction_ != nullptr; }
  // Between two transactions, nothing begun, nothing to answer: may be shut down at once.
  bool at_rest() const {
    return phase_ == Phase::command && transaction_ == nullptr && partial_ == nullptr;
  }
  bool in_content() const {
    return phase_ == Phase::data || phase_ == Phase::chunk || phase_ == Phase::swallow;
  }
  bool in_command_line() const { return partial_ != nullptr || discarded_ > 0; }
  bool awaits_commit() const { return phase_ == Phase::committing; }
  // SMG-04: the peer took a bare-newline dot line for the end of data and may be waiting.
  bool after_bare_dot_line() const {
    return phase_ == Phase::data && transaction_->data_scanner.after_bare_dot_line();
  }
  bool refused_all() const { return state_ == State::refused; }
  Transaction* transaction() { return transaction_; }
  std::string_view helo() const {
    return {long_helo_ != nullptr ? long_helo_.get() : helo_.data(), helo_size_};
  }
  bool extended() const { return extended_; }
  // "SMTP", "ESMTP" or "UTF8SMTP" (RFC 3848, RFC 6531 §4.3); empty before HELO.
  std::string_view protocol() const;
  // Content seen so far as RFC 1870 counts.
  std::uint64_t content_octets() const;
  std::uint32_t errors() const { return errors_; }
  Ending ending() const { return ending_; }

 private:
  enum class Phase : std::uint8_t { command, deciding, data, chunk, swallow, committing, closed };

  // Command lines (session_lines.cpp).
  bool take_line(std::span<std::uint8_t>& input);
  bool take_line_pieces(std::span<std::uint8_t>& input);
  void discard_line(std::span<std::uint8_t>& input);
  void refuse_long_line(std::size_t size);
  bool line_refused(const Command& command);
  void release_line();

  // Commands (session.cpp).
  Event run_command(bool input_behind);
  Event greeting_command(bool input_behind);
  Event mail_command();
  const FixedReply* mail_parameters(std::string_view parameters, bool non_ascii);
  const FixedReply* mail_parameter(const Parameter& parameter, unsigned& seen);
  Event rcpt_command();
  Event data_command(bool input_behind);
  void vrfy_command();
  void plain_command();

  // Content (session_content.cpp).
  Event bdat_command();
  const FixedReply* bdat_refusal(std::uint64_t size);
  Event begin_chunk();
  Event take_data(std::span<std::uint8_t>& input);
  Event take_chunk(std::span<std::uint8_t>& input);
  Event take_swallowed(std::span<std::uint8_t>& input);
  Event end_chunk();
  void give_content(const scan::Content& content, std::uint8_t* data);
  void begin_content(std::uint8_t first);
  void inspect(std::uint8_t* data, std::size_t size, bool constant);
  void fail_content(const FixedReply& reply);
  Event finish_content();
  void check_findings(scan::Findings findings);

  void answer(std::string_view wire, ReplyKind kind = ReplyKind::command);
  void answer(const FixedReply& reply) { answer(reply.wire); }
  Event close_with(std::string_view wire, Ending ending, ReplyKind kind = ReplyKind::command);
  void end_transaction();

  const SessionConfig& config_;
  SessionPools& pools_;
  SessionHost& host_;
  Transaction* transaction_ = nullptr;
  PartialLine* partial_ = nullptr;
  std::string_view line_;  // the command being answered, without CRLF
  Command command_;
  PendingRecipient pending_;
  std::uint64_t chunk_left_ = 0;
  const FixedReply* chunk_refusal_ = nullptr;
  std::uint32_t discarded_ = 0;  // octets of a line that is too long
  std::uint32_t errors_ = 0;
  std::uint32_t junk_ = 0;
  std::uint32_t overshoot_ = 0;
  const ContentStyle style_;
  const Peer peer_;
  scan::Findings line_findings_ = 0;
  State state_ = State::greeted;
  Phase phase_ = Phase::command;
  Ending ending_ = Ending::none;
  bool extended_ = false;
  bool line_done_ = false;  // partial_ holds the line being answered
  bool discard_cr_ = false;
  bool chunk_last_ = false;
  bool junk_now_ = false;
  bool sleep_due_ = false;
  bool drain_due_ = false;
  bool bdat_opening_ = false;
  // Nearly all names fit; room for the longest in every session would be a quarter of an idle
  // connection.
  static constexpr std::size_t helo_inline_max = 64;
  std::uint8_t helo_size_ = 0;
  std::array<char, helo_inline_max> helo_;
  std::unique_ptr<char[]> long_helo_;
};

}  // namespace gatepost::smtp
