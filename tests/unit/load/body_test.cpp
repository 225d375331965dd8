#include "load/body.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "load/hash.hpp"
#include "load/stored_message.hpp"

namespace gatepost::load {
namespace {

const BodyText& text() {
  static const BodyText shared(1);
  return shared;
}

Composer composer(unsigned thread = 0, std::uint64_t seed = 9) {
  return Composer(text(), "run1", thread, "load.invalid", "a@example.org",
                  "Tue, 24 Nov 2026 00:00:00 +0000", seed);
}

std::string whole(const Content& content, Form form) {
  std::string octets = content.header;
  text().for_each_piece(content.body, form, [&](std::string_view piece) { octets += piece; });
  return octets;
}

std::string lf(const std::string& octets) {
  std::string out;
  for (char c : octets)
    if (c != '\r') out += c;
  return out;
}

// Takes off one dot in front of each line (RFC 5321 §4.5.2), as a server does.
std::string unstuffed(const std::string& octets) {
  std::string out;
  bool at_start = true;
  for (char c : octets) {
    if (!(at_start && c == '.')) out += c;
    at_start = c == '\n';
  }
  return out;
}

TEST(LoadBody, R5321_2_3_8_04_has_no_bare_CR_or_LF_and_only_7_bit) {
  Composer make = composer();
  Content content;
  for (std::uint64_t size : {1u, 500u, 4096u, 70'000u, 500'000u}) {
    make.compose(size, content);
    for (Form form : {Form::plain, Form::stuffed}) {
      std::string octets = whole(content, form);
      for (std::size_t i = 0; i < octets.size(); ++i) {
        if (octets[i] == '\n') {
          ASSERT_EQ(octets[i - 1], '\r') << i;
        }
        if (octets[i] == '\r') {
          ASSERT_EQ(octets[i + 1], '\n') << i;
        }
        ASSERT_TRUE(octets[i] == '\r' || octets[i] == '\n' || octets[i] == '\t' ||
                    (octets[i] >= ' ' && octets[i] < 127));
      }
      ASSERT_TRUE(octets.ends_with("\r\n"));
    }
  }
}

TEST(LoadBody, R5321_4_5_2_05_doubles_leading_dots) {
  Composer make = composer();
  Content content;
  make.compose(300'000, content);  // more than the shared text: every line of it occurs
  std::string plain = whole(content, Form::plain), stuffed = whole(content, Form::stuffed);
  EXPECT_NE(plain.find("\r\n.\r\n"), std::string::npos) << "a lone dot must be among the lines";
  EXPECT_NE(plain.find("\r\n..\r\n"), std::string::npos);
  EXPECT_EQ(stuffed.find("\r\n.\r\n"), std::string::npos);
  EXPECT_EQ(unstuffed(stuffed), plain);
  EXPECT_GT(stuffed.size(), plain.size());
}

TEST(LoadBody, has_exactly_the_size_asked_for) {
  Composer make = composer();
  Content content;
  make.compose(0, content);
  std::uint64_t least = content.size;
  EXPECT_LT(least, 600u);
  for (std::uint64_t size = least; size < least + 400; ++size) {
    make.compose(size, content);
    ASSERT_EQ(content.size, size);
    ASSERT_EQ(whole(content, Form::plain).size(), size);
  }
  for (std::uint64_t size : {4096u, 65'536u, 196'608u, 196'609u, 1u << 20, 5'000'001u}) {
    make.compose(size, content);
    ASSERT_EQ(whole(content, Form::plain).size(), size);
  }
}

TEST(LoadBody, lines_are_no_longer_than_RFC_5322_wants) {
  Composer make = composer();
  Content content;
  make.compose(400'000, content);
  std::string octets = whole(content, Form::plain);
  std::size_t begin = octets.find("\r\n\r\n") + 4, longest = 0;
  while (begin < octets.size()) {
    auto end = octets.find("\r\n", begin);
    longest = std::max(longest, end - begin);
    begin = end + 2;
  }
  EXPECT_LE(longest, 78u);
  EXPECT_GE(longest, 60u);
}

TEST(LoadBody, R5321_4_4_16_sends_no_Return_Path) {
  Composer make = composer();
  Content content;
  make.compose(4096, content);
  EXPECT_TRUE(content.header.starts_with(id_field));
  EXPECT_EQ(content.header.find("Return-Path"), std::string::npos);
  EXPECT_EQ(content.header.find("\r\n\r\n"), content.header.size() - 4) << "one header section";
}

TEST(LoadBody, every_message_is_another) {
  Composer one = composer(0), other = composer(1, 10);
  Content content;
  std::set<std::string> ids, hashes;
  for (int i = 0; i < 500; ++i) {
    (i % 2 == 0 ? one : other).compose(2000, content);
    ids.insert(content.id);
    hashes.insert(content_hash(text(), content));
    EXPECT_NE(content.header.find("Message-ID: <" + content.id + "@"), std::string::npos);
  }
  EXPECT_EQ(ids.size(), 500u);
  EXPECT_EQ(hashes.size(), 500u);
}

TEST(LoadBody, the_hash_is_that_of_the_stored_form) {
  Composer make = composer();
  Content content;
  for (std::uint64_t size : {100u, 4096u, 300'000u}) {
    make.compose(size, content);
    std::string plain = whole(content, Form::plain);
    EXPECT_EQ(lf(plain),
              lf(content.header) + whole(content, Form::stored).substr(content.header.size()));
    ContentHash hash;
    hash.update(lf(plain));
    EXPECT_EQ(content_hash(text(), content), hash.hex());
    for (const std::string& stored : {plain, lf(plain)}) {
      StoredMessage read = read_stored(stored);
      EXPECT_EQ(read.hash, hash.hex());
      EXPECT_EQ(read.size, size > content.size ? size : content.size);
      EXPECT_EQ(read.id, content.id);
      EXPECT_FALSE(read.mixed_ends);
    }
  }
}

TEST(LoadBody, the_same_seed_makes_the_same) {
  BodyText again(1);
  Composer one = composer();
  Composer other(again, "run1", 0, "load.invalid", "a@example.org",
                 "Tue, 24 Nov 2026 00:00:00 +0000", 9);
  Content a, b;
  for (int i = 0; i < 20; ++i) {
    one.compose(10'000, a);
    other.compose(10'000, b);
    EXPECT_EQ(content_hash(text(), a), content_hash(again, b));
  }
}

// The value that XXH3-128 gives for no octets at all, from the xxHash project's specification.
TEST(LoadBody, the_hash_is_XXH3_128) {
  EXPECT_EQ(ContentHash().hex(), "99aa06d3014798d86001c324468d497f");
}

TEST(LoadStored, trace_fields_on_top_are_the_servers_own) {
  std::string content = "X-Gatepost-Load: id-1\nSubject: x\n\nReceived: not a field\nbody\n";
  StoredMessage bare = read_stored(content);
  StoredMessage traced = read_stored(
      "Return-Path: <a@b>\nReceived: from x\n\tby y;\n now\nReceived: from z\n" + content);
  EXPECT_EQ(traced.id, "id-1");
  EXPECT_EQ(traced.hash, bare.hash);
  EXPECT_EQ(traced.size, bare.size);
  EXPECT_EQ(read_stored("Delivered-To: x\n" + content).id, "") << "only trace fields may be on top";
  EXPECT_EQ(read_stored(" folded\n" + content).id, "");
  EXPECT_EQ(read_stored("").id, "");
  EXPECT_EQ(read_stored("Received: cut").id, "");
}

TEST(LoadStored, sees_mixed_line_ends_and_every_changed_octet) {
  std::string content = "X-Gatepost-Load: id-1\r\n\r\nbody\r\nmore\r\n";
  EXPECT_FALSE(read_stored(content).mixed_ends);
  std::string mixed = content;
  mixed.erase(mixed.rfind('\r'), 1);
  EXPECT_TRUE(read_stored(mixed).mixed_ends);
  std::string hash = read_stored(content).hash;
  for (std::size_t i = 25; i < content.size(); ++i) {
    std::string changed = content;
    changed[i] ^= 1;
    EXPECT_NE(read_stored(changed).hash, hash) << i;
  }
}

}  // namespace
}  // namespace gatepost::load
