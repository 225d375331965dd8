// A ClientSession whose server is the test.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "load/client_session.hpp"

namespace gatepost::load {

using Step = ClientSession::Step;

// What the client sends is taken at once.
class Dialogue {
 public:
  explicit Dialogue(std::uint64_t chunk_size = 0, bool chunking = false, bool pipelining = true)
      : text_(3),
        composer_(text_, "run", 0, "load.invalid", "a@example.org", "date", 1),
        session_(settings_) {
    settings_.helo = "[127.0.0.1]";
    settings_.from = "a@example.org";
    settings_.mailboxes = {"u0@example.org", "u1@example.org", "u2@example.org"};
    settings_.text = &text_;
    settings_.chunking = chunking;
    settings_.chunk_size = chunk_size;
    settings_.pipelining = pipelining;
    session_.start();
  }

  // Gives the client these replies, line by line.
  Step reply(std::string_view octets) {
    Step step = Step::wait;
    ReplyLine line;
    while (!octets.empty()) {
      EXPECT_EQ(parser_.next(octets, line), ReplyParser::Outcome::line);
      step = session_.on_line(line);
    }
    return step;
  }
  // What the client sends now.
  std::string sent() {
    std::string octets;
    for (const Segment& segment : session_.pending()) octets.append(segment.data, segment.size);
    session_.note_submitted(octets.size());
    session_.consume(octets.size());
    EXPECT_TRUE(session_.pending().empty());
    return octets;
  }
  // Up to Awaiting::none, with these EHLO lines.
  void greet(std::string_view extensions) {
    ASSERT_EQ(reply("220 mx.example.org ESMTP\r\n"), Step::send);
    ASSERT_EQ(sent(), "EHLO [127.0.0.1]\r\n");
    ASSERT_EQ(reply(extensions), Step::ready);
  }
  void begin(std::vector<std::uint32_t> recipients = {0}, std::uint64_t size = 1000,
             Kind kind = Kind::normal) {
    Message& message = session_.message();
    message.kind = kind;
    message.recipients = std::move(recipients);
    composer_.compose(size, message.content);
    session_.begin();
  }
  std::string content(Form form) {
    std::string octets = session_.message().content.header;
    text_.for_each_piece(session_.message().content.body, form,
                         [&](std::string_view piece) { octets += piece; });
    return octets;
  }
  ClientSession& session() { return session_; }

 private:
  BodyText text_;
  ClientSession::Settings settings_;
  Composer composer_;
  ClientSession session_;
  ReplyParser parser_;
};

constexpr std::string_view all_extensions =
    "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250 CHUNKING\r\n";
constexpr std::string_view no_extensions = "250 mx.example.org\r\n";

}  // namespace gatepost::load
