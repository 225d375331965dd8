// Chunked content, and clients that do not end theirs.
#include "dialogue.hpp"

namespace gatepost::load {
namespace {

// The content out of a series of BDAT chunks; counts them.
std::string unchunked(std::string_view octets, std::size_t& chunks, bool& last) {
  std::string content;
  chunks = 0;
  last = false;
  while (!octets.empty()) {
    EXPECT_FALSE(last) << "nothing may follow LAST";
    EXPECT_TRUE(octets.starts_with("BDAT "));
    auto end = octets.find("\r\n");
    std::string command(octets.substr(5, end - 5));
    octets.remove_prefix(end + 2);
    last = command.ends_with(" LAST");
    std::size_t size = std::stoul(command);
    EXPECT_LE(size, octets.size());
    content += octets.substr(0, size);
    octets.remove_prefix(size);
    ++chunks;
  }
  return content;
}

TEST(LoadSession, BDAT_sends_all_chunks_at_once_with_PIPELINING) {
  for (std::uint64_t chunk_size : {0u, 1u, 7u, 999u, 1000u, 1001u}) {
    Dialogue d(chunk_size, true);
    d.greet(all_extensions);
    d.begin();
    EXPECT_EQ(d.sent().find("DATA"), std::string::npos);
    ASSERT_EQ(d.reply("250 ok\r\n250 ok\r\n"), Step::send);
    std::size_t chunks = 0;
    bool last = false;
    EXPECT_EQ(unchunked(d.sent(), chunks, last), d.content(Form::plain));
    EXPECT_TRUE(last);
    EXPECT_TRUE(d.session().end_of_data_submitted());
    EXPECT_EQ(chunks, chunk_size == 0 ? 1 : (1000 + chunk_size - 1) / chunk_size);
    for (std::size_t i = 1; i < chunks; ++i) {
      ASSERT_TRUE(d.session().takes_replies_while_sending());
      ASSERT_EQ(d.reply("250 more\r\n"), Step::wait);
    }
    EXPECT_FALSE(d.session().takes_replies_while_sending());
    EXPECT_EQ(d.reply("250 taken\r\n"), Step::finished);
    EXPECT_EQ(d.session().outcome(), Outcome::acknowledged);
  }
}

TEST(LoadSession, BDAT_waits_for_each_chunk_without_PIPELINING) {
  Dialogue d(300, true);
  d.greet("250-mx\r\n250 CHUNKING\r\n");
  d.begin();
  d.sent();
  d.reply("250 ok\r\n");
  d.sent();
  ASSERT_EQ(d.reply("250 ok\r\n"), Step::send);
  std::string all;
  for (int chunk = 0; chunk < 4; ++chunk) {
    EXPECT_FALSE(d.session().end_of_data_submitted());
    all += d.sent();
    ASSERT_EQ(d.reply("250 ok\r\n"), chunk < 3 ? Step::send : Step::finished);
  }
  std::size_t chunks = 0;
  bool last = false;
  EXPECT_EQ(unchunked(all, chunks, last), d.content(Form::plain));
  EXPECT_EQ(chunks, 4u);
  EXPECT_TRUE(d.session().end_of_data_submitted());
  EXPECT_EQ(d.session().outcome(), Outcome::acknowledged);
}

TEST(LoadSession, a_refused_chunk_is_a_refused_message) {
  Dialogue waiting(300, true);
  waiting.greet("250-mx\r\n250 CHUNKING\r\n");
  waiting.begin();
  waiting.sent();
  waiting.reply("250 ok\r\n");
  waiting.sent();
  waiting.reply("250 ok\r\n");
  waiting.sent();
  ASSERT_EQ(waiting.reply("452 full\r\n"), Step::send);
  EXPECT_EQ(waiting.sent(), "RSET\r\n");
  EXPECT_FALSE(waiting.session().end_of_data_submitted());
  EXPECT_EQ(waiting.reply("250 ok\r\n"), Step::finished);
  EXPECT_EQ(waiting.session().outcome(), Outcome::refused);

  Dialogue group(500, true);
  group.greet(all_extensions);
  group.begin();
  group.sent();
  group.reply("250 ok\r\n250 ok\r\n");
  group.sent();
  EXPECT_EQ(group.reply("554 no\r\n"), Step::wait);
  ASSERT_EQ(group.reply("503 no\r\n"), Step::send);
  EXPECT_EQ(group.sent(), "RSET\r\n");
  EXPECT_EQ(group.reply("250 ok\r\n"), Step::finished);
  EXPECT_EQ(group.session().outcome(), Outcome::refused);
  EXPECT_EQ(group.session().refusal().code, 554);
}

TEST(LoadSession, BDAT_is_not_used_where_it_is_not_offered) {
  Dialogue d(0, true);
  d.greet("250-mx\r\n250 PIPELINING\r\n");
  d.begin();
  EXPECT_NE(d.sent().find("DATA\r\n"), std::string::npos);
}

TEST(LoadSession, broken_clients_stop_in_the_middle_of_the_content) {
  for (Kind kind : {Kind::abort, Kind::reset, Kind::halfclose}) {
    for (bool chunking : {false, true}) {
      Dialogue d(0, chunking);
      d.greet(all_extensions);
      d.begin({0}, 5000, kind);
      d.sent();
      d.reply(chunking ? "250 ok\r\n250 ok\r\n" : "250 ok\r\n250 ok\r\n354 go\r\n");
      std::string sent = d.sent();
      EXPECT_GE(sent.size(), 2000u);
      EXPECT_LE(sent.size(), 3000u);
      EXPECT_FALSE(sent.ends_with("\r\n.\r\n"));
      EXPECT_FALSE(d.session().end_of_data_submitted());
      EXPECT_EQ(d.session().on_sent(), Step::cut);
    }
  }
}

TEST(LoadSession, a_broken_client_announces_one_chunk_and_sends_half_of_it) {
  Dialogue d(300, true);
  d.greet(all_extensions);
  d.begin({0}, 5000, Kind::abort);
  EXPECT_FALSE(d.session().in_content());
  d.sent();
  d.reply("250 ok\r\n250 ok\r\n");
  EXPECT_TRUE(d.session().in_content());
  std::string size = std::to_string(d.session().message().content.size), sent = d.sent();
  EXPECT_TRUE(sent.starts_with("BDAT " + size + " LAST\r\n")) << sent.substr(0, 40);
  EXPECT_EQ(sent.find("BDAT", 4), std::string::npos);
}

TEST(LoadSession, chunks_for_nobody_are_not_sent) {
  Dialogue d(300, true);
  d.greet(all_extensions);
  d.begin({0, 1});
  d.sent();
  ASSERT_EQ(d.reply("250 ok\r\n550 no\r\n551 no\r\n"), Step::send);
  EXPECT_EQ(d.sent(), "RSET\r\n");
  EXPECT_EQ(d.reply("250 ok\r\n"), Step::finished);
  EXPECT_EQ(d.session().outcome(), Outcome::refused);
  EXPECT_EQ(d.session().refusal().code, 550);
  EXPECT_EQ(d.session().recipients_refused(), 2u);
}

TEST(LoadSession, R5321_4_1_1_10_05_421_to_QUIT_is_an_answer_as_any) {
  Dialogue d;
  d.greet(no_extensions);
  d.session().quit();
  EXPECT_EQ(d.sent(), "QUIT\r\n");
  EXPECT_EQ(d.reply("421 4.3.2 bye\r\n"), Step::over);
  EXPECT_EQ(d.session().end(), ClientSession::End::quit);
}

TEST(LoadSession, garbage_ends_by_itself) {
  Dialogue d;
  d.greet(no_extensions);
  d.session().begin_garbage();
  int lines = 0;
  Step step = Step::send;
  while (step == Step::send) {
    EXPECT_EQ(d.sent().find("\r\n"), 30u);
    ASSERT_LT(++lines, 100);
    step = d.reply("500 what\r\n");
  }
  EXPECT_EQ(step, Step::finished);
  d.session().quit();
  EXPECT_EQ(d.sent(), "QUIT\r\n");
  EXPECT_EQ(d.reply("221 bye\r\n"), Step::over);
  EXPECT_EQ(d.session().end(), ClientSession::End::quit);
}

TEST(LoadSession, the_null_reverse_path_is_empty) {
  BodyText text(1);
  ClientSession::Settings settings;
  settings.mailboxes = {"u@example.org"};
  settings.text = &text;
  settings.helo = "x";
  ClientSession session(settings);
  session.start();
  session.on_line({220, true, ""});
  session.on_line({250, true, ""});
  session.message().recipients = {0};
  session.begin();
  EXPECT_EQ(std::string(session.pending()[0].data, session.pending()[0].size), "MAIL FROM:<>\r\n");
}

}  // namespace
}  // namespace gatepost::load
