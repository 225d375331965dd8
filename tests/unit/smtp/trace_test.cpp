#include "smtp/trace.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>
#include <string>
#include <string_view>

namespace gatepost::smtp {
namespace {

// Sets the zone of the process for one test.
class Zone {
 public:
  explicit Zone(const char* zone) {
    if (const char* before = std::getenv("TZ"); before != nullptr) before_ = before;
    setenv("TZ", zone, 1);
    tzset();
  }
  ~Zone() {
    if (before_.empty())
      unsetenv("TZ");
    else
      setenv("TZ", before_.c_str(), 1);
    tzset();
  }

 private:
  std::string before_;
};

constexpr WallUs second = 1'000'000;
constexpr WallUs moment = 1795475556 * second;  // 2026-11-23 23:12:36 UTC

std::string date_of(WallUs at) {
  DateTimeWriter writer;
  return std::string(writer.text(at));
}

TEST(DateTimeWriter, R5321_4_4_10_R5321_F_5_01_numeric_local_zone_and_four_digit_year) {
  {
    const Zone zone("UTC0");
    EXPECT_EQ(date_of(moment), "Mon, 23 Nov 2026 23:12:36 +0000");
    EXPECT_EQ(date_of(1772323199 * second + 999'999), "Sat, 28 Feb 2026 23:59:59 +0000");
    EXPECT_EQ(date_of(1772323200 * second), "Sun, 01 Mar 2026 00:00:00 +0000");
  }
  {
    const Zone zone("EST5");
    EXPECT_EQ(date_of(moment), "Mon, 23 Nov 2026 18:12:36 -0500");
  }
  {
    const Zone zone("IST-5:30");
    EXPECT_EQ(date_of(moment), "Tue, 24 Nov 2026 04:42:36 +0530");
  }
  {
    const Zone zone("NST3:30");
    EXPECT_EQ(date_of(moment), "Mon, 23 Nov 2026 19:42:36 -0330");
  }
}

TEST(DateTimeWriter, follows_the_clock_and_the_zone_from_second_to_second) {
  const Zone zone("CET-1CEST,M3.5.0,M10.5.0/3");
  DateTimeWriter writer;
  const WallUs change = 1792890000 * second;  // 2026-10-25 01:00:00 UTC
  EXPECT_EQ(writer.text(change - 1), "Sun, 25 Oct 2026 02:59:59 +0200");
  EXPECT_EQ(writer.text(change), "Sun, 25 Oct 2026 02:00:00 +0100");
  EXPECT_EQ(writer.text(change + second - 1), "Sun, 25 Oct 2026 02:00:00 +0100");
  EXPECT_EQ(writer.text(change + second), "Sun, 25 Oct 2026 02:00:01 +0100");
  EXPECT_EQ(writer.text(change - 1), "Sun, 25 Oct 2026 02:59:59 +0200");  // the clock was set back
}

std::array<std::uint8_t, 16> address(std::string_view literal) {
  std::array<std::uint8_t, 16> octets{};
  EXPECT_TRUE(address_literal_value(literal, octets)) << literal;
  return octets;
}

TraceFields example() {
  TraceFields fields;
  fields.helo = "client.test";
  fields.peer_address = address("[192.0.2.9]");
  fields.protocol = "ESMTP";
  fields.id = "0A1B2C3D4E5F6G7H";
  fields.only_recipient = "u@example.org";
  fields.received_at = moment;
  return fields;
}

// What is true of every field that is written.
void expect_well_formed(std::string_view field) {
  EXPECT_LE(field.size(), received_field_size_max);
  ASSERT_TRUE(field.ends_with("\r\n"));
  std::string_view rest = field;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    ASSERT_NE(end, rest.npos);
    const std::string_view line = rest.substr(0, end + 1);
    EXPECT_TRUE(line.ends_with("\r\n"));
    EXPECT_LE(line.size(), 1000u);
    EXPECT_EQ(line.find('\r'), line.size() - 2);
    if (line.data() != field.data()) {
      EXPECT_EQ(line[0], '\t');
      EXPECT_NE(line[1], '\r') << "a line of white space only";
    }
    rest.remove_prefix(end + 1);
  }
}

std::string received(const TraceFields& fields, std::string_view hostname = "mx.example.org",
                     std::string_view software = "Gatepost") {
  const Zone zone("UTC0");
  TraceWriter writer(hostname, software);
  ReceivedBuffer buffer;
  const std::string field(writer.write_received(fields, buffer));
  expect_well_formed(field);
  return field;
}

TEST(TraceWriter, R5321_4_4_02_R5321_4_4_04_R5321_4_4_05_R5321_4_4_21_writes_each_clause_in_order) {
  EXPECT_EQ(received(example()),
            "Received: from client.test ([192.0.2.9])\r\n"
            "\tby mx.example.org (Gatepost) with ESMTP id 0A1B2C3D4E5F6G7H\r\n"
            "\tfor <u@example.org>; Mon, 23 Nov 2026 23:12:36 +0000\r\n");
}

TEST(TraceWriter, R5321_4_4_08_R5321_7_6_01_no_for_clause_without_an_only_recipient) {
  TraceFields fields = example();
  fields.only_recipient = {};
  EXPECT_EQ(received(fields),
            "Received: from client.test ([192.0.2.9])\r\n"
            "\tby mx.example.org (Gatepost) with ESMTP id 0A1B2C3D4E5F6G7H;\r\n"
            "\tMon, 23 Nov 2026 23:12:36 +0000\r\n");
}

TEST(TraceWriter, R5321_7_5_01_the_software_is_left_out_when_there_is_no_name) {
  EXPECT_NE(received(example(), "mx.example.org", "").find("by mx.example.org with ESMTP"),
            std::string::npos);
}

TEST(TraceWriter, R5321_4_4_03_R5321_5_2_01_the_address_is_that_of_the_socket) {
  TraceFields fields = example();
  fields.helo = "[192.0.2.1]";
  EXPECT_TRUE(received(fields).starts_with("Received: from [192.0.2.1] ([192.0.2.9])\r\n"));
  fields.peer_address = address("[IPv6:2001:DB8:0:0:0:0:0:1]");
  EXPECT_TRUE(received(fields).starts_with("Received: from [192.0.2.1] ([IPv6:2001:db8::1])\r\n"));
  fields.peer_address = address("[IPv6:::ffff:198.51.100.7]");
  EXPECT_TRUE(received(fields).starts_with("Received: from [192.0.2.1] ([198.51.100.7])\r\n"));
  fields.peer_address = address("[IPv6:::1]");
  EXPECT_TRUE(received(fields).starts_with("Received: from [192.0.2.1] ([IPv6:::1])\r\n"));
}

TEST(TraceWriter, R5321_4_4_06_names_the_protocol_it_is_given) {
  TraceFields fields = example();
  for (const char* protocol : {"SMTP", "ESMTP", "ESMTPS", "UTF8SMTP", "UTF8SMTPS"}) {
    fields.protocol = protocol;
    EXPECT_NE(received(fields).find(" with " + std::string(protocol) + " id "), std::string::npos);
  }
}

TEST(TraceWriter, UTF8_13_with_smtputf8_domains_are_u_labels) {
  TraceFields fields = example();
  fields.smtputf8 = true;
  fields.helo = "xn--mnchen-3ya.test";
  fields.only_recipient = "\u03b4@xn--mnchen-3ya.test";
  const std::string field = received(fields, "MX.XN--MNCHEN-3YA.test");
  EXPECT_NE(field.find("from m\u00fcnchen.test (["), std::string::npos) << field;
  EXPECT_NE(field.find("for <\u03b4@m\u00fcnchen.test>;"), std::string::npos) << field;
  EXPECT_NE(field.find("m\u00fcnchen.test (Gatepost)"), std::string::npos) << field;
}

TEST(TraceWriter, UTF8_13_an_address_that_has_u_labels_keeps_them) {
  TraceFields fields = example();
  fields.smtputf8 = true;
  fields.only_recipient = "u@m\u00fcnchen.test";
  EXPECT_NE(received(fields).find("for <u@m\u00fcnchen.test>;"), std::string::npos);
}

TEST(TraceWriter, UTF8_14_without_smtputf8_there_is_nothing_but_ascii) {
  TraceFields fields = example();
  fields.helo = "xn--mnchen-3ya.test";
  for (const char* recipient : {"u@m\u00fcnchen.test", "\u03b4@x.test", "u@xn--mnchen-3ya.test"}) {
    fields.only_recipient = recipient;
    const std::string field = received(fields, "xn--mnchen-3ya.test");
    for (char c : field) EXPECT_LT(static_cast<unsigned char>(c), 0x80u);
    EXPECT_NE(field.find("from xn--mnchen-3ya.test"), std::string::npos);
  }
}

TEST(TraceWriter, UTF8_13_a_label_that_is_no_a_label_stays_as_it_is) {
  TraceFields fields = example();
  fields.smtputf8 = true;
  for (const char* helo :
       {"xn--a.test", "xn--.test", "xn--99999999.test", "axn--b.test", "xn--mnchen-3ya_.test"}) {
    fields.helo = helo;
    EXPECT_NE(received(fields).find("from " + std::string(helo) + " "), std::string::npos) << helo;
  }
}

TEST(TraceWriter, long_names_are_folded_and_fit) {
  const std::string label(63, 'd');
  const std::string domain = label + "." + label + "." + label + "." + label;
  const std::string recipient = "\"" + std::string(63, 'a') + " \"@" + domain;
  ASSERT_EQ(recipient.size(), mailbox_length_max);
  TraceFields fields = example();
  fields.helo = domain;
  fields.peer_address = address("[IPv6:ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]");
  fields.only_recipient = recipient;
  const std::string protocol(trace_protocol_length_max, 'P');
  const std::string id(trace_id_length_max, 'I');
  fields.protocol = protocol;
  fields.id = id;
  const std::string field = received(fields, domain, std::string(software_length_max, 'S'));
  for (const std::string& part : {domain, recipient, protocol, id})
    EXPECT_NE(field.find(part), std::string::npos);
  EXPECT_GT(field.size(), received_field_size_max - 40) << "the bound is far from what is needed";
}

TEST(TraceWriter, usual_names_stay_within_78_octets_a_line) {
  TraceFields fields = example();
  fields.helo = "mail-sor-f41.a-rather-long-name.customer.example.net";
  fields.peer_address = address("[IPv6:2001:db8:1234:5678:9abc:def0:1234:5678]");
  fields.only_recipient = "firstname.lastname+tag@department.example.org";
  const std::string field = received(fields, "mx17.frankfurt.mail.example.org");
  for (std::size_t begin = 0; begin < field.size();) {
    const std::size_t end = field.find("\r\n", begin);
    EXPECT_LE(end - begin, 78u) << field;
    begin = end + 2;
  }
}

TEST(WriteReturnPath, R5321_4_4_11_holds_the_reverse_path_in_one_line) {
  ReturnPathBuffer buffer;
  EXPECT_EQ(write_return_path("", buffer), "Return-Path: <>\r\n");
  EXPECT_EQ(write_return_path("a@b.test", buffer), "Return-Path: <a@b.test>\r\n");
  const std::string longest(mailbox_length_max, 'a');
  EXPECT_EQ(write_return_path(longest, buffer), "Return-Path: <" + longest + ">\r\n");
}

TEST(TraceWriterDeathTest, what_breaks_the_field_is_a_defect_of_ours) {
  EXPECT_DEATH(TraceWriter("mx.example.org", "a)b"), "");
  EXPECT_DEATH(TraceWriter("mx example", ""), "");
  EXPECT_DEATH(TraceWriter("mx.example.org", std::string(software_length_max + 1, 'S')), "");
}

}  // namespace
}  // namespace gatepost::smtp
