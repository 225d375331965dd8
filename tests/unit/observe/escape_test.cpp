#include "observe/escape.hpp"

#include <gtest/gtest.h>

namespace gatepost::observe {
namespace {

std::string enclosed(std::string_view text) {
  std::string out;
  append_escaped_text(out, text, TextPlace::enclosed);
  return out;
}
std::string sentence(std::string_view text) {
  std::string out;
  append_escaped_text(out, text, TextPlace::sentence);
  return out;
}

TEST(Escape, leaves_ordinary_text_alone) {
  EXPECT_EQ(enclosed("user+tag@example.org"), "user+tag@example.org");
  EXPECT_EQ(enclosed("\"a b\"@example.org"), "\"a b\"@example.org");
  EXPECT_EQ(enclosed("j\xc3\xb6rg@example.org"), "j\xc3\xb6rg@example.org");
  EXPECT_EQ(enclosed("\xf0\x9f\x93\xac"), "\xf0\x9f\x93\xac");
  EXPECT_EQ(sentence("550 5.1.1 <a@b>: unknown"), "550 5.1.1 <a@b>: unknown");
}

TEST(Escape, shows_controls_as_hexadecimal) {
  EXPECT_EQ(enclosed("a\r\nb"), "a\\x0D\\x0Ab");
  EXPECT_EQ(enclosed(std::string_view("\0\x1b[31m\x7f", 7)), "\\x00\\x1B[31m\\x7F");
  EXPECT_EQ(sentence("tab\there"), "tab\\x09here");
}

TEST(Escape, keeps_a_path_inside_its_angle_brackets) {
  EXPECT_EQ(enclosed("a> to=<b@c"), "a\\x3E to=\\x3Cb@c");
}

TEST(Escape, doubles_a_backslash_so_that_escapes_are_not_ambiguous) {
  EXPECT_EQ(enclosed("\\x0A"), "\\\\x0A");
}

TEST(Escape, shows_malformed_utf8_as_octets) {
  EXPECT_EQ(enclosed("\xc0\x80"), "\\xC0\\x80");                    // overlong
  EXPECT_EQ(enclosed("\xe0\x80\xaf"), "\\xE0\\x80\\xAF");           // overlong
  EXPECT_EQ(enclosed("\xed\xa0\x80"), "\\xED\\xA0\\x80");           // surrogate
  EXPECT_EQ(enclosed("\xf4\x90\x80\x80"), "\\xF4\\x90\\x80\\x80");  // beyond U+10FFFF
  EXPECT_EQ(enclosed("\xff"), "\\xFF");
  EXPECT_EQ(enclosed("a\xc3"), "a\\xC3");    // cut off
  EXPECT_EQ(enclosed("\xc3(x"), "\\xC3(x");  // not a continuation: the octet behind it stays
}

TEST(Escape, shows_characters_that_deceive_a_reader_as_octets) {
  EXPECT_EQ(enclosed("\xc2\x85"), "\\xC2\\x85");           // U+0085 next line
  EXPECT_EQ(enclosed("\xc2\x9b"), "\\xC2\\x9B");           // U+009B control sequence introducer
  EXPECT_EQ(enclosed("\xe2\x80\xa8"), "\\xE2\\x80\\xA8");  // U+2028 line separator
  EXPECT_EQ(enclosed("\xe2\x80\xae"), "\\xE2\\x80\\xAE");  // U+202E right-to-left override
  EXPECT_EQ(enclosed("\xe2\x80\x8e"), "\\xE2\\x80\\x8E");  // U+200E left-to-right mark
  EXPECT_EQ(enclosed("\xe2\x80\x8f"), "\\xE2\\x80\\x8F");  // U+200F right-to-left mark
  EXPECT_EQ(enclosed("\xe2\x81\xa6"), "\\xE2\\x81\\xA6");  // U+2066 left-to-right isolate
  EXPECT_EQ(enclosed("\xe2\x81\xa9"), "\\xE2\\x81\\xA9");  // U+2069 pop isolate
  EXPECT_EQ(enclosed("\xef\xbb\xbf"), "\\xEF\\xBB\\xBF");  // U+FEFF byte order mark
  for (const char* neighbour : {"\xe2\x80\x8d", "\xe2\x80\xa7", "\xe2\x80\xaf", "\xe2\x81\xa5",
                                "\xe2\x81\xaa", "\xef\xbb\xbe"})
    EXPECT_EQ(enclosed(neighbour), neighbour);
}

TEST(Escape, never_lets_a_line_end_through) {
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; ++second) {
      const char pair[2] = {static_cast<char>(first), static_cast<char>(second)};
      std::string_view text(pair, 2);
      for (const std::string& out : {enclosed(text), sentence(text)}) {
        EXPECT_EQ(out.find_first_of(std::string_view("\r\n\0\x1b", 4)), std::string::npos);
      }
      EXPECT_EQ(enclosed(text).find_first_of("<>"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace gatepost::observe
