// The client's side of one SMTP dialogue, without I/O: replies go in, octets to send come out.
//
// Theory of operation. `awaiting()` names the command whose reply comes next; there is at most one
// group of commands underway. Without PIPELINING a group is one command. With it MAIL, all RCPT and
// DATA go out together (RFC 2920 §3.1), and their replies are taken in order: the same states are
// passed through, only nothing is sent between them.
//
//   greeting -> ehlo [-> helo] -> none -> mail -> rcpt... -> data -> content -> none
//                                  |                      -> bdat...........-> none
//                                  |                  (nothing taken) -> rset -> none
//                                  +-> quit -> over
//
// Decisions are made on a code's first digit only (RFC 5321 §4.2.1), but for 220, 221, 354 and 421.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "load/body.hpp"
#include "load/mix.hpp"
#include "load/reply_parser.hpp"

namespace gatepost::load {

struct Segment {
  const char* data = nullptr;
  std::size_t size = 0;
};

struct Message {
  Kind kind = Kind::normal;
  Content content;
  std::vector<std::uint32_t> recipients;  // as positions in the list of mailboxes
};

// What the reply to a message was, or would have been.
enum class Outcome : std::uint8_t { none, acknowledged, refused };

class ClientSession {
 public:
  // Outlives its sessions.
  struct Settings {
    std::string helo;  // a domain or an address literal
    std::string from;  // without angle brackets; empty: the null reverse-path
    std::vector<std::string> mailboxes;
    const BodyText* text = nullptr;
    bool pipelining = true;  // where the server offers it
    bool chunking = false;   // BDAT, where the server offers it
    std::uint64_t chunk_size = 0;
  };
  enum class Awaiting : std::uint8_t {
    greeting,
    ehlo,
    helo,
    none,
    mail,
    rcpt,
    data,
    content,
    bdat,
    rset,
    garbage,
    quit,
    over
  };
  enum class Step : std::uint8_t {
    wait,      // for more replies
    send,      // pending() has octets
    ready,     // greeted: begin() or quit()
    finished,  // the message's outcome() is known: begin() or quit()
    cut,       // the kind of the message wants the connection broken now
    over,      // the dialogue is at its end: close; end() says why
  };
  enum class End : std::uint8_t { quit, server_closing, greeting_refused, helo_refused, protocol };
  // The reply that decided against the message: for the operator.
  struct Refusal {
    int code = 0;
    std::string text;  // "550 5.1.1 no such user (to RCPT)"
  };

  explicit ClientSession(const Settings& settings) : settings_(&settings) {}

  // A new connection: waits for the greeting (RFC 5321 §4.3.1). Forgets everything.
  void start();
  // The message to send next; filled in by the caller before begin(), kept until the outcome.
  Message& message() { return message_; }
  const Message& message() const { return message_; }
  // Starts the message (Awaiting::none only): pending() then has octets.
  void begin();
  // Starts sending nonsense in place of a message.
  void begin_garbage();
  void quit();

  Step on_line(const ReplyLine& line);
  // All of pending() has been sent.
  Step on_sent() const { return cutting_ ? Step::cut : Step::wait; }

  // What to send now, in order. Stays in place until consumed, or start().
  std::span<const Segment> pending() const {
    return {segments_.data() + next_segment_, window_end_ - next_segment_};
  }
  // `octets` of pending() have been sent.
  void consume(std::size_t octets);
  // `octets` of pending() are about to be handed to the kernel. From the moment at which this
  // covers the end of data nobody but the server knows whether the message is delivered.
  void note_submitted(std::size_t octets) {
    if (ends_message_ && octets >= octets_left_) end_of_data_submitted_ = true;
  }

  Awaiting awaiting() const { return awaiting_; }
  Outcome outcome() const { return outcome_; }
  End end() const { return end_; }
  const Refusal& refusal() const { return refusal_; }
  // Between begin() and the outcome.
  bool in_message() const { return in_message_; }
  bool in_content() const { return awaiting_ == Awaiting::content || awaiting_ == Awaiting::bdat; }
  // Replies that come while the output is still being sent are in order: those to chunks that have
  // gone out before. Any other reply would be ahead of its command.
  bool takes_replies_while_sending() const {
    return awaiting_ == Awaiting::bdat && pipelined_ && chunk_replies_left_ > 1;
  }
  bool content_started() const { return content_started_; }
  bool end_of_data_submitted() const { return end_of_data_submitted_; }
  std::size_t recipients_refused() const { return recipients_refused_; }

 private:
  static constexpr std::string_view end_of_data = ".\r\n";  // RFC 5321 §4.1.1.4

  Step on_reply(int code, std::string_view text);
  void read_extension(std::string_view line);
  Step on_mail_or_rcpt(int code, std::string_view text);
  Step after_recipients();
  Step on_data(int code, std::string_view text);
  Step on_chunk(int code, std::string_view text);
  Step leave(End end);
  Step fail_message();
  Step finish();
  void refuse(int code, std::string_view text, std::string_view command);

  void clear_output();
  void append_command(std::string_view command);
  void send_command(std::string_view command, Awaiting awaiting);
  void append_envelope(bool all);
  void flush_text();
  void compose_content(Form form, std::uint64_t most);
  void compose_data();
  void compose_chunks();

  const Settings* settings_;
  Message message_;
  Awaiting awaiting_ = Awaiting::over;
  End end_ = End::quit;
  Outcome outcome_ = Outcome::none;
  Refusal refusal_;

  bool pipelining_ = false, chunking_ = false, size_ = false;  // offered and wanted
  bool pipelined_ = false;                                     // the group that is underway
  bool in_message_ = false;
  bool mail_taken_ = false;
  bool content_started_ = false, ends_message_ = false, end_of_data_submitted_ = false;
  bool cutting_ = false;
  std::size_t recipient_ = 0;  // whose reply, or command, is next
  std::size_t taken_ = 0;      // recipients accepted, moved to the front of the list
  std::size_t recipients_refused_ = 0;
  std::size_t chunk_replies_left_ = 0;
  unsigned garbage_left_ = 0;

  // Output: commands stand in text_, content where it is.
  std::string text_;
  std::vector<Segment> segments_;
  std::vector<std::size_t> chunk_ends_;  // in segments_, after each BDAT chunk
  std::size_t chunks_sent_ = 0;
  std::size_t next_segment_ = 0, window_end_ = 0;
  std::size_t octets_left_ = 0;  // in all segments, beyond the window too
};

}  // namespace gatepost::load
