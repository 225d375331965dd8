#include "smtp/command.hpp"

#include <gtest/gtest.h>

#include <cctype>

#include <string>
#include <utility>
#include <vector>

namespace gatepost::smtp {
namespace {

using namespace std::string_literals;

std::string shout(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return text;
}

TEST(ParseCommand, R5321_2_4_01_matches_each_verb_in_any_case) {
  for (Verb verb :
       {Verb::ehlo, Verb::helo, Verb::mail, Verb::rcpt, Verb::data, Verb::bdat, Verb::rset,
        Verb::noop, Verb::quit, Verb::vrfy, Verb::expn, Verb::help, Verb::starttls, Verb::auth,
        Verb::turn, Verb::send, Verb::soml, Verb::saml, Verb::etrn}) {
    const std::string name(verb_name(verb));
    std::string mixed = name;
    for (std::size_t i = 0; i < mixed.size(); i += 2) mixed[i] = shout(mixed)[i];
    for (const std::string& word : {name, shout(name), mixed}) {
      EXPECT_EQ(parse_command(word).verb, verb) << word;
      EXPECT_EQ(parse_command(word + " x").verb, verb) << word;
      EXPECT_EQ(parse_command(word + " x").argument, "x") << word;
    }
  }
}

TEST(ParseCommand, every_proper_beginning_of_a_verb_and_every_longer_word_is_unknown) {
  for (const std::string verb : {"EHLO", "MAIL", "STARTTLS", "QUIT", "DATA", "BDAT"}) {
    for (std::size_t size = 0; size < verb.size(); ++size)
      EXPECT_EQ(parse_command(verb.substr(0, size)).verb, Verb::unknown) << verb << size;
    for (int octet = 0; octet < 256; ++octet) {
      const std::string line = verb + static_cast<char>(octet);
      const bool white = octet == ' ' || octet == '\t';
      const bool word = std::isalnum(octet) != 0 && octet < 128;
      const bool itself = white || (verb == "BDAT" && !word && octet != ':');  // BDAT-15
      EXPECT_EQ(parse_command(line).verb, itself ? parse_command(verb).verb : Verb::unknown)
          << verb << octet;
    }
  }
}

TEST(ParseCommand, R5321_4_1_1_01_drops_white_space_at_the_end) {
  for (const char* line : {"RSET ", "RSET \t", "RSET\t", "RSET  \t \t "}) {
    EXPECT_EQ(parse_command(line).verb, Verb::rset) << line;
    EXPECT_EQ(parse_command(line).argument, "") << line;
  }
  EXPECT_EQ(parse_command("MAIL FROM:<a@b.test> \t ").argument, "FROM:<a@b.test>");
}

TEST(ParseCommand, R5321_2_4_05_takes_several_spaces_as_one_separator) {
  EXPECT_EQ(parse_command("EHLO  x").argument, "x");
  EXPECT_EQ(parse_command("NOOP    a  b").argument, "a  b");
  EXPECT_EQ(parse_command(" NOOP").verb, Verb::unknown);
  EXPECT_EQ(parse_command("NOOP\tx").verb, Verb::unknown);
}

TEST(ParseCommand, argument_points_into_the_line) {
  const std::string line = "RCPT TO:<u@example.test> ";
  const Command command = parse_command(line);
  EXPECT_EQ(command.argument.data(), line.data() + 5);
}

TEST(ParseCommand, SMG_07_a_nul_does_not_end_the_verb_or_the_argument) {
  EXPECT_EQ(parse_command("NO\0OP"s).verb, Verb::unknown);
  EXPECT_EQ(parse_command("NOOP\0"s).verb, Verb::unknown);
  EXPECT_EQ(parse_command("QUIT\0 x"s).verb, Verb::unknown);
  EXPECT_EQ(parse_command("NOOP a\0b"s).argument, "a\0b"s);
}

TEST(ParseCommand, R5321_3_8_04_R5321_4_1_5_01_other_words_are_unknown) {
  for (const char* line : {"", "FOO", "XFOO", "FOO bar", "SSH-2.0-x", "MAILFROM:<a@b.test>", "<>",
                           "MAIL:", "a:b", "STARTTLSX", "STARTTLSSTARTTLS"})
    EXPECT_EQ(parse_command(line).verb, Verb::unknown) << line;
}

TEST(ParseCommand, SMG_13_D09_D10_D11_knows_http_requests) {
  for (const char* method : {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH",
                             "TRACE", "get", "PRI"})
    EXPECT_EQ(parse_command(std::string(method) + " / HTTP/1.1").verb, Verb::http_request)
        << method;
  EXPECT_EQ(parse_command("CONNECT h:25 HTTP/1.0").verb, Verb::http_request);
  for (const char* line : {"GET", "GET ", "GETX /", "XGET /", "GET\t/"})
    EXPECT_EQ(parse_command(line).verb, Verb::unknown) << line;
}

TEST(ParseCommand, SMG_13_D11_knows_tls_records) {
  EXPECT_EQ(parse_command("\x16\x03\x01\x02"s).verb, Verb::tls_record);
  EXPECT_TRUE(begins_tls_record("\x16\x03"s));
  EXPECT_FALSE(begins_tls_record("\x16"s));
  EXPECT_FALSE(begins_tls_record(""));
  EXPECT_EQ(parse_command("\x16\x02"s).verb, Verb::unknown);
  EXPECT_EQ(parse_command("x\x16\x03"s).verb, Verb::unknown);
}

TEST(ParseCommand, SMG_13_D11_knows_header_fields) {
  for (const char* line : {"Subject: x", "Host: x", "X-Y_z.1: ", "To:\tx", "MAIL: x", "a: b"})
    EXPECT_EQ(parse_command(line).verb, Verb::header_field) << line;
  // No field name: empty, with a space, with a control or an 8-bit octet. And no white space
  // behind.
  for (const char* line :
       {": x", "Sub ject: x", "S\x01: x", "S\xc3\xa9: x", "Subject", "Subject:", "Subject:x"})
    EXPECT_EQ(parse_command(line).verb, Verb::unknown) << line;
  EXPECT_EQ(parse_command("MAIL FROM: <a@b.test>").verb, Verb::mail);
  EXPECT_EQ(parse_command("NOOP a: b").verb, Verb::noop);
}

TEST(ParseBdatArgument, BDAT_01_BDAT_04_takes_a_size_and_last) {
  for (const auto& [text, size, last] : {std::tuple{"0", 0ull, false},
                                         {"5", 5ull, false},
                                         {"5 LAST", 5ull, true},
                                         {"5 last", 5ull, true},
                                         {"0 LaSt", 0ull, true},
                                         {"007  LAST", 7ull, true},
                                         {"9223372036854775807 LAST", 9223372036854775807ull, true},
                                         {"0000000000000000010", 10ull, false}}) {
    const BdatArgument argument = parse_bdat_argument(text);
    EXPECT_TRUE(argument.valid) << text;
    EXPECT_EQ(argument.size, size) << text;
    EXPECT_EQ(argument.last, last) << text;
  }
}

TEST(ParseBdatArgument, BDAT_15_BDAT_16_B07_B08_refuses_what_tells_no_length) {
  for (const char* text : {"",
                           "x",
                           "-1",
                           "+1",
                           "0x10",
                           "1.5",
                           "LAST",
                           "3 FIRST",
                           "3LAST",
                           "3 LAST x",
                           "3 LASTx",
                           "3 LAS",
                           "3 4",
                           "3\tLAST",
                           "3,",
                           " 3",
                           "3 ",
                           "9223372036854775808",
                           "99999999999999999999 LAST",
                           "99999999999999999999999999",
                           "00000000000000000010",
                           "18446744073709551617"})
    EXPECT_FALSE(parse_bdat_argument(text).valid) << text;
  EXPECT_FALSE(parse_bdat_argument("5\0"s).valid);
}

std::string greeting_name(std::string_view argument) {
  const GreetingArgument greeting = parse_greeting(argument);
  return greeting.valid ? std::string(greeting.name) : "(invalid)";
}

TEST(ParseGreeting, R5321_2_3_5_04_R5321_4_1_3_07_takes_domains) {
  for (const char* name : {"client.test", "localhost", "x", "1.2.3", "192.0.2.1", "a-b.c--d.test",
                           "3com.test", "xn--mnchen-3ya.test", "EXAMPLE.Test"})
    EXPECT_EQ(greeting_name(name), name);
}

TEST(ParseGreeting, R5321_4_1_2_06_takes_underscores) {
  for (const char* name : {"my_host.test", "_x.test", "x_", "_"})
    EXPECT_EQ(greeting_name(name), name);
}

TEST(ParseGreeting, R5321_4_1_2_05_drops_one_dot_at_the_end) {
  EXPECT_EQ(greeting_name("client.test."), "client.test");
  for (const char* name : {".", "..", "client.test..", ".client.test", "a..b"})
    EXPECT_EQ(greeting_name(name), "(invalid)") << name;
}

TEST(ParseGreeting, R5321_4_5_3_1_2_01_takes_255_octets_and_labels_of_63) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + label;
  ASSERT_EQ(longest.size(), 255u);
  EXPECT_EQ(greeting_name(longest), longest);
  EXPECT_EQ(greeting_name(longest + "."), longest);
  EXPECT_EQ(greeting_name(label + "." + label + "." + label + "." + std::string(61, 'a') + ".bb"),
            "(invalid)");
  EXPECT_EQ(greeting_name(std::string(64, 'a') + ".test"), "(invalid)");
  EXPECT_EQ(greeting_name("test." + std::string(64, 'a')), "(invalid)");
  EXPECT_EQ(greeting_name(std::string(300, 'a')), "(invalid)");
}

TEST(ParseGreeting, R5321_4_1_1_1_02_R5321_4_4_22_D08_refuses_what_is_no_name) {
  for (const char* name : {"", "a b", "a(b", "x\ty", "\"", "-x.test", "x-.test", "a.-b", "a-", "-",
                           "a@b", "a,b", "<x>", "x.test\r", "x:25", "a/b", "a\\b", "*"})
    EXPECT_EQ(greeting_name(name), "(invalid)") << name;
  EXPECT_EQ(greeting_name("x.test\0"s), "(invalid)");
}

TEST(ParseGreeting, UTF8_08_refuses_names_that_are_not_ascii) {
  EXPECT_EQ(greeting_name("m\xc3\xbcnchen.test"), "(invalid)");
  EXPECT_EQ(greeting_name("x\xff"), "(invalid)");
}

TEST(ParseGreeting, R5321_4_1_3_01_R5321_4_1_3_05_takes_address_literals) {
  for (const char* name : {"[192.0.2.1]", "[IPv6:2001:db8::1]", "[ipv6:::1]"})
    EXPECT_EQ(greeting_name(name), name);
  for (const char* name : {"[", "[]", "[192.0.2.1", "192.0.2.1]", "[256.1.1.1]", "[1.2.3]",
                           "[2001:db8::1]", "[Foo:bar]", "[192.0.2.1].", "[[192.0.2.1]]"})
    EXPECT_EQ(greeting_name(name), "(invalid)") << name;
}

TEST(ParseGreeting, R5321_4_1_1_1_03_ignores_text_behind_a_literal_only) {
  EXPECT_EQ(greeting_name("[192.0.2.1] foo"), "[192.0.2.1]");
  EXPECT_EQ(greeting_name("[192.0.2.1] foo] ]"), "[192.0.2.1]");
  for (const char* name : {"[192.0.2.1 x]", "[192.0.2.1]foo", "[192.0.2.1]\tfoo", "x.test foo"})
    EXPECT_EQ(greeting_name(name), "(invalid)") << name;
}

TEST(ParseCommand, BDAT_15_what_may_have_a_payload_behind_it_is_bdat) {
  for (const std::string line : {"BDAT\t3", "BDAT=3", "bdat\x7f"}) {
    const Command command = parse_command(line);
    EXPECT_EQ(command.verb, Verb::bdat) << line;
    EXPECT_FALSE(parse_bdat_argument(command.argument).valid) << line;
  }
  EXPECT_EQ(parse_command("BDATA 3").verb, Verb::unknown);
  EXPECT_EQ(parse_command("BDAT: x").verb, Verb::header_field);
}

}  // namespace
}  // namespace gatepost::smtp
