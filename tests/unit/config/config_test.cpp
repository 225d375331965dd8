#include "config/config.hpp"

#include <gtest/gtest.h>

namespace gatepost::config {
namespace {

bool overlap_of(const std::string& a, const std::string& b) {
  const bool answer = overlap({a, 25}, {b, 25});
  EXPECT_EQ(overlap({b, 25}, {a, 25}), answer) << a << " " << b;
  return answer;
}

TEST(ListenAddresses, every_address_overlaps_with_any) {
  for (const char* other : {"*", "0.0.0.0", "127.0.0.1", "::", "::1"})
    EXPECT_TRUE(overlap_of("*", other)) << other;
}

TEST(ListenAddresses, the_ipv6_wildcard_takes_ipv4_too_and_that_of_ipv4_no_ipv6) {
  EXPECT_TRUE(overlap_of("::", "192.0.2.1"));
  EXPECT_TRUE(overlap_of("::", "2001:db8::1"));
  EXPECT_TRUE(overlap_of("0.0.0.0", "192.0.2.1"));
  EXPECT_TRUE(overlap_of("0.0.0.0", "::ffff:192.0.2.1"));
  EXPECT_FALSE(overlap_of("0.0.0.0", "::1"));
  EXPECT_FALSE(overlap_of("0.0.0.0", "2001:db8::1"));
  // None of these is an IPv4 address, though most of their octets are those of 0.0.0.0.
  for (const char* six : {"1::ffff:0:0", "0:0:1::ffff:0:0", "::fffe:0:0", "::1:0:0"})
    for (const char* four : {"192.0.2.1", "0.0.0.0"}) EXPECT_FALSE(overlap_of(six, four)) << six;
}

TEST(ListenAddresses, one_address_in_two_spellings_is_the_same) {
  EXPECT_TRUE(overlap_of("2001:db8::1", "2001:db8:0:0:0:0:0:1"));
  EXPECT_TRUE(overlap_of("192.0.2.1", "::ffff:192.0.2.1"));
  // They differ in one of the four words that the kernel compares.
  for (const char* other : {"2001:db9::1", "2001:db8:1::1", "2001:db8::1:0:1", "2001:db8::2"})
    EXPECT_FALSE(overlap_of("2001:db8::1", other)) << other;
}

TEST(ListenAddresses, on_two_ports_nothing_overlaps) {
  EXPECT_FALSE(overlap({"*", 25}, {"*", 26}));
}

}  // namespace
}  // namespace gatepost::config
