#include "dialogue.hpp"

namespace gatepost::load {
namespace {

TEST(LoadSession, R5321_2_2_1_03_falls_back_to_HELO) {
  for (const char* refusal : {"500 what\r\n", "502 no\r\n", "504 no\r\n", "550 no\r\n"}) {
    Dialogue d;
    ASSERT_EQ(d.reply("220 old\r\n"), Step::send);
    ASSERT_EQ(d.sent(), "EHLO [127.0.0.1]\r\n");
    ASSERT_EQ(d.reply(refusal), Step::send);
    EXPECT_EQ(d.sent(), "HELO [127.0.0.1]\r\n");
    EXPECT_EQ(d.reply("250 old\r\n"), Step::ready);
    // R5321-4.1.1.3-02: nothing that was not offered.
    d.begin();
    EXPECT_EQ(d.sent(), "MAIL FROM:<a@example.org>\r\n");
  }
}

TEST(LoadSession, R5321_4_1_1_10_05_says_QUIT_and_waits_for_221_when_nothing_goes) {
  Dialogue d;
  ASSERT_EQ(d.reply("554 no service\r\n"), Step::send);
  EXPECT_EQ(d.sent(), "QUIT\r\n");
  EXPECT_EQ(d.reply("221 bye\r\n"), Step::over);
  EXPECT_EQ(d.session().end(), ClientSession::End::greeting_refused);

  Dialogue e;
  ASSERT_EQ(e.reply("220 mx\r\n"), Step::send);
  e.sent();
  ASSERT_EQ(e.reply("451 later\r\n"), Step::send);
  EXPECT_EQ(e.sent(), "QUIT\r\n") << "4yz to EHLO is no reason for HELO";
  EXPECT_EQ(e.reply("221 bye\r\n"), Step::over);
  EXPECT_EQ(e.session().end(), ClientSession::End::helo_refused);
}

TEST(LoadSession, R5321_4_3_1_01_waits_for_each_reply_without_PIPELINING) {
  Dialogue d;
  d.greet(no_extensions);
  d.begin({0, 2});
  EXPECT_EQ(d.sent(), "MAIL FROM:<a@example.org>\r\n");
  EXPECT_EQ(d.reply("250 ok\r\n"), Step::send);
  EXPECT_EQ(d.sent(), "RCPT TO:<u0@example.org>\r\n");
  EXPECT_EQ(d.reply("250 ok\r\n"), Step::send);
  EXPECT_EQ(d.sent(), "RCPT TO:<u2@example.org>\r\n");
  EXPECT_EQ(d.reply("250 ok\r\n"), Step::send);
  EXPECT_EQ(d.sent(), "DATA\r\n");
  EXPECT_FALSE(d.session().content_started());
  EXPECT_EQ(d.reply("354 go\r\n"), Step::send);
  EXPECT_FALSE(d.session().end_of_data_submitted());
  EXPECT_EQ(d.sent(), d.content(Form::stuffed) + ".\r\n");
  EXPECT_TRUE(d.session().end_of_data_submitted());
  EXPECT_EQ(d.reply("250 taken\r\n"), Step::finished);
  EXPECT_EQ(d.session().outcome(), Outcome::acknowledged);
  EXPECT_FALSE(d.session().in_message());
}

TEST(LoadSession, sends_one_group_with_PIPELINING) {
  Dialogue d;
  d.greet(all_extensions);
  d.begin({0, 1});
  std::string size = std::to_string(d.session().message().content.size);
  EXPECT_EQ(d.sent(), "MAIL FROM:<a@example.org> SIZE=" + size +
                          "\r\nRCPT TO:<u0@example.org>\r\nRCPT TO:<u1@example.org>\r\nDATA\r\n");
  EXPECT_EQ(d.reply("250 ok\r\n250 ok\r\n250 ok\r\n"), Step::wait);
  EXPECT_EQ(d.reply("354 go\r\n"), Step::send);
  d.sent();
  EXPECT_EQ(d.reply("250 taken\r\n"), Step::finished);
  EXPECT_EQ(d.session().outcome(), Outcome::acknowledged);
}

TEST(LoadSession, R5321_4_1_1_1_07_reads_keywords_in_any_case) {
  Dialogue d;
  d.greet("250-mx\r\n250-pipeLining\r\n250 sIzE\r\n");
  d.begin();
  std::string sent = d.sent();
  EXPECT_NE(sent.find(" SIZE="), std::string::npos);
  EXPECT_NE(sent.find("DATA\r\n"), std::string::npos);

  Dialogue e;
  e.greet("250-mx\r\n250-PIPELININGX\r\n250-{IPELINING\r\n250 XSIZE 5\r\n");
  e.begin();
  EXPECT_EQ(e.sent(), "MAIL FROM:<a@example.org>\r\n");
}

TEST(LoadSession, R5321_4_2_07_acts_on_the_first_digit) {
  Dialogue d;
  d.greet("299 mx\r\n");
  d.begin();
  d.sent();
  EXPECT_EQ(d.reply("298 fail? no\r\n"), Step::send);
  EXPECT_EQ(d.sent(), "RCPT TO:<u0@example.org>\r\n");
  EXPECT_EQ(d.reply("251 elsewhere\r\n"), Step::send);
  EXPECT_EQ(d.sent(), "DATA\r\n");
  EXPECT_EQ(d.reply("399 error 550\r\n"), Step::send);
  d.sent();
  EXPECT_EQ(d.reply("499 ok\r\n"), Step::finished);
  EXPECT_EQ(d.session().outcome(), Outcome::refused);
  EXPECT_EQ(d.session().refusal().code, 499);
}

TEST(LoadSession, R5321_3_3_13_sends_no_content_without_354) {
  Dialogue d;
  d.greet(all_extensions);
  d.begin();
  d.sent();
  EXPECT_EQ(d.reply("250 ok\r\n250 ok\r\n451 not now\r\n"), Step::send);
  EXPECT_EQ(d.sent(), "RSET\r\n");
  EXPECT_EQ(d.reply("250 ok\r\n"), Step::finished);
  EXPECT_EQ(d.session().outcome(), Outcome::refused);
  EXPECT_FALSE(d.session().content_started());
  EXPECT_FALSE(d.session().end_of_data_submitted());
  EXPECT_EQ(d.session().refusal().code, 451);
}

TEST(LoadSession, a_refused_MAIL_ends_the_message_and_not_the_session) {
  Dialogue d;
  d.greet(no_extensions);
  d.begin();
  d.sent();
  EXPECT_EQ(d.reply("552 5.3.4 too big\r\n"), Step::finished);
  EXPECT_EQ(d.session().outcome(), Outcome::refused);
  EXPECT_NE(d.session().refusal().text.find("552 5.3.4 too big (to MAIL)"), std::string::npos);
  d.begin();
  EXPECT_EQ(d.sent(), "MAIL FROM:<a@example.org>\r\n");
  EXPECT_EQ(d.session().outcome(), Outcome::none);
}

TEST(LoadSession, a_refused_MAIL_in_a_group_leaves_nothing_to_reset) {
  Dialogue d;
  d.greet(all_extensions);
  d.begin();
  d.sent();
  EXPECT_EQ(d.reply("451 no\r\n503 no\r\n"), Step::wait);
  EXPECT_EQ(d.reply("503 no\r\n"), Step::finished);
  EXPECT_EQ(d.session().refusal().code, 451);
}

TEST(LoadSession, goes_on_with_the_recipients_that_were_taken) {
  for (bool pipelining : {true, false}) {
    Dialogue d(0, false, pipelining);
    d.greet(all_extensions);
    d.begin({0, 1, 2});
    d.sent();
    if (pipelining) {
      d.reply("250 ok\r\n550 no\r\n250 ok\r\n452 no\r\n");
    } else {
      for (const char* reply : {"250 ok\r\n", "550 no\r\n", "250 ok\r\n", "452 no\r\n"}) {
        ASSERT_EQ(d.reply(reply), Step::send);
        d.sent();
      }
    }
    EXPECT_EQ(d.reply("354 go\r\n"), Step::send);
    d.sent();
    EXPECT_EQ(d.reply("250 ok\r\n"), Step::finished);
    EXPECT_EQ(d.session().outcome(), Outcome::acknowledged);
    EXPECT_EQ(d.session().message().recipients, std::vector<std::uint32_t>{1});
    EXPECT_EQ(d.session().recipients_refused(), 2u);
  }
}

// RFC 2920 §3.1: a server may take DATA of a group although it refused all recipients.
TEST(LoadSession, ends_a_354_for_nobody_with_a_lone_dot) {
  Dialogue d;
  d.greet(all_extensions);
  d.begin();
  d.sent();
  ASSERT_EQ(d.reply("250 ok\r\n550 no\r\n354 go\r\n"), Step::send);
  EXPECT_EQ(d.sent(), ".\r\n");
  EXPECT_FALSE(d.session().content_started());
  EXPECT_EQ(d.reply("250 ok\r\n"), Step::finished);
  EXPECT_EQ(d.session().outcome(), Outcome::refused) << "no recipient was taken";
}

TEST(LoadSession, all_recipients_refused_without_pipelining_is_RSET) {
  Dialogue d;
  d.greet(no_extensions);
  d.begin();
  d.sent();
  d.reply("250 ok\r\n");
  d.sent();
  ASSERT_EQ(d.reply("550 5.1.1 unknown\r\n"), Step::send);
  EXPECT_EQ(d.sent(), "RSET\r\n");
  EXPECT_EQ(d.reply("250 ok\r\n"), Step::finished);
  EXPECT_EQ(d.session().outcome(), Outcome::refused);
  EXPECT_NE(d.session().refusal().text.find("550 5.1.1 unknown (to RCPT)"), std::string::npos);
}

TEST(LoadSession, R5321_3_8_05_421_ends_the_session_in_every_state) {
  Dialogue greeting;
  EXPECT_EQ(greeting.reply("421 too many\r\n"), Step::over);
  EXPECT_EQ(greeting.session().end(), ClientSession::End::server_closing);

  Dialogue idle;
  idle.greet(no_extensions);
  EXPECT_EQ(idle.reply("421 timeout\r\n"), Step::over);

  Dialogue last;
  last.greet(all_extensions);
  last.begin();
  last.sent();
  last.reply("250 ok\r\n250 ok\r\n354 go\r\n");
  last.sent();
  EXPECT_EQ(last.reply("421 going\r\n"), Step::over);
  EXPECT_EQ(last.session().outcome(), Outcome::refused) << "answered, so not in doubt";
}

TEST(LoadSession, PIPE_12_a_reply_to_nothing_ends_the_session) {
  Dialogue d;
  d.greet(no_extensions);
  EXPECT_EQ(d.reply("250 hello again\r\n"), Step::over);
  EXPECT_EQ(d.session().end(), ClientSession::End::protocol);
}

}  // namespace
}  // namespace gatepost::load
