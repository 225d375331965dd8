#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "load/address_pattern.hpp"
#include "load/limits.hpp"
#include "load/mix.hpp"
#include "load/pacer.hpp"
#include "load/quantity.hpp"
#include "load/size_distribution.hpp"

namespace gatepost::load {
namespace {

constexpr std::uint64_t all = ~std::uint64_t{0} >> 1;

TEST(LoadQuantity, reads_sizes) {
  EXPECT_EQ(parse_size("4096", 0, all).value(), 4096u);
  EXPECT_EQ(parse_size("4K", 0, all).value(), 4096u);
  for (auto [unit, factor] : {std::pair{"", 1},
                              {"B", 1},
                              {"kb", 1 << 10},
                              {"KiB", 1 << 10},
                              {"m", 1 << 20},
                              {"MB", 1 << 20},
                              {"mib", 1 << 20},
                              {"gb", 1 << 30},
                              {"GiB", 1 << 30}})
    EXPECT_EQ(parse_size(std::string("4") + unit, 0, all).value(),
              4u * static_cast<unsigned long>(factor))
        << unit;
  EXPECT_EQ(parse_size("1.5M", 0, all).value(), 3u << 19);
  EXPECT_EQ(parse_size("1G", 0, all).value(), 1u << 30);
  for (const char* text :
       {"", "K", "4Q", "-4", "4 K", "4K ", ".5K", "1.2.3K", "1..K", "0x10", "1e3"})
    EXPECT_FALSE(parse_size(text, 0, all)) << text;
  EXPECT_NE(parse_size("9", 1000, 2048).error().find("octets from 1000 to 2K"), std::string::npos);
  EXPECT_FALSE(parse_size(std::string(400, '9'), 0, all)) << "more than any number holds";
  EXPECT_FALSE(parse_size("2K", 0, 2047));
  EXPECT_TRUE(parse_size("2K", 0, 2048));
}

TEST(LoadQuantity, reads_durations) {
  EXPECT_EQ(parse_duration("250ms", 0, all).value(), 250'000'000u);
  EXPECT_EQ(parse_duration("10", 0, all).value(), 10'000'000'000u);
  EXPECT_EQ(parse_duration("1.5s", 0, all).value(), 1'500'000'000u);
  EXPECT_EQ(parse_duration("7us", 0, all).value(), 7'000u);
  EXPECT_EQ(parse_duration("2m", 0, all).value(), 120'000'000'000u);
  EXPECT_EQ(parse_duration("2min", 0, all).value(), 120'000'000'000u);
  EXPECT_EQ(parse_duration("1h", 0, all).value(), 3'600'000'000'000u);
  for (const char* text : {"", "s", "10x", "-1s", "1 s"})
    EXPECT_FALSE(parse_duration(text, 0, all)) << text;
  EXPECT_TRUE(parse_duration("1s", 1'000'000'000, 2'000'000'000));
  EXPECT_FALSE(parse_duration("999ms", 1'000'000'000, 2'000'000'000));
  EXPECT_FALSE(parse_duration("2001ms", 1'000'000'000, 2'000'000'000));
}

TEST(LoadQuantity, reads_percentages_and_positive_numbers) {
  EXPECT_EQ(parse_percentage("0%").value(), 0.0);
  EXPECT_EQ(parse_percentage("12.5%").value(), 0.125);
  EXPECT_EQ(parse_percentage("100%").value(), 1.0);
  for (const char* text : {"", "%", "5", "5pc", "100.1%", "-1%"})
    EXPECT_FALSE(parse_percentage(text)) << text;
  EXPECT_EQ(parse_positive("1.5", 10).value(), 1.5);
  for (const char* text : {"", "x", "0", "1s", "10.1", "-1"})
    EXPECT_FALSE(parse_positive(text, 10)) << text;
}

TEST(LoadQuantity, reads_counts_within_limits) {
  EXPECT_EQ(parse_count("7", 1, 9).value(), 7u);
  for (const char* text : {"", "0", "10", "-1", "7 ", "7k", "99999999999999999999999"})
    EXPECT_FALSE(parse_count(text, 1, 9)) << text;
  EXPECT_NE(parse_count("10", 1, 9).error().find("from 1 to 9"), std::string::npos);
}

TEST(LoadSizes, one_size_is_always_that) {
  auto sizes = SizeDistribution::parse("4K").value();
  Random random(1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(sizes.draw(random), 4096u);
  EXPECT_EQ(sizes.largest(), 4096u);
}

TEST(LoadSizes, a_choice_has_its_shares) {
  auto sizes = SizeDistribution::parse("4K:70%,64K:25%,1M:5%").value();
  Random random(2);
  std::map<std::uint64_t, int> drawn;
  for (int i = 0; i < 100'000; ++i) ++drawn[sizes.draw(random)];
  ASSERT_EQ(drawn.size(), 3u);
  EXPECT_NEAR(drawn[4096], 70'000, 1000);
  EXPECT_NEAR(drawn[65536], 25'000, 1000);
  EXPECT_NEAR(drawn[1 << 20], 5'000, 500);
  EXPECT_EQ(sizes.largest(), 1u << 20);
}

TEST(LoadSizes, uniform_stays_in_its_range_and_reaches_both_ends) {
  auto sizes = SizeDistribution::parse("uniform:10-19").value();
  Random random(3);
  std::map<std::uint64_t, int> drawn;
  for (int i = 0; i < 50'000; ++i) ++drawn[sizes.draw(random)];
  ASSERT_EQ(drawn.size(), 10u);
  EXPECT_EQ(drawn.begin()->first, 10u);
  EXPECT_EQ(drawn.rbegin()->first, 19u);
  for (const auto& [size, count] : drawn) EXPECT_NEAR(count, 5000, 500) << size;
  EXPECT_EQ(sizes.largest(), 19u);
}

TEST(LoadSizes, lognormal_has_its_median_and_spread) {
  auto sizes = SizeDistribution::parse("lognormal:10K,1").value();
  Random random(4);
  int below_median = 0, within_one_sigma = 0;
  for (int i = 0; i < 50'000; ++i) {
    auto size = static_cast<double>(sizes.draw(random));
    if (size < 10240) ++below_median;
    if (std::abs(std::log(size / 10240)) < 1) ++within_one_sigma;
    ASSERT_LE(size, static_cast<double>(limits::message_size_max));
  }
  EXPECT_NEAR(below_median, 25'000, 700);
  EXPECT_NEAR(within_one_sigma, 34'134, 700);
  EXPECT_EQ(sizes.largest(), limits::message_size_max);
}

TEST(LoadSizes, refuse_what_they_do_not_understand) {
  for (const char* text :
       {"", "4Q", "4K,5K", "uniform:x-4K", "uniform:1K-x", "lognormal:x,1", "4K:70%",
        "4K:70%,5K:40%", "4K:70,5K:30", "uniform:4K", "uniform:9K-1K", "lognormal:4K",
        "lognormal:4K,0", "lognormal:4K,-1", "0", "1G", "4K:70%,"})
    EXPECT_FALSE(SizeDistribution::parse(text)) << text;
}

TEST(LoadSizes, the_same_seed_draws_the_same) {
  auto sizes = SizeDistribution::parse("uniform:1K-64K").value();
  Random one(5), other(5);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(sizes.draw(one), sizes.draw(other));
}

TEST(LoadMix, has_its_shares_and_the_rest_is_normal) {
  auto mix = Mix::parse("slow=5%,abort=1%").value();
  Random random(6);
  std::map<Kind, int> drawn;
  for (int i = 0; i < 100'000; ++i) ++drawn[mix.draw(random)];
  EXPECT_EQ(drawn.size(), 3u);
  EXPECT_NEAR(drawn[Kind::slow], 5000, 400);
  EXPECT_NEAR(drawn[Kind::abort], 1000, 200);
}

TEST(LoadMix, knows_every_kind) {
  for (std::size_t kind = 1; kind < kind_count; ++kind) {
    auto mix = Mix::parse(std::string(kind_names[kind]) + "=100%");
    ASSERT_TRUE(mix) << kind_names[kind];
    Random random(7);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(mix.value().draw(random), static_cast<Kind>(kind));
  }
}

TEST(LoadMix, refuses_what_it_does_not_understand) {
  for (const char* text : {"slow", "slow=5", "fast=5%", "slow=60%,abort=60%", "normal=5%", "=5%"})
    EXPECT_FALSE(Mix::parse(text)) << text;
  Random random(8);
  EXPECT_EQ(Mix::parse("").value().draw(random), Kind::normal);
}

TEST(LoadAddresses, a_range_stands_for_its_mailboxes) {
  std::vector<std::string> mailboxes;
  ASSERT_TRUE(expand_addresses("user{9-11}@example.org", mailboxes));
  ASSERT_TRUE(expand_addresses("one@example.org", mailboxes));
  EXPECT_EQ(mailboxes, (std::vector<std::string>{"user9@example.org", "user10@example.org",
                                                 "user11@example.org", "one@example.org"}));
}

// R5321-3.3-06: no source routes. R5321-4.1.2-06, -16: nothing that a path may not hold.
TEST(LoadAddresses, R5321_3_3_06_only_plain_addresses_are_sent) {
  for (const char* text : {"a@b", "a.b+c@example.org", "x@[127.0.0.1]", "x@[IPv6:::1]",
                           "x@[tag-1:z]", "a@b-c.example"})
    EXPECT_TRUE(is_plain_address(text)) << text;
  for (const char* text :
       {"",     "a",          "@b",     "a@",     "@hop:a@b", "a b@c",   "a@b@c",   "a@b_c",
        ".a@b", "a.@b",       "a..b@c", "a@b..c", "a@b.",     "\"a\"@b", "a\r\n@b", "a@b>",
        "<a@b", "\xc3\xa4@b", "a@[]",   "a\t@b",  "a@[1_2]",  "a@[1",    "a@{b"})
    EXPECT_FALSE(is_plain_address(text)) << text;
  EXPECT_FALSE(is_plain_address(std::string(65, 'a') + "@b"));
  EXPECT_FALSE(is_plain_address("a@" + std::string(256, 'b')));
  std::vector<std::string> mailboxes;
  for (const char* text : {"u{1}@b", "u}1-2{@b", "u{1-}@b", "u{2-1}@b", "u{a-b}@b", "u{1-2@b",
                           "u{1-2}{3-4}@b", "u1-2}@b", "u{1-2000000}@b"})
    EXPECT_FALSE(expand_addresses(text, mailboxes)) << text;
}

TEST(LoadPacer, the_closed_loop_gives_as_fast_as_asked) {
  Pacer pacer(3, 0, 1000, 2000);
  MonotonicNs due = 0;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(pacer.take(1500, due));
    EXPECT_EQ(due, 1500u);
  }
  EXPECT_FALSE(pacer.take(1500, due));
  EXPECT_TRUE(pacer.exhausted(1500));
}

TEST(LoadPacer, the_open_loop_keeps_its_moments_whatever_is_late) {
  Pacer pacer(1'000'000, 1000, 0, 1'000'000'000);  // one a millisecond for a second
  MonotonicNs due = 0;
  ASSERT_TRUE(pacer.take(0, due));
  EXPECT_FALSE(pacer.take(999'999, due));
  // Nothing could be taken for ten milliseconds: all of their moments are still handed out.
  for (std::uint64_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(pacer.take(10'000'000, due));
    EXPECT_EQ(due, i * 1'000'000);
  }
  EXPECT_FALSE(pacer.take(10'000'000, due));
  EXPECT_FALSE(pacer.take(1'000'000'000, due)) << "the run is over";
  std::uint64_t unstarted = 0, groups = 0;
  pacer.for_each_unstarted([&](MonotonicNs moment, std::uint64_t count) {
    EXPECT_GE(moment, 11'000'000u);
    EXPECT_LT(moment, 1'000'000'000u);
    unstarted += count;
    ++groups;
  });
  EXPECT_EQ(unstarted, 1000u - 11u);
  EXPECT_LE(groups, 1000u);
}

TEST(LoadPacer, a_run_that_is_stopped_ends_then_and_not_later) {
  Pacer pacer(1'000'000, 1000, 0, 1'000'000'000);
  pacer.stop_at(5'000'000);
  pacer.stop_at(900'000'000);
  EXPECT_EQ(pacer.end(), 5'000'000u);
  std::uint64_t unstarted = 0;
  pacer.for_each_unstarted([&](MonotonicNs, std::uint64_t count) { unstarted += count; });
  EXPECT_EQ(unstarted, 5u);
  // Before the first moment there was nothing to begin.
  Pacer early(10, 1000, 1000, 2000);
  early.stop_at(500);
  early.for_each_unstarted([](MonotonicNs, std::uint64_t) { ADD_FAILURE(); });
}

}  // namespace
}  // namespace gatepost::load
