// The dialogue without sockets: what goes in, what comes out, however it is cut.

#include "smtp/session.hpp"

#include <gtest/gtest.h>

#include <string>

#include "session_harness.hpp"

namespace gatepost::smtp {
namespace {

using Fate = SeenMessage::Fate;
using Setting = Dialogue::Setting;

const std::string begin =
    "EHLO client.test\r\nMAIL FROM:<a@sender.test>\r\nRCPT TO:<u@mx.test>\r\n";
const std::string taken = "250 2.0.0 Ok: queued as 0123456789ABCDEF\r\n";
const std::string ready_for_data = "354 End data with <CR><LF>.<CR><LF>\r\n";

std::string repeated(std::string_view text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}
// What follows the replies to `begin`.
std::string after_begin(const Seen& seen) {
  constexpr std::string_view mark = "250 2.1.5 Ok\r\n";
  std::size_t at = seen.replies.find(mark);
  EXPECT_NE(at, std::string::npos) << seen.replies;
  return at == std::string::npos ? seen.replies : seen.replies.substr(at + mark.size());
}

// --- Order and state ---

TEST(Session, R5321_4_1_4_01_a_pipelined_transaction_is_answered_in_order) {
  const Seen seen = outcome(begin + "DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nNOOP\r\nQUIT\r\n");
  EXPECT_EQ(after_begin(seen),
            ready_for_data + taken + "250 2.0.0 Ok\r\n221 2.0.0 mx.test Bye\r\n");
  ASSERT_EQ(seen.messages.size(), 1u);
  EXPECT_EQ(seen.messages[0].content, "Subject: x\r\n\r\nbody\r\n");
  EXPECT_EQ(seen.messages[0].reverse_path, "a@sender.test");
  EXPECT_EQ(seen.messages[0].recipients, std::vector<std::string>{"u@mx.test"});
  EXPECT_EQ(seen.messages[0].fate, Fate::committed);
  EXPECT_TRUE(seen.closed);
}

TEST(Session, R5321_4_1_4_02_commands_out_of_order_are_503_and_change_nothing) {
  Dialogue d;
  EXPECT_EQ(d.ask("MAIL FROM:<a@b.test>\r\n"), "503 5.5.1 Send HELO or EHLO first\r\n");
  EXPECT_EQ(d.ask("RCPT TO:<u@mx.test>\r\nDATA\r\n"),
            repeated("503 5.5.1 Send HELO or EHLO first\r\n", 2));
  d.ask("EHLO c.test\r\n");
  EXPECT_EQ(d.ask("RCPT TO:<u@mx.test>\r\n"), "503 5.5.1 Need MAIL command\r\n");
  EXPECT_EQ(d.ask("MAIL FROM:<a@b.test>\r\nMAIL FROM:<c@d.test>\r\n"),
            "250 2.1.0 Ok\r\n503 5.5.1 Nested MAIL command\r\n");
  EXPECT_EQ(d.ask("DATA\r\n"), "503 5.5.1 Need RCPT command\r\n");
  EXPECT_EQ(d.ask("RCPT TO:<unknown@mx.test>\r\nDATA\r\n"),
            "550 5.1.1 Recipient address rejected: User unknown\r\n554 5.5.1 No valid "
            "recipients\r\n");
  EXPECT_EQ(d.ask("RCPT TO:<u@mx.test>\r\nDATA\r\n"), "250 2.1.5 Ok\r\n" + ready_for_data);
  EXPECT_EQ(d.ask("x\r\n.\r\n"), taken);
  EXPECT_EQ(d.message().reverse_path, "a@b.test");
}

TEST(Session, R5321_4_1_1_01_a_new_greeting_ends_the_transaction) {
  Dialogue d;
  d.give(begin);
  d.give("BDAT 3\r\nabc");
  EXPECT_EQ(d.message().fate, Fate::open);
  d.give("EHLO again.test\r\n");
  EXPECT_EQ(d.message().fate, Fate::aborted);
  EXPECT_FALSE(d.session().in_transaction());
  EXPECT_EQ(d.session().helo(), "again.test");
  d.said();
  EXPECT_EQ(d.ask("HELO\r\n"), "501 Syntax: EHLO domain or [address literal]\r\n");
  EXPECT_EQ(d.session().helo(), "again.test");
  EXPECT_EQ(d.ask("HELO plain.test\r\nMAIL FROM:<a@b.test> SIZE=10\r\n"),
            "250 mx.test\r\n555 5.5.4 Unsupported parameter\r\n");
  EXPECT_EQ(d.session().protocol(), "SMTP");
}

TEST(Session, R5321_3_1_04_a_refused_session_serves_quit_only) {
  Setting setting = Dialogue::relaxed();
  setting.peer.greeting = Greeting::refuse;
  Dialogue d(setting);
  EXPECT_EQ(d.greeting(), "554 mx.test No mail service for you here\r\n");
  // A reply to EHLO has no enhanced code.
  EXPECT_TRUE(d.ask("EHLO c.test\r\n").starts_with("503 "));
  EXPECT_EQ(d.ask("DATA x\r\nBDAT 5\r\nNOOP\n"),
            repeated("503 5.5.1 No SMTP service here; send QUIT\r\n", 2));
  EXPECT_EQ(d.ask("\r\nQUIT\r\n"),
            "503 5.5.1 No SMTP service here; send QUIT\r\n221 2.0.0 mx.test Bye\r\n");
  EXPECT_TRUE(d.seen().closed);
}

TEST(Session, R7504_2_01_no_mail_closes_with_521) {
  Setting setting = Dialogue::relaxed();
  setting.peer.greeting = Greeting::no_mail;
  Dialogue d(setting);
  EXPECT_EQ(d.greeting(), "521 mx.test No mail service for you here\r\n");
  EXPECT_TRUE(d.seen().closed);
}

TEST(Session, a_server_says_no_more_of_itself_than_it_is_told_to) {
  Setting setting = Dialogue::relaxed();
  setting.session.banner_text = "";
  setting.session.recipient_limit = 1'000'000;  // more digits than RFC 9422 lets a limit have
  Dialogue d(setting);
  EXPECT_EQ(d.greeting(), "220 mx.test\r\n");
  EXPECT_EQ(d.ask("EHLO c.test\r\n").find("LIMITS"), std::string::npos);
}

TEST(Session, UTF8_19_a_parameter_that_is_not_offered_is_unknown_whatever_the_address) {
  Setting setting = Dialogue::relaxed();
  setting.session.smtputf8 = false;
  Dialogue d(setting);
  d.give("EHLO c.test\r\n").said();
  EXPECT_EQ(d.ask("MAIL FROM:<\xc3\xa4@a.test> SMTPUTF8\r\n"), replies::unknown_parameter.wire);
  EXPECT_EQ(d.ask("MAIL FROM:<\xc3\xa4@a.test>\r\n"), replies::bad_octet.wire);
}

TEST(Session, BIN_02_binary_content_needs_chunks) {
  Setting setting = Dialogue::relaxed();
  setting.session.binarymime = true;
  setting.session.chunking = false;
  Dialogue d(setting);
  EXPECT_EQ(d.ask("EHLO c.test\r\n").find("BINARYMIME"), std::string::npos);
  EXPECT_EQ(d.ask("MAIL FROM:<a@a.test> BODY=BINARYMIME\r\n"), replies::unknown_parameter.wire);
}

TEST(Session, SMG_11_octets_before_their_time_close_the_session) {
  Setting strict = Dialogue::relaxed();
  strict.session.reject_early_talkers = true;
  Setting waiting = strict;
  waiting.octets_waiting = true;
  Dialogue early(waiting);
  EXPECT_TRUE(early.greeting().starts_with("554 mx.test "));
  EXPECT_TRUE(early.seen().closed);

  Dialogue behind_ehlo(strict);
  EXPECT_TRUE(behind_ehlo.ask("EHLO c.test\r\nNOOP\r\n").starts_with("554 mx.test "));
  EXPECT_TRUE(behind_ehlo.seen().closed);

  Dialogue behind_data(strict);
  behind_data.give("EHLO c.test\r\n").give("MAIL FROM:<>\r\nRCPT TO:<u@mx.test>\r\n").said();
  EXPECT_EQ(behind_data.ask("DATA\r\nx"), replies::sync_error.wire);
  EXPECT_TRUE(behind_data.seen().closed);
  EXPECT_TRUE(behind_data.seen().messages.empty());

  // Octets in a further buffer count like those in this one.
  Dialogue in_next_buffer(strict);
  EXPECT_TRUE(in_next_buffer.give("EHLO c.test\r\n", true).said().starts_with("554 mx.test "));
}

// --- Command lines ---

TEST(Session, SMG_06_only_crlf_ends_a_command_line) {
  const std::string bare(replies::bare_newline_in_command.wire);
  const std::string ok = "250 2.0.0 Ok\r\n";
  EXPECT_EQ(outcome("NOOP\nNOOP\r\nNOOP\r\n").replies, bare + ok);
  EXPECT_EQ(outcome("NOOP\rNOOP\r\nNOOP\r\n").replies, bare + ok);
  EXPECT_EQ(outcome("NOOP\r\r\nNOOP\r\n").replies, bare + ok);
  EXPECT_EQ(outcome("NOOP\nNOOP\n").replies, "");
  const std::string bad_octet(replies::bad_octet.wire);
  EXPECT_EQ(outcome(std::string("NO\0OP\r\nNOOP\r\n", 14)).replies.substr(bad_octet.size()), ok);
  EXPECT_EQ(outcome("NOOP \x80\r\nNOOP\r\n").replies, bad_octet + ok);
}

TEST(Session, D06_a_long_line_is_one_error_and_an_endless_one_the_end) {
  auto line_of = [](std::size_t size) { return "NOOP " + std::string(size - 7, 'x') + "\r\n"; };
  auto replies_to = [](const std::string& octets) {
    Setting setting = Dialogue::relaxed();
    const Seen whole = Dialogue(setting).give(octets).end();
    for (std::size_t piece : {1u, 7u, 1000u, 4095u, 4096u, 4097u, 65535u}) {
      Dialogue d(setting);
      for (std::size_t at = 0; at < octets.size(); at += piece)
        d.give(std::string_view(octets).substr(at, piece));
      EXPECT_EQ(d.end(), whole) << "pieces of " << piece;
    }
    return whole.replies;
  };
  const std::string ok = "250 2.0.0 Ok\r\n";
  const std::string long_line(replies::line_too_long.wire);
  EXPECT_EQ(replies_to(line_of(4096) + "NOOP\r\n"), ok + ok);
  EXPECT_EQ(replies_to(line_of(4097) + "NOOP\r\n"), long_line + ok);
  EXPECT_EQ(replies_to(line_of(65536) + "NOOP\r\n"), long_line + ok);
  EXPECT_EQ(replies_to(line_of(65537) + "NOOP\r\n"),
            "421 4.7.0 mx.test Error: line without end\r\n");
  // A CR at the very end of what was read may be half a line end, or none.
  const std::string cut = "NOOP " + std::string(4095, 'x') + "\r";
  EXPECT_EQ(replies_to(cut + "\nNOOP\r\n"), long_line + ok);
  EXPECT_EQ(replies_to(cut + "NOOP\r\nNOOP\r\n"), long_line + ok);
  EXPECT_EQ(replies_to(std::string(70000, 'x')), "421 4.7.0 mx.test Error: line without end\r\n");
}

TEST(Session, D11_a_tls_handshake_ends_the_session_before_any_line_end) {
  const std::string hello("\x16\x03\x01\x02\x00\x01", 6);
  const Seen seen = outcome(hello);
  EXPECT_EQ(seen.replies, "421 4.7.0 mx.test Error: this is not SMTP\r\n");
  EXPECT_TRUE(seen.closed);
}

TEST(Session, D09_D10_http_and_header_fields_run_nothing) {
  for (const char* line : {"GET / HTTP/1.1\r\n", "Subject: hello\r\n"}) {
    const Seen seen = outcome(line + begin);
    EXPECT_EQ(seen.replies, "421 4.7.0 mx.test Error: this is not SMTP\r\n") << line;
    EXPECT_TRUE(seen.closed);
  }
}

TEST(Session, BDAT_15_a_bdat_line_with_bad_octets_never_runs_its_payload) {
  const Seen seen = outcome(begin + "BDAT 6\r LAST\r\nRSET\r\nNOOP\r\n");
  EXPECT_EQ(after_begin(seen), replies::bare_newline_in_command.wire);
  EXPECT_TRUE(seen.closed);
}

// --- Errors ---

TEST(Session, SMG_13_errors_are_delayed_and_the_limit_ends_the_session) {
  const Seen seen = outcome(repeated("BAD\r\n", 25));
  EXPECT_EQ(seen.replies, repeated(replies::unknown_command.wire, 20) +
                              "421 4.7.0 mx.test Error: too many errors\r\n");
  EXPECT_EQ(seen.sleeps, 10u);
  EXPECT_TRUE(seen.closed);
}

TEST(Session, SMG_13_a_taken_message_forgives_errors) {
  const std::string message = "MAIL FROM:<>\r\nRCPT TO:<u@mx.test>\r\nDATA\r\n.\r\n";
  Dialogue d;
  d.give("EHLO c.test\r\n" + repeated("BAD\r\n", 19) + message);
  EXPECT_EQ(d.session().errors(), 0u);
  d.give(repeated("BAD\r\n", 20)).said();
  EXPECT_FALSE(d.seen().closed);
  EXPECT_EQ(d.ask("NOOP\r\n"), "421 4.7.0 mx.test Error: too many errors\r\n");
}

TEST(Session, SMG_13_refusals_at_the_end_of_data_are_no_errors) {
  Setting setting = Dialogue::relaxed();
  setting.commit_refusal = &replies::sink_refused;
  Dialogue d(setting);
  d.give("EHLO c.test\r\n" + repeated("MAIL FROM:<>\r\nRCPT TO:<u@mx.test>\r\nDATA\r\n.\r\n", 30));
  EXPECT_EQ(d.session().errors(), 0u);
  EXPECT_EQ(d.seen().sleeps, 0u);
}

TEST(Session, SMG_13_junk_counts_from_the_hundred_and_first_on) {
  Dialogue d;
  d.give("EHLO c.test\r\n" + repeated("NOOP\r\n", 100));
  EXPECT_EQ(d.session().errors(), 0u);
  d.give("NOOP\r\n");
  EXPECT_EQ(d.session().errors(), 1u);
  d.give(repeated("NOOP\r\n", 19)).said();
  EXPECT_EQ(d.ask("NOOP\r\n"), "421 4.7.0 mx.test Error: too many errors\r\n");
}

TEST(Session, BDAT_17_empty_chunks_are_junk_and_small_ones_are_not) {
  Dialogue small;
  small.give(begin + repeated("BDAT 1\r\nx", 300));
  EXPECT_EQ(small.session().errors(), 0u);
  Dialogue empty;
  empty.give(begin + repeated("BDAT 0\r\n", 1000));
  EXPECT_TRUE(empty.seen().closed);
  EXPECT_EQ(empty.end().messages.at(0).fate, Fate::aborted);
}

TEST(Session, R5321_4_5_3_1_10_01_recipients_over_the_limit_get_452_and_the_others_stay) {
  Setting setting = Dialogue::relaxed();
  setting.session.recipient_limit = 100;
  setting.session.recipient_overshoot_limit = 50;
  std::string octets = "EHLO c.test\r\nMAIL FROM:<>\r\n";
  for (int i = 0; i < 150; ++i) octets += "RCPT TO:<u" + std::to_string(i) + "@mx.test>\r\n";
  Dialogue d(setting);
  d.give(octets);
  EXPECT_EQ(d.session().errors(), 0u);
  d.said();
  EXPECT_EQ(d.ask("RCPT TO:<more@mx.test>\r\n"), replies::too_many_recipients.wire);
  EXPECT_EQ(d.session().errors(), 1u);
  EXPECT_EQ(d.ask("DATA\r\nx\r\n.\r\n"), ready_for_data + taken);
  EXPECT_EQ(d.message().recipients.size(), 100u);
}

TEST(Session, the_envelope_budget_gives_452) {
  Setting setting = Dialogue::relaxed();
  setting.envelope_budget_bytes = 3000;
  Dialogue d(setting);
  d.give("EHLO c.test\r\nMAIL FROM:<>\r\n").said();
  std::string last;
  std::size_t accepted = 0;
  for (int i = 0; i < 1000; ++i) {
    last = d.ask("RCPT TO:<user" + std::to_string(i) + "@mx.test>\r\n");
    if (last == replies::rcpt_ok.wire) ++accepted;
  }
  EXPECT_EQ(last, replies::too_much_envelope.wire);
  EXPECT_GE(accepted, 100u);
  EXPECT_EQ(d.ask("DATA\r\n.\r\n"), ready_for_data + taken);
  EXPECT_EQ(d.message().recipients.size(), accepted);
}

// RFC 5321 §4.1.2: it is no field, so that it would continue the one above it, which is our own.
TEST(Session, R5321_4_4_22_content_that_begins_with_white_space_does_not_continue_the_trace) {
  for (const std::string first : {" x", "\tx", ". x"}) {
    const Seen seen = outcome(begin + "DATA\r\n" + first + "\r\nReturn-Path: <f@x>\r\n.\r\n");
    ASSERT_EQ(seen.messages.size(), 1u);
    EXPECT_EQ(seen.messages[0].content,
              "\r\n" + first.substr(first[0] == '.' ? 1 : 0) + "\r\nReturn-Path: <f@x>\r\n");
  }
  const Seen chunk = outcome(begin + "BDAT 4 LAST\r\n x\r\n");
  ASSERT_EQ(chunk.messages.size(), 1u);
  EXPECT_EQ(chunk.messages[0].content, "\r\n x\r\n");
}

// --- DATA ---

TEST(Session, R5321_4_5_2_01_dots_are_unstuffed_and_trailing_commands_run) {
  const Seen seen = outcome(begin + "DATA\r\n..\r\n.a\r\nb.\r\n...\r\n.\r\nNOOP\r\n");
  EXPECT_EQ(after_begin(seen), ready_for_data + taken + "250 2.0.0 Ok\r\n");
  EXPECT_EQ(seen.messages[0].content, ".\r\na\r\nb.\r\n..\r\n");
}

TEST(Session, content_for_maildirs_has_lf_line_ends) {
  Setting setting = Dialogue::relaxed();
  setting.style.line_end = scan::LineEnd::lf;
  const Seen seen = outcome(begin + "DATA\r\nA: b\r\n\r\n..x\r\n\r\n.\r\n", setting);
  EXPECT_EQ(seen.messages[0].content, "A: b\n\n.x\n\n");
}

TEST(Session, SMG_02_SMG_12_bare_newlines_are_read_to_the_end_and_refused) {
  for (const char* content : {"a\nb\r\n", "a\rb\r\n", "a\n.\nMAIL FROM:<x@y.test>\r\n", "a\r.\r\n",
                              "\n.\r\n", "a\r\n.\nb\r\n"}) {
    const Seen seen = outcome(begin + "DATA\r\n" + content + "\r\n.\r\nNOOP\r\n");
    EXPECT_EQ(
        after_begin(seen),
        ready_for_data + std::string(replies::bare_newline_in_content.wire) + "250 2.0.0 Ok\r\n")
        << content;
    EXPECT_EQ(seen.messages.at(0).fate, Fate::aborted);
  }
}

TEST(Session, SMG_03_normalised_newlines_end_lines_and_lone_dots_go) {
  Setting setting = Dialogue::relaxed();
  setting.peer.bare_newline = scan::BareNewline::normalize;
  const Seen seen = outcome(begin + "DATA\r\na\nb\rc\n.\nMAIL\r\n.\r\n", setting);
  EXPECT_EQ(after_begin(seen), ready_for_data + taken);
  EXPECT_EQ(seen.messages[0].content, "a\r\nb c\r\n\r\nMAIL\r\n");
}

TEST(Session, SMG_04_a_peer_that_waits_after_a_bare_dot_line_is_told_why) {
  Dialogue d;
  d.give(begin + "DATA\r\nx\n.\n").said();
  EXPECT_TRUE(d.session().after_bare_dot_line());
  d.run(d.session().timed_out());
  EXPECT_EQ(d.said(), replies::bare_dot_wait.wire);
  EXPECT_TRUE(d.seen().closed);
}

TEST(Session, SIZE_11_exactly_the_limit_is_taken_and_one_octet_more_is_not) {
  Setting setting = Dialogue::relaxed();
  setting.session.message_size_limit = 20;
  // 20 octets of content; the stuffed dots and the final one do not count (RFC 1870 §3).
  const Seen fits = outcome(begin + "DATA\r\n..123456\r\n.abcdefg\r\n\r\n.\r\nNOOP\r\n", setting);
  EXPECT_EQ(fits.messages[0].content.size(), 20u);
  EXPECT_EQ(after_begin(fits), ready_for_data + taken + "250 2.0.0 Ok\r\n");
  const Seen over = outcome(begin + "DATA\r\n..123456\r\n.abcdefgh\r\n\r\n.\r\nNOOP\r\n", setting);
  EXPECT_EQ(after_begin(over),
            ready_for_data + std::string(replies::size_over_limit.wire) + "250 2.0.0 Ok\r\n");
  EXPECT_EQ(over.messages[0].fate, Fate::aborted);
  // Line ends count as two octets, however the sink wants them.
  setting.style.line_end = scan::LineEnd::lf;
  EXPECT_EQ(outcome(begin + "DATA\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n.\r\n", setting)
                .messages[0]
                .fate,
            Fate::committed);
  EXPECT_EQ(outcome(begin + "DATA\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n.\r\n", setting)
                .messages[0]
                .fate,
            Fate::aborted);
}

TEST(Session, SIZE_12_content_far_over_the_limit_ends_the_session) {
  Setting setting = Dialogue::relaxed();
  setting.session.message_size_limit = 20;
  Dialogue d(setting);
  d.give(begin + "DATA\r\n" + std::string(200, 'x')).said();
  EXPECT_FALSE(d.seen().closed);
  EXPECT_EQ(d.ask("x"), replies::size_over_limit.wire);
  EXPECT_TRUE(d.seen().closed);
}

TEST(Session, SIZE_12_SMG_10_the_reason_that_is_told_does_not_depend_on_what_came_first) {
  Setting setting = Dialogue::relaxed();
  setting.session.message_size_limit = 20;
  const std::string long_first = std::string(30, 'x') + "\r\na\nb\r\n.\r\n";
  const std::string bare_first = "a\nb\r\n" + std::string(30, 'x') + "\r\n.\r\n";
  for (const std::string& content : {long_first, bare_first}) {
    Dialogue d(setting);
    d.give(begin + "DATA\r\n").said();
    d.give_bytes(content);
    EXPECT_EQ(d.said(), replies::bare_newline_in_content.wire) << content;
  }
}

TEST(Session, R5321_6_3_01_received_fields_over_the_limit_are_a_loop) {
  Setting setting = Dialogue::relaxed();
  setting.session.hopcount_limit = 3;
  const std::string hop = "Received: by a\r\n b\r\n";
  const Seen three = outcome(begin + "DATA\r\n" + repeated(hop, 3) + "\r\n.\r\n", setting);
  EXPECT_EQ(after_begin(three), ready_for_data + taken);
  const Seen four = outcome(begin + "DATA\r\n" + repeated(hop, 4) + "\r\n.\r\n", setting);
  EXPECT_EQ(after_begin(four), ready_for_data + std::string(replies::mail_loop.wire));
  EXPECT_EQ(four.messages[0].fate, Fate::aborted);
  // Not in the body.
  const Seen body = outcome(begin + "DATA\r\n\r\n" + repeated(hop, 4) + ".\r\n", setting);
  EXPECT_EQ(after_begin(body), ready_for_data + taken);
}

TEST(Session, a_header_section_over_its_limit_is_refused) {
  Setting setting = Dialogue::relaxed();
  setting.session.header_size_limit = 24;
  for (scan::LineEnd line_end : {scan::LineEnd::crlf, scan::LineEnd::lf}) {
    setting.style.line_end = line_end;
    const Seen fits =
        outcome(begin + "DATA\r\nA: 3456789\r\nB: 3456789\r\n\r\nbody\r\n.\r\n", setting);
    EXPECT_EQ(after_begin(fits), ready_for_data + taken);
    const Seen over =
        outcome(begin + "DATA\r\nA: 3456789\r\nB: 34567890\r\n\r\nbody\r\n.\r\n", setting);
    EXPECT_EQ(after_begin(over), ready_for_data + std::string(replies::header_too_big.wire));
  }
}

TEST(Session, R5321_4_4_14_return_path_fields_are_dropped_wherever_they_are_cut) {
  Setting setting = Dialogue::relaxed();
  setting.style.drop_return_path = true;
  const Seen seen =
      outcome(begin +
                  "DATA\r\nReturn-Path: <a@b>\r\nRETURN-path :\r\n <c>\r\nReturn-Pat: "
                  "x\r\nReturn-Path\r\n\r\nReturn-Path: y\r\n.\r\n",
              setting);
  EXPECT_EQ(after_begin(seen), ready_for_data + taken);
  EXPECT_EQ(seen.messages[0].content, "Return-Pat: x\r\nReturn-Path\r\n\r\nReturn-Path: y\r\n");
  // What is held when the content ends is content.
  const Seen held = outcome(begin + "DATA\r\nA: b\r\nReturn-P\r\n.\r\n", setting);
  EXPECT_EQ(held.messages[0].content, "A: b\r\nReturn-P\r\n");
  const Seen chunk = outcome(begin + "BDAT 8 LAST\r\nReturn-P", setting);
  EXPECT_EQ(chunk.messages[0].content, "Return-P");
  setting.style.drop_return_path = false;
  const Seen kept = outcome(begin + "DATA\r\nReturn-Path: <a@b>\r\n.\r\n", setting);
  EXPECT_EQ(kept.messages[0].content, "Return-Path: <a@b>\r\n");
}

TEST(Session, held_octets_go_with_their_aborted_message) {
  Setting setting = Dialogue::relaxed();
  setting.style.drop_return_path = true;
  Dialogue d(setting);
  d.give(begin + "BDAT 8\r\nReturn-P").give("RSET\r\n");
  EXPECT_EQ(d.message().fate, Fate::aborted);
  EXPECT_EQ(d.message().content, "");
  d.give("MAIL FROM:<>\r\nRCPT TO:<u@mx.test>\r\nDATA\r\nath: x\r\n.\r\n");
  EXPECT_EQ(d.message(1).content, "ath: x\r\n");
}

// --- Commit ---

TEST(Session, a_commit_that_is_refused_is_the_answer_and_the_session_goes_on) {
  Setting setting = Dialogue::relaxed();
  setting.commit_refusal = &replies::storage_full;
  const Seen seen = outcome(begin + "DATA\r\nx\r\n.\r\nMAIL FROM:<>\r\n", setting);
  EXPECT_EQ(after_begin(seen),
            ready_for_data + std::string(replies::storage_full.wire) + "250 2.1.0 Ok\r\n");
}

TEST(Session, nothing_runs_while_a_commit_is_pending) {
  Dialogue d;
  d.commit_later = true;
  d.give(begin + "DATA\r\nx\r\n.\r\nQUIT\r\n");
  EXPECT_TRUE(d.session().awaits_commit());
  EXPECT_FALSE(d.session().at_rest());
  d.said();
  d.answer_commit(nullptr);
  EXPECT_EQ(d.said(), taken + "221 2.0.0 mx.test Bye\r\n");
}

TEST(Session, a_session_that_ends_while_a_commit_is_pending_aborts_it) {
  Dialogue d;
  d.commit_later = true;
  d.give(begin + "DATA\r\nx\r\n.\r\n");
  EXPECT_EQ(d.end().messages.at(0).fate, Fate::aborted);
}

TEST(Session, a_message_that_cannot_be_opened_is_refused_at_data) {
  Setting setting = Dialogue::relaxed();
  setting.open_refusal = &replies::local_error;
  const Seen seen = outcome(begin + "DATA\r\nRSET\r\n", setting);
  EXPECT_EQ(after_begin(seen), std::string(replies::local_error.wire) + "250 2.0.0 Ok\r\n");
  EXPECT_TRUE(seen.messages.empty());
}

TEST(Session, a_sender_that_the_sink_refuses_leaves_no_transaction) {
  Setting setting = Dialogue::relaxed();
  setting.mail_refusal = &replies::storage_full;
  const Seen seen =
      outcome("EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<u@mx.test>\r\nDATA\r\n", setting);
  EXPECT_TRUE(seen.replies.ends_with(std::string(replies::storage_full.wire) +
                                     repeated(replies::need_mail.wire, 2)))
      << seen.replies;
}

// --- BDAT ---

const std::string chunk_ok = "250 2.0.0 Ok: chunk received\r\n";
const std::string swallowed_503 = "503 5.5.1 Need MAIL command\r\n";

TEST(Session, BDAT_01_03_04_12_chunks_make_one_message_however_they_cut_it) {
  const Seen seen = outcome(begin + "BDAT 5\r\na\r\n.\rBDAT 4\r\n\nb\r\nBDAT 0 LAST\r\nNOOP\r\n");
  EXPECT_EQ(after_begin(seen), chunk_ok + chunk_ok + taken + "250 2.0.0 Ok\r\n");
  EXPECT_EQ(seen.messages[0].content, "a\r\n.\r\nb\r\n");
  Setting lf = Dialogue::relaxed();
  lf.style.line_end = scan::LineEnd::lf;
  EXPECT_EQ(outcome(begin + "BDAT 2\r\na\rBDAT 2 LAST\r\n\nb", lf).messages[0].content, "a\nb");
}

TEST(Session, B01_data_between_chunks_is_503) {
  const Seen seen = outcome(begin + "BDAT 3\r\nabcDATA\r\nRCPT TO:<v@mx.test>\r\nBDAT 0 LAST\r\n");
  EXPECT_EQ(after_begin(seen), chunk_ok + repeated(replies::chunks_running.wire, 2) + taken);
}

TEST(Session, B02_B03_a_refused_chunk_is_swallowed) {
  const Seen no_mail = outcome("EHLO c.test\r\nBDAT 12\r\nNOOP\r\nRSET\r\nNOOP\r\n");
  EXPECT_TRUE(no_mail.replies.ends_with("HELP\r\n" + swallowed_503 + "250 2.0.0 Ok\r\n"));
  const Seen before_greeting = outcome("BDAT 6\r\nNOOP\r\nNOOP\r\n");
  EXPECT_EQ(before_greeting.replies, "503 5.5.1 Send HELO or EHLO first\r\n250 2.0.0 Ok\r\n");
  const Seen all_refused = outcome(
      "EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<unknown@mx.test>\r\nBDAT 5 LAST\r\nx\r\n."
      "\rNOOP\r\nMAIL FROM:<>\r\n");
  EXPECT_TRUE(all_refused.replies.ends_with(std::string(replies::no_valid_recipients.wire) +
                                            "250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n"))
      << all_refused.replies;
}

TEST(Session, B04_an_end_of_data_in_a_chunk_is_content) {
  const Seen seen = outcome(begin + "BDAT 13 LAST\r\na\r\n.\r\nQUIT\r\nNOOP\r\n");
  EXPECT_EQ(after_begin(seen), taken + "500 5.5.2 Command unrecognized\r\n");
  EXPECT_EQ(seen.messages[0].content, "a\r\n.\r\nQUIT\r\nN");
}

TEST(Session, B06_a_chunk_that_stays_short_is_not_a_message) {
  Dialogue d;
  d.give(begin + "BDAT 10 LAST\r\nabcd").said();
  d.run(d.session().timed_out());
  EXPECT_EQ(d.said(), "421 4.4.2 mx.test Error: timeout exceeded\r\n");
  EXPECT_EQ(d.end().messages.at(0).fate, Fate::aborted);
}

TEST(Session, B07_B08_a_chunk_of_unknown_length_ends_the_session) {
  for (const char* line : {"BDAT 99999999999999999999 LAST\r\n", "BDAT -1\r\n", "BDAT 0x10\r\n",
                           "BDAT\r\n", "BDAT 3 FIRST\r\n", "BDAT 9223372036854775808\r\n"}) {
    const Seen seen = outcome(begin + line + "NOOP\r\n");
    EXPECT_EQ(after_begin(seen), replies::bdat_length_unknown.wire) << line;
    EXPECT_TRUE(seen.closed);
  }
}

TEST(Session, BDAT_16_chunks_over_the_limit) {
  Setting setting = Dialogue::relaxed();
  setting.session.message_size_limit = 10;
  const Seen exact = outcome(begin + "BDAT 5\r\n12345BDAT 5 LAST\r\n12345", setting);
  EXPECT_EQ(after_begin(exact), chunk_ok + taken);
  // B12: the later chunks are swallowed, too.
  const Seen over = outcome(
      begin + "BDAT 5\r\n12345BDAT 6\r\n123456BDAT 6\r\nNOOP\r\nBDAT 6 LAST\r\nNOOP\r\nRSET\r\n",
      setting);
  EXPECT_EQ(after_begin(over), chunk_ok + std::string(replies::size_over_limit.wire) +
                                   repeated(replies::chunks_failed.wire, 2) + "250 2.0.0 Ok\r\n");
  EXPECT_EQ(over.messages[0].fate, Fate::aborted);
  const Seen far = outcome(begin + "BDAT 101\r\nNOOP\r\n", setting);
  EXPECT_EQ(after_begin(far), replies::size_over_limit.wire);
  EXPECT_TRUE(far.closed);
}

TEST(Session, BDAT_08_BDAT_11_rset_between_chunks_drops_them) {
  const Seen seen = outcome(begin +
                            "BDAT 3\r\nabcRSET\r\nMAIL FROM:<>\r\nRCPT TO:<u@mx.test>\r\n"
                            "BDAT 3 LAST\r\ndef");
  EXPECT_EQ(after_begin(seen),
            chunk_ok + "250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n" + taken);
  ASSERT_EQ(seen.messages.size(), 2u);
  EXPECT_EQ(seen.messages[0].fate, Fate::aborted);
  EXPECT_EQ(seen.messages[1].content, "def");
}

TEST(Session, B10_BDAT_18_bare_newlines_in_chunks_are_refused_at_the_last) {
  const Seen seen = outcome(begin + "BDAT 3\r\na\nbBDAT 3\r\n\r\n.BDAT 2 LAST\r\n\r\n");
  EXPECT_EQ(after_begin(seen),
            chunk_ok + chunk_ok + std::string(replies::bare_newline_in_content.wire));
  EXPECT_EQ(seen.messages[0].fate, Fate::aborted);
  // A CR as the very last octet can't be followed by anything.
  const Seen last_cr = outcome(begin + "BDAT 2\r\na\rBDAT 0 LAST\r\n");
  EXPECT_EQ(after_begin(last_cr), chunk_ok + std::string(replies::bare_newline_in_content.wire));
}

TEST(Session, B11_BDAT_05_a_chunk_behind_the_last_is_503) {
  const Seen seen = outcome(begin + "BDAT 3\r\nabcBDAT 3 LAST\r\ndefBDAT 3\r\nghiNOOP\r\n");
  EXPECT_EQ(after_begin(seen), chunk_ok + taken + swallowed_503 + "250 2.0.0 Ok\r\n");
}

TEST(Session, B13_BIN_02_binary_content) {
  const Seen refused = outcome("EHLO c.test\r\nMAIL FROM:<> BODY=BINARYMIME\r\n");
  EXPECT_TRUE(refused.replies.ends_with("555 5.5.4 Unsupported parameter\r\n"));
  Setting setting = Dialogue::relaxed();
  setting.session.binarymime = true;
  const std::string octets("\0\r\n.\n\r\xff", 7);
  const Seen seen = outcome(
      "EHLO c.test\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<u@mx.test>\r\nDATA\r\nBDAT 7 "
      "LAST\r\n" +
          octets,
      setting);
  EXPECT_TRUE(seen.replies.ends_with(std::string(replies::binary_needs_bdat.wire) + taken));
  EXPECT_EQ(seen.messages[0].content, octets);
}

TEST(Session, BDAT_20_without_chunking_a_chunk_ends_the_session) {
  Setting setting = Dialogue::relaxed();
  setting.session.chunking = false;
  const Seen seen = outcome(begin + "BDAT 6\r\nNOOP\r\n", setting);
  EXPECT_EQ(after_begin(seen), replies::not_implemented.wire);
  EXPECT_TRUE(seen.closed);
}

TEST(Session, BDAT_06_a_chunk_that_the_sink_does_not_open_is_swallowed) {
  Setting setting = Dialogue::relaxed();
  setting.open_refusal = &replies::storage_full;
  const Seen seen =
      outcome(begin + "BDAT 6\r\nNOOP\r\nBDAT 6 LAST\r\nNOOP\r\nMAIL FROM:<>\r\n", setting);
  EXPECT_EQ(after_begin(seen), std::string(replies::storage_full.wire) +
                                   std::string(replies::chunks_failed.wire) + "250 2.1.0 Ok\r\n");
}

TEST(Session, SIZE_limits_the_largest_possible_counts_do_not_overflow) {
  Setting setting = Dialogue::relaxed();
  setting.session.message_size_limit = INT64_MAX;
  Dialogue d(setting);
  d.give(begin + "BDAT 9223372036854775807\r\nabc");
  EXPECT_FALSE(d.seen().closed);
  EXPECT_TRUE(d.session().in_content());
  EXPECT_EQ(d.message().content, "abc");
}

// --- Drain, end ---

TEST(Session, replies_that_find_no_room_stop_the_work_until_they_are_sent) {
  Setting setting = Dialogue::relaxed();
  setting.room_for_replies = false;
  Dialogue d(setting);
  d.give("NOOP\r\nNOOP\r\n");
  const std::vector<Event> expected{Event::need_input, Event::drain, Event::drain, Event::drain,
                                    Event::need_input};
  EXPECT_EQ(d.events(), expected);
  EXPECT_EQ(d.said(), "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n");
}

TEST(Session, shut_down_and_time_out_say_why_in_every_phase) {
  const std::string shutdown = "421 4.3.2 mx.test Service shutting down\r\n";
  const std::string timeout = "421 4.4.2 mx.test Error: timeout exceeded\r\n";
  const std::string phases[] = {"",
                                "EHLO c.test\r\n",
                                "EHLO c.te",
                                std::string(5000, 'x'),
                                begin,
                                begin + "DATA\r\nSubject: x\r\n",
                                begin + "DATA\r\nx\r\n.",
                                begin + "BDAT 10\r\nabc",
                                begin + "BDAT 3\r\nabc",
                                "BDAT 10\r\nabc"};
  for (const std::string& octets : phases) {
    Dialogue down;
    down.give(octets).said();
    down.run(down.session().shut_down());
    EXPECT_EQ(down.said(), shutdown) << octets;
    EXPECT_EQ(down.session().shut_down(), Event::close);
    EXPECT_EQ(down.said(), "") << octets;
    for (const SeenMessage& message : down.end().messages) EXPECT_EQ(message.fate, Fate::aborted);

    Dialogue late;
    late.give(octets).said();
    late.run(late.session().timed_out());
    EXPECT_EQ(late.said(), timeout) << octets;
    EXPECT_EQ(late.session().timed_out(), Event::close);
    EXPECT_EQ(late.said(), "");
    for (const SeenMessage& message : late.end().messages) EXPECT_EQ(message.fate, Fate::aborted);
  }
}

TEST(Session, at_rest_is_between_transactions_only) {
  Dialogue d;
  EXPECT_TRUE(d.session().at_rest());
  d.give("EHL");
  EXPECT_FALSE(d.session().at_rest());
  d.give("O c.test\r\n");
  EXPECT_TRUE(d.session().at_rest());
  d.give("MAIL FROM:<>\r\n");
  EXPECT_FALSE(d.session().at_rest());
  d.give("RSET\r\nBDAT 3\r\na");
  EXPECT_FALSE(d.session().at_rest());
  d.give("bc");
  EXPECT_TRUE(d.session().at_rest());
}

TEST(Session, after_the_end_nothing_is_said_or_taken) {
  Dialogue d;
  d.give("QUIT\r\n").said();
  std::uint8_t octets[] = {'N', 'O', 'O', 'P', '\r', '\n'};
  std::span<std::uint8_t> input = octets;
  EXPECT_EQ(d.session().next(input, false), Event::close);
  EXPECT_EQ(input.size(), 6u);
  EXPECT_EQ(d.said(), "");
}

}  // namespace
}  // namespace gatepost::smtp
