#include "policy/admission.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string_view>
#include <thread>

#include "smtp/path.hpp"

namespace gatepost::policy {
namespace {

Address address(std::string_view literal) {
  Address octets{};
  EXPECT_TRUE(smtp::address_literal_value(literal, octets)) << literal;
  return octets;
}

TEST(Network, contains_the_addresses_that_share_its_prefix) {
  // An IPv4 prefix is 96 bits longer here.
  const Network v4{address("[192.0.2.128]"), 96 + 25};
  EXPECT_TRUE(v4.contains(address("[192.0.2.128]")));
  EXPECT_TRUE(v4.contains(address("[192.0.2.255]")));
  EXPECT_FALSE(v4.contains(address("[192.0.2.127]")));
  EXPECT_FALSE(v4.contains(address("[192.0.3.128]")));
  EXPECT_FALSE(v4.contains(address("[IPv6:::192.0.2.128]")))
      << "IPv4-compatible is not IPv4-mapped";

  const Network v6{address("[IPv6:2001:db8:1000::]"), 36};
  EXPECT_TRUE(v6.contains(address("[IPv6:2001:db8:1fff:ffff::1]")));
  EXPECT_FALSE(v6.contains(address("[IPv6:2001:db8:2000::]")));
}

TEST(Network, every_prefix_length_ends_where_it_says) {
  const Address base = address("[IPv6:aaaa:5555:aaaa:5555:aaaa:5555:aaaa:5555]");
  for (unsigned bits = 0; bits <= 128; ++bits) {
    const Network network{base, bits};
    EXPECT_TRUE(network.contains(base)) << bits;
    for (unsigned flipped = 0; flipped < 128; ++flipped) {
      Address other = base;
      other[flipped / 8] = static_cast<std::uint8_t>(other[flipped / 8] ^ (0x80u >> flipped % 8));
      EXPECT_EQ(network.contains(other), flipped >= bits) << bits << " bits, bit " << flipped;
    }
  }
}

TEST(ClientRules, R5321_3_1_02_any_network_of_a_list_matches) {
  const std::vector<Network> networks = {{address("[192.0.2.0]"), 120},
                                         {address("[IPv6:2001:db8::]"), 32}};
  EXPECT_TRUE(ClientRules::matches(networks, address("[192.0.2.7]")));
  EXPECT_TRUE(ClientRules::matches(networks, address("[IPv6:2001:db8::7]")));
  EXPECT_FALSE(ClientRules::matches(networks, address("[198.51.100.7]")));
  EXPECT_FALSE(ClientRules::matches({}, address("[192.0.2.7]")));
}

using Verdict = ConnectionCounts::Verdict;

TEST(ConnectionCounts, E11_limits_each_client_for_itself) {
  ConnectionCounts counts({.per_client = 2});
  const Address a = address("[192.0.2.1]"), b = address("[192.0.2.2]");
  EXPECT_EQ(counts.enter(a), Verdict::entered);
  EXPECT_EQ(counts.enter(a), Verdict::entered);
  EXPECT_EQ(counts.enter(a), Verdict::client_full);
  EXPECT_EQ(counts.enter(b), Verdict::entered);
  counts.leave(a);
  EXPECT_EQ(counts.enter(a), Verdict::entered);
  EXPECT_EQ(counts.enter(a), Verdict::client_full);
}

TEST(ConnectionCounts, E11_0_is_no_limit_for_a_client) {
  ConnectionCounts counts({.per_client = 0});
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(counts.enter(address("[192.0.2.1]")), Verdict::entered);
  counts.leave(address("[192.0.2.1]"));
}

TEST(ConnectionCounts, limits_all_clients_together_and_counts_nobody_who_was_refused) {
  ConnectionCounts counts({.connections = 3, .per_client = 2});
  const Address a = address("[192.0.2.1]"), b = address("[192.0.2.2]");
  EXPECT_EQ(counts.enter(a), Verdict::entered);
  EXPECT_EQ(counts.enter(a), Verdict::entered);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(counts.enter(a), Verdict::client_full);
  EXPECT_EQ(counts.enter(b), Verdict::entered);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(counts.enter(b), Verdict::process_full);
  counts.leave(b);
  EXPECT_EQ(counts.enter(b), Verdict::entered);
}

TEST(ConnectionCounts, an_ipv6_client_is_a_network) {
  ConnectionCounts counts({.per_client = 1, .ipv6_client_prefix_bits = 84});
  EXPECT_EQ(counts.enter(address("[IPv6:2001:db8::1]")), Verdict::entered);
  EXPECT_EQ(counts.enter(address("[IPv6:2001:db8::fff:ffff:ffff]")), Verdict::client_full);
  EXPECT_EQ(counts.enter(address("[IPv6:2001:db8::1000:0:1]")), Verdict::entered);
  counts.leave(address("[IPv6:2001:db8::2]"));
  EXPECT_EQ(counts.enter(address("[IPv6:2001:db8::3]")), Verdict::entered);
  ConnectionCounts single({.per_client = 1, .ipv6_client_prefix_bits = 128});
  EXPECT_EQ(single.enter(address("[IPv6:2001:db8::1]")), Verdict::entered);
  EXPECT_EQ(single.enter(address("[IPv6:2001:db8::2]")), Verdict::entered);
}

TEST(ConnectionCounts, several_threads_never_pass_the_limits_together) {
  ConnectionCounts counts({.connections = 4, .per_client = 3});
  const Address a = address("[192.0.2.1]");
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  auto shard = [&] {
    for (int i = 0; i < 20'000; ++i) {
      if (counts.enter(a) != Verdict::entered) continue;
      const int now = ++inside;
      int before = most.load();
      while (before < now && !most.compare_exchange_weak(before, now)) {
      }
      --inside;
      counts.leave(a);
    }
  };
  std::thread first(shard), second(shard), third(shard), fourth(shard), fifth(shard);
  for (std::thread* thread : {&first, &second, &third, &fourth, &fifth}) thread->join();
  EXPECT_LE(most.load(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(counts.enter(a), Verdict::entered);
  EXPECT_EQ(counts.enter(a), Verdict::client_full);
}

}  // namespace
}  // namespace gatepost::policy
