// The replies that never vary, as they go over the wire (RFC 5321 §4.2, RFC 3463).
//
// A refusal that the operator should understand carries a private cause beside its public text; the
// cause goes to the log only. Replies that name the host are in ServerTexts (session_config.hpp).
#pragma once

#include <cstdint>
#include <string_view>

namespace gatepost::smtp {

struct FixedReply {
  // wire: one or more whole lines with CRLF; the code is its first three digits.
  consteval explicit FixedReply(std::string_view text) : wire(text) {
    if (!well_formed(text)) throw "a reply is not well formed";
  }
  std::string_view wire;

  constexpr std::uint16_t code() const { return code_of(wire); }
  static constexpr std::uint16_t code_of(std::string_view wire) {
    return static_cast<std::uint16_t>((wire[0] - '0') * 100 + (wire[1] - '0') * 10 +
                                      (wire[2] - '0'));
  }

 private:
  static constexpr bool well_formed(std::string_view text) {
    if (text.size() < 6 || text.size() > 512 || !text.ends_with("\r\n")) return false;
    if (text[0] < '2' || text[0] > '5' || text[1] > '5' || text[3] != ' ') return false;
    if (text[0] == '3') return true;  // no enhanced code (RFC 2034 §4)
    return text[4] == text[0] && text[5] == '.' && text.find('\r') == text.size() - 2;
  }
};

namespace replies {

// Success.
inline constexpr FixedReply mail_ok{"250 2.1.0 Ok\r\n"};
inline constexpr FixedReply rcpt_ok{"250 2.1.5 Ok\r\n"};
inline constexpr FixedReply ok{"250 2.0.0 Ok\r\n"};
inline constexpr FixedReply chunk_ok{"250 2.0.0 Ok: chunk received\r\n"};
inline constexpr FixedReply cannot_verify{
    "252 2.0.0 Cannot VRFY; try RCPT to attempt delivery\r\n"};
inline constexpr FixedReply cannot_verify_utf8{
    "252 2.6.8 Cannot VRFY; try RCPT to attempt delivery\r\n"};
inline constexpr FixedReply start_data{"354 End data with <CR><LF>.<CR><LF>\r\n"};

// Command lines and their order.
inline constexpr FixedReply unknown_command{"500 5.5.2 Command unrecognized\r\n"};
inline constexpr FixedReply line_too_long{"500 5.5.2 Line too long\r\n"};
inline constexpr FixedReply bare_newline_in_command{
    "500 5.5.2 Bare CR or LF in command line; lines end with <CR><LF>\r\n"};
inline constexpr FixedReply bad_octet{"501 5.5.2 NUL or non-ASCII octet in command line\r\n"};
inline constexpr FixedReply malformed_utf8{"501 5.5.2 Malformed UTF-8\r\n"};
inline constexpr FixedReply no_argument_allowed{"501 5.5.4 This command takes no argument\r\n"};
inline constexpr FixedReply argument_needed{"501 5.5.4 An argument is needed\r\n"};
inline constexpr FixedReply not_implemented{"502 5.5.1 Command not implemented\r\n"};
inline constexpr FixedReply greet_first{"503 5.5.1 Send HELO or EHLO first\r\n"};
inline constexpr FixedReply nested_mail{"503 5.5.1 Nested MAIL command\r\n"};
inline constexpr FixedReply need_mail{"503 5.5.1 Need MAIL command\r\n"};
inline constexpr FixedReply need_rcpt{"503 5.5.1 Need RCPT command\r\n"};
inline constexpr FixedReply chunks_running{"503 5.5.1 BDAT in progress; send BDAT or RSET\r\n"};
inline constexpr FixedReply chunks_failed{"503 5.5.1 An earlier BDAT failed; send RSET\r\n"};
inline constexpr FixedReply binary_needs_bdat{"503 5.5.1 BODY=BINARYMIME needs BDAT\r\n"};
inline constexpr FixedReply no_service{"503 5.5.1 No SMTP service here; send QUIT\r\n"};
inline constexpr FixedReply no_valid_recipients{"554 5.5.1 No valid recipients\r\n"};
inline constexpr FixedReply sync_error{
    "554 5.5.0 Protocol error: wait for the reply before sending more\r\n"};
inline constexpr FixedReply bdat_length_unknown{"501 5.5.4 Syntax: BDAT count [LAST]; closing\r\n"};

// MAIL and RCPT.
inline constexpr FixedReply mail_syntax{"501 5.5.4 Syntax: MAIL FROM:<address> [parameters]\r\n"};
inline constexpr FixedReply rcpt_syntax{"501 5.5.4 Syntax: RCPT TO:<address>\r\n"};
inline constexpr FixedReply bad_sender_syntax{"501 5.1.7 Bad sender address syntax\r\n"};
inline constexpr FixedReply bad_recipient_syntax{"501 5.1.3 Bad recipient address syntax\r\n"};
inline constexpr FixedReply sender_needs_smtputf8{"550 5.6.7 Address needs SMTPUTF8\r\n"};
inline constexpr FixedReply recipient_needs_smtputf8{"553 5.6.7 Address needs SMTPUTF8\r\n"};
inline constexpr FixedReply bad_parameter{"501 5.5.4 Bad or repeated parameter\r\n"};
inline constexpr FixedReply unknown_parameter{"555 5.5.4 Unsupported parameter\r\n"};
inline constexpr FixedReply size_over_limit{"552 5.3.4 Message size exceeds fixed limit\r\n"};
inline constexpr FixedReply too_many_recipients{"452 4.5.3 Too many recipients\r\n"};
inline constexpr FixedReply too_much_envelope{
    "452 4.3.1 Out of memory for recipients; try again later\r\n"};
inline constexpr FixedReply unknown_user{"550 5.1.1 Recipient address rejected: User unknown\r\n"};
inline constexpr FixedReply relay_denied{"550 5.7.1 Relay access denied\r\n"};

// End of data.
inline constexpr FixedReply bare_newline_in_content{
    "550 5.6.0 Bare CR or LF in message content; lines end with <CR><LF>\r\n"};
inline constexpr FixedReply mail_loop{"554 5.4.6 Too many hops: mail loop?\r\n"};
inline constexpr FixedReply header_too_big{"552 5.3.4 Message header section exceeds limit\r\n"};
inline constexpr FixedReply bare_dot_wait{
    "554 5.5.2 End of data is <CR><LF>.<CR><LF>; a bare newline was sent\r\n"};
inline constexpr FixedReply storage_full{"452 4.3.1 Insufficient system storage\r\n"};
inline constexpr FixedReply mailbox_full{"452 4.2.2 Mailbox full\r\n"};
inline constexpr FixedReply local_error{"451 4.3.0 Local error in processing; try again later\r\n"};
inline constexpr FixedReply sink_unreachable{
    "451 4.4.1 Destination unreachable; try again later\r\n"};
inline constexpr FixedReply sink_refused{"554 5.0.0 Message refused by its destination\r\n"};
inline constexpr FixedReply commit_timeout{"451 4.3.0 Took too long to store; try again later\r\n"};

}  // namespace replies
}  // namespace gatepost::smtp
