#include "smtp/path.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <utility>
#include <vector>

namespace gatepost::smtp {
namespace {

using namespace std::string_literals;

constexpr PathOptions ascii_only{.utf8_allowed = false, .space_after_colon = true};
constexpr PathOptions with_utf8{.utf8_allowed = true, .space_after_colon = true};
constexpr PathOptions strict{.utf8_allowed = false, .space_after_colon = false};

// What a path was taken as: "local@domain|parameters", "<>|parameters", or the error's name.
std::string shown(const Path& path) {
  switch (path.error) {
    case PathError::none:
      break;
    case PathError::syntax:
      return "syntax";
    case PathError::not_ascii:
      return "not_ascii";
    case PathError::malformed_utf8:
      return "malformed_utf8";
    case PathError::argument:
      return "argument";
  }
  std::string text = path.null ? "<>" : std::string(path.mailbox.local_part);
  if (!path.mailbox.domain.empty()) text += "@" + std::string(path.mailbox.domain);
  if (!path.parameters.empty()) text += "|" + std::string(path.parameters);
  return text;
}
// Exactly as many octets as given are on the heap, so that AddressSanitizer sees a read beyond.
std::string reverse(std::string_view argument, PathOptions options = ascii_only) {
  const std::vector<char> exact(argument.begin(), argument.end());
  MailboxStorage storage;
  return shown(parse_reverse_path({exact.data(), exact.size()}, options, storage));
}
std::string forward(std::string_view argument, PathOptions options = ascii_only) {
  const std::vector<char> exact(argument.begin(), argument.end());
  MailboxStorage storage;
  return shown(parse_forward_path({exact.data(), exact.size()}, options, storage));
}
// Of an address, in both kinds of path; they must agree.
std::string both(std::string_view address, PathOptions options = ascii_only) {
  const std::string text(address);
  const std::string as_reverse = reverse("FROM:<" + text + ">", options);
  EXPECT_EQ(forward("TO:<" + text + ">", options), as_reverse) << text;
  return as_reverse;
}

TEST(ParsePath, R5321_2_4_01_takes_the_path_keyword_in_any_case) {
  for (const char* keyword : {"FROM:", "from:", "fRoM:"})
    EXPECT_EQ(reverse(keyword + "<a@b.test>"s), "a@b.test") << keyword;
  for (const char* keyword : {"TO:", "to:", "tO:"})
    EXPECT_EQ(forward(keyword + "<a@b.test>"s), "a@b.test") << keyword;
  EXPECT_EQ(reverse("TO:<a@b.test>"), "argument");
  EXPECT_EQ(forward("FROM:<a@b.test>"), "argument");
}

TEST(ParsePath, every_beginning_of_a_path_is_refused_and_never_read_beyond) {
  for (const std::string path :
       {"FROM:<a@b.test>", "FROM:<@a.test,@b.test:\"a \\\"b\"@c.test>", "FROM:<a@[IPv6:::1]>"}) {
    for (std::size_t size = 0; size < path.size(); ++size) {
      const std::string result = reverse(path.substr(0, size));
      EXPECT_TRUE(result == "argument" || result == "syntax") << path.substr(0, size) << result;
    }
    EXPECT_NE(reverse(path), "syntax");
  }
}

TEST(ParsePath, every_single_octet_behind_a_path_but_a_space_is_refused) {
  for (int octet = 0; octet < 256; ++octet) {
    const std::string result = reverse("FROM:<a@b.test>"s + static_cast<char>(octet));
    const char* expected = octet == ' '    ? "a@b.test| "
                           : octet >= 0x80 ? "malformed_utf8"
                                           : "argument";
    EXPECT_EQ(result, expected) << octet;
  }
}

TEST(ParsePath, R5321_4_1_1_2_02_R5321_4_1_1_3_05_only_a_reverse_path_may_be_null) {
  EXPECT_EQ(reverse("FROM:<>"), "<>");
  EXPECT_EQ(reverse("FROM:<> SIZE=1"), "<>| SIZE=1");
  EXPECT_EQ(reverse("FROM:< >"), "syntax");
  EXPECT_EQ(forward("TO:<>"), "syntax");
}

TEST(ParsePath, R5321_3_3_05_X_19_space_after_the_colon_is_taken_by_default) {
  EXPECT_EQ(reverse("FROM: <a@b.test>"), "a@b.test");
  EXPECT_EQ(reverse("FROM:   <a@b.test>"), "a@b.test");
  EXPECT_EQ(forward("TO: <a@b.test>"), "a@b.test");
  EXPECT_EQ(reverse("FROM: <>"), "<>");
  EXPECT_EQ(reverse("FROM: <a@b.test>", strict), "argument");
  EXPECT_EQ(forward("TO: <a@b.test>", strict), "argument");
  EXPECT_EQ(reverse("FROM:<a@b.test>", strict), "a@b.test");
}

TEST(ParsePath, R5321_3_3_05_space_before_the_colon_is_never_taken) {
  EXPECT_EQ(reverse("FROM :<a@b.test>"), "argument");
  EXPECT_EQ(forward("TO :<a@b.test>"), "argument");
  EXPECT_EQ(reverse(" FROM:<a@b.test>"), "argument");
}

TEST(ParsePath, R5321_4_1_1_2_03_angle_brackets_are_required) {
  for (const char* argument : {"", "FROM", "FROM:", "FROM: ", "FROM:a@b.test", "FROM:a@b.test>",
                               "FROM<a@b.test>", "FROM:x <a@b.test>"})
    EXPECT_EQ(reverse(argument), "argument") << argument;
  EXPECT_EQ(reverse("FROM:<a@b.test"), "syntax");
  EXPECT_EQ(reverse("FROM:<a@b.test SIZE=1"), "syntax");
  EXPECT_EQ(reverse("FROM:<<a@b.test>>"), "syntax");
}

TEST(ParsePath, R5321_4_1_2_04_parameters_stand_apart_from_the_path) {
  EXPECT_EQ(reverse("FROM:<a@b.test>SIZE=1"), "argument");
  EXPECT_EQ(reverse("FROM:<a@b.test>\tSIZE=1"), "argument");
  EXPECT_EQ(reverse("FROM:<a@b.test> SIZE=1  X"), "a@b.test| SIZE=1  X");
}

TEST(ParsePath, R5321_4_1_2_08_each_atext_is_a_local_part) {
  for (int c = 33; c < 127; ++c) {
    if (c == '>') continue;  // ends the path (R5321-4.1.2-18)
    const std::string local(1, static_cast<char>(c));
    const bool atext =
        std::isalnum(c) != 0 || "!#$%&'*+-/=?^_`{|}~"s.find(local) != std::string::npos;
    EXPECT_EQ(both(local + "@b.test"), atext ? local + "@b.test" : "syntax") << local;
    EXPECT_EQ(both("x" + local + "x@b.test"),
              atext || c == '.' ? "x" + local + "x@b.test" : "syntax")
        << local;
  }
}

TEST(ParsePath, R5321_4_1_2_09_dots_stand_between_atoms) {
  EXPECT_EQ(both("a.b.c@x.test"), "a.b.c@x.test");
  for (const char* address : {".a@x.test", "a.@x.test", "a..b@x.test", ".@x.test", "@x.test"})
    EXPECT_EQ(both(address), "syntax") << address;
}

TEST(ParsePath, R5321_2_4_02_R5321_2_3_11_01_R5321_3_7_3_01_D14_legal_payloads_are_data) {
  for (const char* address : {"MiXeD@x.test", "`x`@x", "../../x@example.test", "-o@x",
                              "a/b@example.test", "|x@x", "u%remote.test@example.test", "a!b@x"}) {
    // "../.." has empty atoms, so it is no dot-string.
    EXPECT_EQ(both(address), std::string_view(address).starts_with("..") ? "syntax" : address);
  }
  EXPECT_EQ(both(";id@x"), "syntax");
  EXPECT_EQ(both("\"../../x\"@example.test"), "\"../../x\"@example.test");
}

TEST(ParsePath, R5321_4_1_2_10_quoted_strings_are_local_parts) {
  for (const char* address :
       {"\"a b\"@x.test", "\"a\\\"b\"@x.test", "\"a@b\"@x.test", "\"a>b\"@x.test", "\" \"@x.test",
        "\"a\\\\\"@x.test", "\"(),:;<>@[]\"@x.test", "\".a\"@x.test", "\"a.\"@x.test",
        "\"a..b\"@x.test", "\".\"@x.test"})
    EXPECT_EQ(both(address), address);
}

TEST(ParsePath, R5321_4_1_2_13_R5321_4_1_2_14_quoting_is_the_least_that_is_needed) {
  EXPECT_EQ(both("\"u\"@x.test"), "u@x.test");
  EXPECT_EQ(both("\"\\u\"@x.test"), "u@x.test");
  EXPECT_EQ(both("\"a.b\"@x.test"), "a.b@x.test");
  EXPECT_EQ(both("\"a\\.b\"@x.test"), "a.b@x.test");
  EXPECT_EQ(both("\"a\\ b\"@x.test"), "\"a b\"@x.test");
  EXPECT_EQ(both("\"\\a\\@\"@x.test"), "\"a@\"@x.test");
  EXPECT_EQ(both("\"postmaster\"@x.test"), "postmaster@x.test");
}

TEST(ParsePath, R5321_4_1_2_11_no_control_octet_is_quoted) {
  for (int octet = 0; octet < 32; ++octet) {
    const std::string c(1, static_cast<char>(octet));
    EXPECT_EQ(both("\"a" + c + "\"@x.test"), "syntax") << octet;
    EXPECT_EQ(both("\"a\\" + c + "\"@x.test"), "syntax") << octet;
  }
  EXPECT_EQ(both("\"a\x7f\"@x.test"), "syntax");
}

TEST(ParsePath, R5321_4_1_2_12_an_empty_quoted_string_is_refused) {
  EXPECT_EQ(both("\"\"@example.test"), "syntax");
}

TEST(ParsePath, quotes_in_the_wrong_place_are_refused) {
  for (const char* address : {"\"a\"b@x.test", "a\"b\"@x.test", "\"a@x.test", "\"a\\\"@x.test",
                              "\"a\".b@x.test", "a\\@b@x.test", "\"", "\"\\", "\"a\""})
    EXPECT_EQ(both(address), "syntax") << address;
}

TEST(ParsePath, R5321_4_1_2_16_no_other_octet_stands_in_a_path) {
  for (const std::string& octet : {"\0"s, "\a"s, "\r"s, "\n"s, "\t"s, " "s, "\x7f"s}) {
    EXPECT_EQ(both("a" + octet + "@x.test"), "syntax");
    EXPECT_EQ(both("a@x" + octet + ".test"), "syntax");
    EXPECT_EQ(both("a@x.test" + octet), "syntax");
  }
  EXPECT_EQ(both("a\xff@x.test"), "malformed_utf8");
}

TEST(ParsePath, R5321_4_1_2_18_the_first_closing_bracket_outside_quotes_ends_the_path) {
  EXPECT_EQ(forward("TO:<\"x>y\"@example.test> NOTIFY=NEVER"),
            "\"x>y\"@example.test| NOTIFY=NEVER");
  EXPECT_EQ(forward("TO:<x@example.test> X=>"), "x@example.test| X=>");
  EXPECT_EQ(forward("TO:<x>y@example.test>"), "syntax");
}

TEST(ParsePath, R5321_4_1_2_01_R5321_3_3_07_R5321_3_3_08_source_routes_are_dropped) {
  EXPECT_EQ(both("@a.test:u@b.test"), "u@b.test");
  EXPECT_EQ(both("@a.test,@b.test:u@c.test"), "u@c.test");
  EXPECT_EQ(both("@a.test:\"a b\"@c.test"), "\"a b\"@c.test");
  for (const char* address : {"@a.test", "@a.test:", "@a.test,:u@c.test", "@a.test,b.test:u@c.test",
                              "@:u@c.test", "@a_b.test:u@c.test", "@a.test@b.test:u@c.test",
                              "@a.test, @b.test:u@c.test", "@a.test:@b.test:u@c.test",
                              "a.test:u@c.test", "@[192.0.2.1]:u@c.test", "@a.test:postmaster"})
    EXPECT_EQ(both(address), "syntax") << address;
}

TEST(ParsePath, R5321_4_1_1_3_03_bare_postmaster_is_a_recipient_only) {
  for (const char* name : {"postmaster", "Postmaster", "pOsTmAsTeR"}) {
    EXPECT_EQ(forward("TO:<"s + name + ">"), name);
    EXPECT_EQ(reverse("FROM:<"s + name + ">"), "syntax");
  }
  EXPECT_EQ(forward("TO:<\"postmaster\">"), "postmaster");
  for (const char* name : {"postmasters", "postmaste", "root", "post.master", "postmaster@", "a"})
    EXPECT_EQ(forward("TO:<"s + name + ">"), "syntax") << name;
}

TEST(ParsePath, R5321_4_1_2_05_R5321_4_1_2_06_domains_have_strict_labels) {
  for (const char* domain : {"x", "tld", "a-b.test", "1.2.3.4", "3com.test", "a--b.test",
                             "192.0.2.1", "XN--MNCHEN-3YA.test", "EXAMPLE.Test"})
    EXPECT_EQ(both("a@"s + domain), "a@"s + domain);
  for (const char* domain :
       {"", "-x.test", "x-.test", "x..test", "x.test.", ".x.test", "a_b.test", ".", "#123", "a b",
        "x.test,y", "a@b", "x.test:25", "(x)", "x/y", "x.-y"})
    EXPECT_EQ(both("a@"s + domain), "syntax") << domain;
}

TEST(ParsePath, R5321_7_9_02_a_second_at_sign_is_refused) {
  EXPECT_EQ(both("u@remote.test@example.test"), "syntax");
  EXPECT_EQ(both("\"u@remote.test\"@example.test"), "\"u@remote.test\"@example.test");
}

TEST(ParsePath, R5321_4_5_3_1_1_01_a_local_part_has_at_most_64_octets) {
  const std::string longest(64, 'a');
  EXPECT_EQ(both(longest + "@x.test"), longest + "@x.test");
  EXPECT_EQ(both(longest + "a@x.test"), "syntax");
  // The quotes do not count, what stands between them does as it was sent.
  EXPECT_EQ(both("\"" + longest + "\"@x.test"), longest + "@x.test");
  const std::string spaced = "\"" + longest.substr(1) + " \"@x.test";
  EXPECT_EQ(both(spaced), spaced);
  EXPECT_EQ(both("\"" + longest + "a\"@x.test"), "syntax");
  std::string escaped;
  for (int i = 0; i < 32; ++i) escaped += "\\\"";
  EXPECT_EQ(both("\"" + escaped + "\"@x.test"), "\"" + escaped + "\"@x.test");
  EXPECT_EQ(both("\"" + escaped + "a\"@x.test"), "syntax");
  EXPECT_EQ(both("\"a" + escaped + "\"@x.test"), "syntax");
}

TEST(ParsePath, R5321_4_5_3_1_2_01_R5321_4_5_3_1_3_01_X_16_each_part_has_its_own_limit) {
  const std::string label(63, 'd');
  const std::string longest = label + "." + label + "." + label + "." + label;
  const std::string local(64, 'a');
  EXPECT_EQ(both("a@" + longest), "a@" + longest);
  EXPECT_EQ(both(local + "@" + longest), local + "@" + longest);
  EXPECT_EQ((local + "@" + longest).size(), mailbox_length_max - 2);
  EXPECT_EQ(both("a@" + label + "." + label + "." + label + "." + std::string(61, 'd') + ".dd"),
            "syntax");
  EXPECT_EQ(both("a@" + label + "d.test"), "syntax");
  EXPECT_EQ(both("a@" + label + ".test"), "a@" + label + ".test");
  // A path of exactly 256 octets with its brackets.
  const std::string domain189 = label + "." + label + "." + std::string(61, 'd');
  EXPECT_EQ(both(local + "@" + domain189), local + "@" + domain189);
}

TEST(ParsePath,
     R5321_4_1_3_01_R5321_4_1_3_02_R5321_4_1_3_05_R5321_4_1_3_06_address_literals_are_domains) {
  for (const char* literal : {"[192.0.2.1]", "[IPv6:2001:db8::1]", "[ipv6:::1]"}) {
    MailboxStorage storage;
    const std::string argument = "TO:<postmaster@"s + literal + ">";
    const Path path = parse_forward_path(argument, ascii_only, storage);
    EXPECT_EQ(path.error, PathError::none);
    EXPECT_TRUE(path.mailbox.literal);
    EXPECT_EQ(path.mailbox.domain, literal);
  }
  for (const char* literal : {"[192.0.2.1", "192.0.2.1]", "[2001:db8::1]", "[Foo:bar]", "[]",
                              "[192.0.2.1]x", "[192.0.2.1].test", "[192.0.2.1] "})
    EXPECT_EQ(both("a@"s + literal), "syntax") << literal;
}

TEST(ParsePath, UTF8_03_takes_utf8_where_a_mailbox_stands) {
  for (const char* address :
       {"\u03b4@example.test", "u@m\u00fcnchen.test", "\u03b4.x\u03b4@\u03b4\u03bf\u03ba.test",
        "\"\u03b4 x\"@example.test"}) {
    EXPECT_EQ(both(address, with_utf8), address);
    MailboxStorage storage;
    const std::string argument = "FROM:<"s + address + ">";
    EXPECT_TRUE(parse_reverse_path(argument, with_utf8, storage).mailbox.non_ascii);
  }
  EXPECT_EQ(both("\"\u03b4\"@example.test", with_utf8), "\u03b4@example.test");
  // The delimiters stay what they are, and a quoted-pair is ASCII.
  EXPECT_EQ(both("\u03b4..x@example.test", with_utf8), "syntax");
  EXPECT_EQ(both("\"\\\u03b4\"@example.test", with_utf8), "syntax");
  // A local-part's 64 octets are octets.
  std::string deltas;
  for (int i = 0; i < 32; ++i) deltas += "\u03b4";
  EXPECT_EQ(both(deltas + "@x.test", with_utf8), deltas + "@x.test");
  EXPECT_EQ(both(deltas + "a@x.test", with_utf8), "syntax");
}

TEST(ParsePath, UTF8_04_tells_an_internationalised_address_from_a_mistake) {
  for (const char* address : {"\u03b4@example.test", "u@m\u00fcnchen.test", "\"\u03b4 x\"@x.test",
                              "@m\u00fcnchen.test:u@x.test"})
    EXPECT_EQ(both(address), "not_ascii") << address;
  EXPECT_EQ(both("\u03b4@"), "syntax");
  // What it was is told all the same, for a caller that finds SMTPUTF8 among the parameters.
  MailboxStorage storage;
  const Path path = parse_reverse_path("FROM:<\u03b4@x.test> SMTPUTF8", ascii_only, storage);
  EXPECT_EQ(path.error, PathError::not_ascii);
  EXPECT_EQ(path.parameters, " SMTPUTF8");
  EXPECT_EQ(path.mailbox.local_part, "\u03b4");
}

TEST(ParsePath, UTF8_04_a_route_that_is_not_ascii_shows_in_the_mailbox) {
  MailboxStorage storage;
  const Path path = parse_reverse_path("FROM:<@m\u00fcnchen.test:u@x.test>", with_utf8, storage);
  EXPECT_EQ(path.error, PathError::none);
  EXPECT_TRUE(path.mailbox.non_ascii);
}

TEST(ParsePath, UTF8_05_refuses_malformed_utf8) {
  for (const char* octets : {"\xc0\x80", "\xed\xa0\x80", "\x80", "\xc3", "\xf4\x90\x80\x80",
                             "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xff", "\xc3\xc3"}) {
    EXPECT_EQ(both("a"s + octets + "@x.test", with_utf8), "malformed_utf8");
    EXPECT_EQ(both("a@x"s + octets + ".test"), "malformed_utf8");
    EXPECT_EQ(reverse("FROM:<a@x.test> X="s + octets), "malformed_utf8");
  }
}

TEST(ParsePath, UTF8_18_a_domain_that_idna_refuses_is_a_mistake) {
  // A hyphen at a label's end, a full-width solidus, a lone combining mark, an empty label.
  for (const char* domain : {"\u03b4-.test", "a\uff0fb\u03b4.test", "\u0301x.test", "\u03b4..test",
                             "\u03b4\u3002\u3002x"})
    EXPECT_EQ(both("a@"s + domain, with_utf8), "syntax") << domain;
}

TEST(UnquotedLocalPart, R5321_4_1_2_13_takes_quotes_and_backslashes_off) {
  for (const auto& [quoted, plain] :
       std::vector<std::pair<std::string, std::string>>{{"u", "u"},
                                                        {"\"a b\"", "a b"},
                                                        {"\"a\\\"b\"", "a\"b"},
                                                        {"\"a\\\\\"", "a\\"},
                                                        {"a\"", "a\""}}) {
    MailboxStorage storage;
    EXPECT_EQ(unquoted_local_part(quoted, storage), plain);
  }
}

std::string parameters_of(std::string_view text) {
  std::string shown_text;
  for (;;) {
    Parameter parameter;
    switch (next_parameter(text, parameter)) {
      case ParameterResult::end:
        return shown_text;
      case ParameterResult::syntax_error:
        return shown_text + "!";
      case ParameterResult::parameter:
        shown_text += "(" + std::string(parameter.keyword) +
                      (parameter.has_value ? "=" + std::string(parameter.value) : "") + ")";
    }
  }
}

TEST(NextParameter, R5321_4_1_2_02_R5321_4_1_2_03_takes_keywords_and_values) {
  EXPECT_EQ(parameters_of(""), "");
  EXPECT_EQ(parameters_of("  "), "");
  EXPECT_EQ(parameters_of(" SIZE=10"), "(SIZE=10)");
  EXPECT_EQ(parameters_of(" sIzE=10 BODY=8BITMIME SMTPUTF8"), "(sIzE=10)(BODY=8BITMIME)(SMTPUTF8)");
  EXPECT_EQ(parameters_of("  A  B=x "), "(A)(B=x)");
  EXPECT_EQ(parameters_of(" MT-PRIORITY=-3 8A"), "(MT-PRIORITY=-3)(8A)");
  EXPECT_EQ(parameters_of(" X=!<>~"), "(X=!<>~)");
}

TEST(NextParameter, R5321_4_1_2_02_R5321_4_1_2_03_R5321_4_1_2_04_refuses_other_shapes) {
  for (const char* text :
       {"SIZE=1", " -X=1", " SIZE=", " SIZE= 1", " SIZE=1=2", " =1", " X_Y", " X=\x7f", " X=\x01",
        " X\t", " X=\xc3\xa9", " \xc3\xa9", " X=a\tb", " =", " X,Y"})
    EXPECT_EQ(parameters_of(text).back(), '!') << text;
  EXPECT_EQ(parameters_of(" A\0"s), "!");
  EXPECT_EQ(parameters_of(" A=b\0"s), "!");
}

TEST(ParseSizeValue, SIZE_02_takes_1_to_20_digits) {
  std::uint64_t size = 1;
  EXPECT_TRUE(parse_size_value("0", size));
  EXPECT_EQ(size, 0u);
  EXPECT_TRUE(parse_size_value("00000000000000001000", size));
  EXPECT_EQ(size, 1000u);
  EXPECT_TRUE(parse_size_value("18446744073709551615", size));
  EXPECT_EQ(size, 18446744073709551615u);
  for (const char* beyond :
       {"18446744073709551616", "18446744073709551620", "99999999999999999999"}) {
    EXPECT_TRUE(parse_size_value(beyond, size));
    EXPECT_EQ(size, 18446744073709551615u) << beyond;
  }
  for (const char* text : {"", "000000000000000000001", "-1", "+5", "1k", " 1", "1 ", "0x1"})
    EXPECT_FALSE(parse_size_value(text, size)) << text;
  EXPECT_FALSE(parse_size_value("1\0"s, size));
}

std::string address_of(std::string_view literal) {
  std::array<std::uint8_t, 16> address;
  if (!address_literal_value(literal, address)) {
    EXPECT_FALSE(valid_address_literal(literal)) << literal;
    return "(invalid)";
  }
  EXPECT_TRUE(valid_address_literal(literal)) << literal;
  std::array<char, address_text_max> text;
  return {text.data(), write_address(address, text)};
}

TEST(AddressLiteral, R5321_4_1_3_01_ipv4) {
  EXPECT_EQ(address_of("[192.0.2.1]"), "192.0.2.1");
  EXPECT_EQ(address_of("[0.0.0.0]"), "0.0.0.0");
  EXPECT_EQ(address_of("[255.255.255.255]"), "255.255.255.255");
  EXPECT_EQ(address_of("[001.002.010.100]"), "1.2.10.100");
  for (const char* literal :
       {"[256.1.1.1]", "[1.2.3]", "[1.2.3.4.5]", "[1.2.3.]", "[.1.2.3]", "[1..2.3]", "[0001.2.3.4]",
        "[1.2.3.4 ]", "[ 1.2.3.4]", "[a.2.3.4]", "[-1.2.3.4]", "[]", "", "[", "]", "1.2.3.4",
        "[1.2.3.4", "[1.2.3.4]]", "[999.1.1.1]"})
    EXPECT_EQ(address_of(literal), "(invalid)") << literal;
}

TEST(AddressLiteral, R5321_4_1_3_02_R5321_4_1_3_03_R5321_4_1_3_04_X_13_ipv6) {
  for (const auto& [literal, text] : std::vector<std::pair<std::string, std::string>>{
           {"[IPv6:2001:db8::1]", "2001:db8::1"},
           {"[ipv6:::1]", "::1"},
           {"[IPV6:::]", "::"},
           {"[IPv6:1:2:3:4:5:6:7:8]", "1:2:3:4:5:6:7:8"},
           {"[IPv6:0001:0020:0300:4000:ABCD:ef01:7:8]", "1:20:300:4000:abcd:ef01:7:8"},
           {"[IPv6:1:2:3:4:5:6:7::]", "1:2:3:4:5:6:7:0"},
           {"[IPv6:::2:3:4:5:6:7:8]", "0:2:3:4:5:6:7:8"},
           {"[IPv6:1:2:3::5:6:7:8]", "1:2:3:0:5:6:7:8"},
           {"[IPv6:1::8]", "1::8"},
           {"[IPv6:::ffff:192.0.2.1]", "192.0.2.1"},
           {"[IPv6:1:2:3:4:5:6:192.0.2.1]", "1:2:3:4:5:6:c000:201"},
           {"[IPv6:1:2:3:4:5::192.0.2.1]", "1:2:3:4:5:0:c000:201"},
           {"[IPv6:::192.0.2.1]", "::c000:201"}})
    EXPECT_EQ(address_of(literal), text) << literal;
}

TEST(AddressLiteral, R5321_4_1_3_03_refuses_other_shapes_of_ipv6) {
  for (const char* inner : {"",
                            ":",
                            "1",
                            "1:2:3:4:5:6:7",
                            "1:2:3:4:5:6:7:8:9",
                            "1::2::3",
                            ":1::2",
                            "1::2:",
                            ":::",
                            "1:::2",
                            "1:2:3:4:5:6:7:8::",
                            "::1:2:3:4:5:6:7:8",
                            "1:2:3:4::5:6:7:8",
                            "12345::",
                            "g::",
                            "1:2:3:4:5:6:7:192.0.2.1",
                            "1:2:3:4:5:6::192.0.2.1",
                            "192.0.2.1",
                            "::192.0.2",
                            "::192.0.2.256",
                            "::192.0.2.1:1",
                            "fe80::1%eth0",
                            "::1 ",
                            " ::1",
                            "::0x1",
                            "1:2:3:4:5:6:7:",
                            ":1:2:3:4:5:6:7",
                            "::1.2.3.4.5",
                            "::a.2.3.4",
                            "::1234.1.1.1"})
    EXPECT_EQ(address_of("[IPv6:"s + inner + "]"), "(invalid)") << inner;
}

TEST(AddressLiteral, R5321_4_1_3_05_other_tags_and_none_are_refused) {
  for (const char* literal : {"[2001:db8::1]", "[Foo:bar]", "[IPv4:192.0.2.1]", "[IPv6 ::1]",
                              "[IPv6]", "[#123]", "[IPv6;::1]"})
    EXPECT_EQ(address_of(literal), "(invalid)") << literal;
}

TEST(WriteAddress, R5321_5_2_01_X_13_spells_ipv6_as_rfc_5952_says) {
  for (const auto& [literal, text] : std::vector<std::pair<std::string, std::string>>{
           {"[IPv6:2001:db8:0:0:1:0:0:1]", "2001:db8::1:0:0:1"},     // the first of equal runs
           {"[IPv6:2001:0:0:1:0:0:0:1]", "2001:0:0:1::1"},           // the longest run
           {"[IPv6:2001:db8:0:1:1:1:1:1]", "2001:db8:0:1:1:1:1:1"},  // no run of one
           {"[IPv6:1:0:0:0:0:0:0:0]", "1::"},
           {"[IPv6:0:0:0:0:0:0:0:0]", "::"},
           {"[IPv6:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}})
    EXPECT_EQ(address_of(literal), text);
}

TEST(WriteAddress, R5321_4_4_02_literals_have_tag_and_brackets) {
  for (const auto& [literal, text] : std::vector<std::pair<std::string, std::string>>{
           {"[ipv6:2001:DB8::1]", "[IPv6:2001:db8::1]"},
           {"[IPv6:::ffff:192.0.2.1]", "[192.0.2.1]"}}) {
    std::array<std::uint8_t, 16> address;
    ASSERT_TRUE(address_literal_value(literal, address));
    std::array<char, address_literal_text_max> out;
    EXPECT_EQ(std::string_view(out.data(), write_address_literal(address, out)), text);
  }
}

std::string canonical(std::string_view domain) {
  std::array<char, bounds::domain_length_max + 1> out;
  return {out.data(), canonical_domain(domain, out)};
}

TEST(CanonicalDomain, R5321_2_4_03_UTF8_18_is_lower_case_in_a_labels) {
  EXPECT_EQ(canonical("EXAMPLE.Test"), "example.test");
  EXPECT_EQ(canonical("m\u00fcnchen.test"), "xn--mnchen-3ya.test");
  EXPECT_EQ(canonical("M\u00dcNCHEN.Test"), "xn--mnchen-3ya.test");
  EXPECT_EQ(canonical("XN--MNCHEN-3YA.test"), "xn--mnchen-3ya.test");
  EXPECT_EQ(canonical("mu\u0308nchen.test"), "xn--mnchen-3ya.test");  // decomposed
  EXPECT_EQ(canonical("fa\u00df.test"), "xn--fa-hia.test");           // not "fass": IDNA2008
  EXPECT_EQ(canonical("[IPV6:2001:DB8:0::1]"), "[IPv6:2001:db8::1]");
}

TEST(CanonicalDomain, UTF8_03_has_no_form_for_labels_that_only_a_mapping_makes_valid) {
  for (const char* domain :
       {"example\u3002test", "m\u00fcnchen\uff0etest", "\uff45\uff58\uff41.test",
        "exa\u00admple.test", "ex\u200bample.test", "example\uff61m\u00fcnchen.test"})
    EXPECT_EQ(canonical(domain), "") << domain;
}

TEST(CanonicalDomain, has_no_form_for_what_is_no_name) {
  EXPECT_EQ(canonical(""), "");
  EXPECT_EQ(canonical("\u03b4\0x.test"s), "");
  EXPECT_EQ(canonical("\u03b4/x.test"), "");
  EXPECT_EQ(canonical("\xff.test"), "");
  EXPECT_EQ(canonical("[x]"), "");
  EXPECT_EQ(canonical(std::string(256, 'a')), "");
  std::string long_name;
  for (int i = 0; i < 100; ++i) long_name += "\u03b4.";
  EXPECT_EQ(canonical(long_name + "x"), "");  // fits as it is, not in A-labels
}

TEST(ValidUtf8, UTF8_05_knows_every_boundary) {
  for (const char* text :
       {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    const std::string whole = text;
    EXPECT_TRUE(valid_utf8(whole));
    EXPECT_TRUE(valid_utf8("a" + whole + "b"));
    if (whole.size() > 1) {
      for (std::size_t size = 1; size < whole.size(); ++size) {
        EXPECT_FALSE(valid_utf8(whole.substr(0, size)));
        EXPECT_FALSE(valid_utf8(whole.substr(size)));
        EXPECT_FALSE(valid_utf8(whole.substr(0, size) + "a"));
      }
    }
  }
  for (int first = 0x80; first < 256; ++first)
    EXPECT_FALSE(valid_utf8(std::string(1, static_cast<char>(first))));
  for (const char* text :
       {"\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc2\xc0", "\xe1\x80\xc0"})
    EXPECT_FALSE(valid_utf8(text));
}

}  // namespace
}  // namespace gatepost::smtp
