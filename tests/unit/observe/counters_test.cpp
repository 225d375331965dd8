#include "observe/counters.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace gatepost::observe {
namespace {

// The specification of record(): the first bound that is not below the value.
template <class Bounds>
std::size_t expected_bucket(const Bounds& bounds, std::uint64_t ns) {
  std::size_t index = 0;
  while (index < bounds.size() && ns > bounds[index] * 1000) ++index;
  return index;
}

template <const auto& bounds_us>
void expect_right_bucket(std::uint64_t ns) {
  Histogram<bounds_us> histogram;
  histogram.record(ns);
  for (std::size_t i = 0; i < Histogram<bounds_us>::bucket_count; ++i)
    EXPECT_EQ(histogram.bucket(i), i == expected_bucket(bounds_us, ns) ? 1u : 0u) << ns << " ns";
}

TEST(Histogram, puts_values_around_every_bound_into_the_right_bucket) {
  for (std::uint64_t bound : session_bounds_us) {
    for (std::uint64_t ns : {bound * 1000 - 1, bound * 1000, bound * 1000 + 1})
      expect_right_bucket<session_bounds_us>(ns);
  }
  for (std::uint64_t bound : commit_bounds_us) {
    for (std::uint64_t ns : {bound * 1000 - 1, bound * 1000, bound * 1000 + 1})
      expect_right_bucket<commit_bounds_us>(ns);
  }
}

TEST(Histogram, puts_powers_of_two_into_the_right_bucket) {
  expect_right_bucket<commit_bounds_us>(0);
  for (unsigned bit = 0; bit < 63; ++bit) {
    expect_right_bucket<commit_bounds_us>(std::uint64_t{1} << bit);
    expect_right_bucket<session_bounds_us>((std::uint64_t{1} << bit) + 1);
  }
}

TEST(Histogram, adds_up_durations) {
  CommitHistogram histogram;
  histogram.record(1'500);
  histogram.record(2'000'000'000);
  EXPECT_EQ(histogram.sum_ns(), 2'000'001'500u);
}

TEST(ShardCounters, do_not_share_cache_lines) {
  EXPECT_EQ(alignof(ShardCounters), 64u);
  EXPECT_EQ(sizeof(ShardCounters) % 64, 0u);
}

TEST(ShardCounters, ignore_reply_codes_that_do_not_exist) {
  ShardCounters counters;
  counters.count_reply(199);
  counters.count_reply(600);
  counters.count_reply(0);
  counters.count_reply(200, 3);
  counters.count_reply(599);
  std::uint64_t sum = 0;
  for (const auto& by_verb : counters.replies)
    for (const Counter& reply : by_verb) sum += reply.value();
  EXPECT_EQ(sum, 2u);
  EXPECT_EQ(counters.replies.front()[3].value(), 1u);
  EXPECT_EQ(counters.replies.back().back().value(), 1u);
}

TEST(ShardCounters, count_verbs_beyond_the_table_in_its_last_slot) {
  ShardCounters counters;
  counters.count_command(255);
  EXPECT_EQ(counters.commands.back().value(), 1u);
}

TEST(Counter, is_read_whole_while_it_is_written) {
  Counter counter;
  std::thread writer([&] {
    for (int i = 0; i < 100'000; ++i) counter.add();
  });
  std::uint64_t last = 0;
  while (last < 100'000) {
    std::uint64_t now = counter.value();
    ASSERT_GE(now, last);
    last = now;
  }
  writer.join();
  EXPECT_EQ(counter.value(), 100'000u);
}

TEST(ShardCounters, every_reason_has_a_name_of_its_own) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Refusal::count); ++i) {
    EXPECT_NE(refusal_name(Refusal(i)), "other");
    for (std::size_t j = 0; j < i; ++j)
      EXPECT_NE(refusal_name(Refusal(i)), refusal_name(Refusal(j)));
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(Timeout::count); ++i) {
    EXPECT_NE(timeout_name(Timeout(i)), "other");
    for (std::size_t j = 0; j < i; ++j)
      EXPECT_NE(timeout_name(Timeout(i)), timeout_name(Timeout(j)));
  }
}

}  // namespace
}  // namespace gatepost::observe
