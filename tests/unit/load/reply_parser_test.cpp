#include "load/reply_parser.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatepost::load {
namespace {

struct Line {
  int code;
  bool last;
  std::string text;
  friend bool operator==(const Line&, const Line&) = default;
};

// What the parser makes of `pieces`, one after the other. nullopt-like: malformed is code 0.
std::vector<Line> parse(const std::vector<std::string_view>& pieces) {
  ReplyParser parser;
  std::vector<Line> lines;
  for (std::string_view piece : pieces) {
    while (true) {
      ReplyLine line;
      auto outcome = parser.next(piece, line);
      if (outcome == ReplyParser::Outcome::more) break;
      if (outcome == ReplyParser::Outcome::malformed) {
        lines.push_back({0, true, "malformed"});
        return lines;
      }
      lines.push_back({line.code, line.last, std::string(line.text)});
      if (piece.empty()) break;
    }
    EXPECT_TRUE(piece.empty());
  }
  return lines;
}

// Whole, octet by octet, and split once at every place: always the same lines.
void expect_lines(std::string_view octets, const std::vector<Line>& expected) {
  EXPECT_EQ(parse({octets}), expected) << octets;
  std::vector<std::string_view> single;
  for (std::size_t i = 0; i < octets.size(); ++i) single.push_back(octets.substr(i, 1));
  EXPECT_EQ(parse(single), expected) << octets;
  for (std::size_t i = 1; i < octets.size(); ++i)
    EXPECT_EQ(parse({octets.substr(0, i), octets.substr(i)}), expected) << octets << " at " << i;
}

TEST(LoadReplies, are_read_whole_and_in_any_pieces) {
  expect_lines("250 2.1.0 Ok\r\n", {{250, true, "2.1.0 Ok"}});
  expect_lines("250\r\n", {{250, true, ""}});
  expect_lines("250 \r\n", {{250, true, ""}});
  expect_lines("250-mx\r\n250-SIZE 1000\r\n250 PIPELINING\r\n",
               {{250, false, "mx"}, {250, false, "SIZE 1000"}, {250, true, "PIPELINING"}});
  expect_lines("250 a\r\n250 b\r\n354 c\r\n",
               {{250, true, "a"}, {250, true, "b"}, {354, true, "c"}});
}

TEST(LoadReplies, R5321_4_2_07_unknown_codes_are_codes) {
  expect_lines("299 x\r\n499 y\r\n599 z\r\n",
               {{299, true, "x"}, {499, true, "y"}, {599, true, "z"}});
}

TEST(LoadReplies, what_follows_stays_in_place) {
  ReplyParser parser;
  ReplyLine line;
  std::string_view octets = "250 Ok\r\n421 bye";
  ASSERT_EQ(parser.next(octets, line), ReplyParser::Outcome::line);
  EXPECT_EQ(octets, "421 bye");
  ASSERT_EQ(parser.next(octets, line), ReplyParser::Outcome::more);
  EXPECT_TRUE(octets.empty());
  octets = "\r\nrest";
  ASSERT_EQ(parser.next(octets, line), ReplyParser::Outcome::line);
  EXPECT_EQ(line.code, 421);
  EXPECT_EQ(line.text, "bye");
  EXPECT_EQ(octets, "rest");
}

TEST(LoadReplies, a_line_may_end_with_LF_alone) {
  expect_lines("250 a\n354 b\n", {{250, true, "a"}, {354, true, "b"}});
}

TEST(LoadReplies, nonsense_is_malformed) {
  std::vector<Line> malformed{{0, true, "malformed"}};
  for (const char* text :
       {"\r\n", "ab\r\n", "25\r\n", "150 x\r\n", "650 x\r\n", "2x0 x\r\n", "25x x\r\n", "2/0 x\r\n",
        "25/ x\r\n", "25: x\r\n", "250x\r\n", "HTTP/1.1 400 Bad Request\r\n", "-250 x\r\n"})
    expect_lines(text, malformed);
  expect_lines("250-a\r\n550 b\r\n", {{250, false, "a"}, {0, true, "malformed"}});
}

TEST(LoadReplies, are_bounded) {
  ReplyParser parser;
  ReplyLine line;
  std::string endless(limits::reply_line_length_max, 'x');
  std::string_view octets = endless;
  ASSERT_EQ(parser.next(octets, line), ReplyParser::Outcome::more);
  octets = "y";
  EXPECT_EQ(parser.next(octets, line), ReplyParser::Outcome::malformed);

  parser.reset();
  std::string long_line = "250 " + endless + "\r\n";
  octets = long_line;
  EXPECT_EQ(parser.next(octets, line), ReplyParser::Outcome::malformed);

  parser.reset();
  for (unsigned i = 0; i < limits::reply_lines_max; ++i) {
    octets = "250-x\r\n";
    ASSERT_EQ(parser.next(octets, line), ReplyParser::Outcome::line);
  }
  octets = "250-x\r\n";
  EXPECT_EQ(parser.next(octets, line), ReplyParser::Outcome::malformed);
}

}  // namespace
}  // namespace gatepost::load
