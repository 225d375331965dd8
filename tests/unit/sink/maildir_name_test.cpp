#include "sink/maildir_name.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace gatepost {
namespace {

bool nobody_lives(std::uint32_t) {
  return false;
}
bool all_live(std::uint32_t) {
  return true;
}

TEST(MaildirName, R5321_2_4_02_keeps_case_of_the_local_part) {
  EXPECT_EQ(encode_component("MiXeD"), "MiXeD");
}

TEST(MaildirName, D14_encodes_what_could_leave_the_directory) {
  EXPECT_EQ(encode_component(".."), "%2E.");
  EXPECT_EQ(encode_component("."), "%2E");
  EXPECT_EQ(encode_component("../../x"), "%2E.%2F..%2Fx");
  EXPECT_EQ(encode_component("a/b"), "a%2Fb");
  EXPECT_EQ(encode_component(";id"), "%3Bid");
  EXPECT_EQ(encode_component("`x`"), "%60x%60");
  EXPECT_EQ(encode_component("-o"), "%2Do");
  EXPECT_EQ(encode_component(std::string("a\0b", 3)), "a%00b");
  EXPECT_EQ(encode_component("100%"), "100%25");
  EXPECT_EQ(encode_component("\r\n\x7f\xff"), "%0D%0A%7F%FF");
  EXPECT_EQ(encode_component("a@b"), "a%40b");
  EXPECT_EQ(encode_component("[IPv6:::1]"), "%5BIPv6%3A%3A%3A1%5D");
}

TEST(MaildirName, keeps_what_is_harmless) {
  EXPECT_EQ(encode_component("first.last+tag=x_y-z"), "first.last+tag=x_y-z");
}

TEST(MaildirName, gives_the_empty_local_part_a_name) {
  EXPECT_EQ(encode_component(""), "%");
  EXPECT_EQ(decode_component("%"), "");
}

TEST(MaildirName, every_octet_comes_back_alone_in_front_and_behind) {
  std::set<std::string> names;
  for (int octet = 0; octet < 256; ++octet) {
    const std::string one(1, static_cast<char>(octet));
    for (const std::string& value : {one, "a" + one, one + "a", one + one}) {
      const std::string name = encode_component(value);
      EXPECT_EQ(decode_component(name), value);
      EXPECT_EQ(name.find('/'), std::string::npos);
      EXPECT_EQ(name.find('\0'), std::string::npos);
      EXPECT_NE(name.front(), '.');
      names.insert(name);
    }
  }
  // "aa" comes three times: "a" + "a" twice, and one + one.
  EXPECT_EQ(names.size(), 4u * 256 - 2);
}

TEST(MaildirName, decoding_refuses_what_encoding_never_writes) {
  for (const char* name : {"", "%2", "%zz", "%2e", "%41", "a/b", ".a", "a%2Eb", "x%", "%~00"}) {
    EXPECT_FALSE(decode_component(name).has_value()) << name;
  }
}

TEST(MaildirName, shortens_long_names_and_keeps_them_apart) {
  std::set<std::string> names;
  for (std::size_t length = 200; length <= 700; ++length) {
    const std::string name = encode_component(std::string(length, 'a'));
    EXPECT_LE(name.size(), component_length_max);
    EXPECT_EQ(length <= 255, decode_component(name).has_value()) << length;
    names.insert(name);
  }
  EXPECT_EQ(names.size(), 501u);
}

TEST(MaildirName, does_not_cut_an_escape_in_two) {
  for (std::size_t plain = 0; plain < 3; ++plain) {
    std::string value(plain, 'a');
    value.append(200, '\xFF');
    const std::string name = encode_component(value);
    const std::size_t suffix = name.find("%~");
    ASSERT_NE(suffix, std::string::npos);
    EXPECT_EQ((suffix - plain) % 3, 0u) << name;
  }
}

TEST(MaildirName, R5321_2_4_02_local_parts_of_full_length_are_never_shortened) {
  EXPECT_TRUE(decode_component(encode_component(std::string(64, '\xFF'))).has_value());
}

ProcessIdentity identity() {
  return {"mx.example.org", 4242, "CCCCCCCCAAAAAAAA00000001", "12345678"};
}

MessageId id_of(std::string_view text) {
  MessageId id;
  std::copy(text.begin(), text.end(), id.text.begin());
  return id;
}

TEST(MaildirFileName, carries_time_writer_id_and_host) {
  std::string name;
  append_file_name(name, identity(), 1'700'000'000'000'007, 5, id_of("0123456789ABCDEF"));
  EXPECT_EQ(name,
            "1700000000.M000007P4242Q5XCCCCCCCCAAAAAAAA00000001R12345678_0123456789ABCDEF."
            "mx.example.org");
}

TEST(MaildirFileName, encodes_a_hostile_host_name) {
  EXPECT_EQ(ProcessIdentity::current("a/b:c,d\x01").host, "a\\057b\\072c\\054d\\001");
}

TEST(MaildirFileName, all_shards_of_a_process_are_one_writer) {
  const ProcessIdentity one = ProcessIdentity::current("h");
  const ProcessIdentity two = ProcessIdentity::current("h");
  EXPECT_EQ(one.life, two.life);
  EXPECT_EQ(one.system, two.system);
  EXPECT_EQ(one.system.size(), 24u);
  EXPECT_EQ(one.life.size(), 8u);
}

std::string written_by(const ProcessIdentity& writer) {
  std::string name;
  append_file_name(name, writer, 1'700'000'000'000'007, 5, id_of("0123456789ABCDEF"));
  return name;
}

TEST(StaleTemporary, our_own_files_are_not) {
  EXPECT_FALSE(is_stale_temporary(written_by(identity()), identity(), 10, nobody_lives));
}

TEST(StaleTemporary, files_of_a_process_that_ended_are) {
  ProcessIdentity other = identity();
  other.pid = 99;
  EXPECT_TRUE(is_stale_temporary(written_by(other), identity(), 0, nobody_lives));
  EXPECT_FALSE(is_stale_temporary(written_by(other), identity(), 0, all_live));
  EXPECT_FALSE(is_stale_temporary(written_by(other) + ",S=5", identity(), 0, all_live));
  EXPECT_TRUE(is_stale_temporary(written_by(other) + ",S=5", identity(), 0, nobody_lives));
}

TEST(StaleTemporary, files_of_an_earlier_process_with_our_pid_are) {
  ProcessIdentity earlier = identity();
  earlier.life = "00000000";
  EXPECT_TRUE(is_stale_temporary(written_by(earlier), identity(), 0, all_live));
}

TEST(StaleTemporary, files_from_before_the_boot_are) {
  ProcessIdentity earlier = identity();
  earlier.system = "CCCCCCCCBBBBBBBB00000001";
  EXPECT_TRUE(is_stale_temporary(written_by(earlier), identity(), 0, all_live));
}

TEST(StaleTemporary, files_of_other_hosts_and_containers_are_left_for_36_hours) {
  ProcessIdentity container = identity();
  container.system = "CCCCCCCCAAAAAAAA00000002";
  ProcessIdentity machine = identity();  // behind the same SMTP name
  machine.system = "DDDDDDDDBBBBBBBB00000001";
  ProcessIdentity host = identity();
  host.host = "other.example.org";
  for (const std::string& name :
       {written_by(container), written_by(machine), written_by(host),
        std::string("1700000000.1.other"), std::string("x"), std::string()}) {
    EXPECT_FALSE(is_stale_temporary(name, identity(), 36 * 3600, nobody_lives)) << name;
    EXPECT_TRUE(is_stale_temporary(name, identity(), 36 * 3600 + 1, nobody_lives)) << name;
  }
}

TEST(StaleTemporary, every_prefix_of_a_name_is_taken_for_foreign) {
  ProcessIdentity other = identity();
  other.pid = 99;
  const std::string whole = written_by(other);
  const std::size_t host = whole.size() - other.host.size();
  for (std::size_t length = 0; length < host; ++length) {
    EXPECT_FALSE(is_stale_temporary(whole.substr(0, length), identity(), 0, nobody_lives));
  }
}

}  // namespace
}  // namespace gatepost
