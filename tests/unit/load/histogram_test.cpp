#include "load/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "load/random.hpp"

namespace gatepost::load {
namespace {

// The nearest-rank percentile, by sorting.
std::uint64_t exact_percentile(std::vector<std::uint64_t> values, double percent) {
  std::sort(values.begin(), values.end());
  auto rank = static_cast<std::size_t>(
      std::ceil(percent / 100 * static_cast<double>(values.size()) - 1e-9));
  return values[std::max<std::size_t>(rank, 1) - 1];
}

TEST(LoadHistogram, keeps_three_significant_digits_over_the_whole_range) {
  Random random(7);
  std::vector<std::uint64_t> values;
  Histogram histogram;
  for (int i = 0; i < 50'000; ++i) {
    // Spread over all magnitudes from nanoseconds to a quarter of an hour.
    std::uint64_t value = random.next() >> (24 + random.below(40));
    values.push_back(value);
    histogram.record(value);
  }
  for (double percent : {0.0, 1.0, 10.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    std::uint64_t exact = exact_percentile(values, percent), told = histogram.percentile(percent);
    EXPECT_GE(told, exact) << percent;
    EXPECT_LE(told - exact, exact / 1024 + 1) << percent;
  }
  EXPECT_EQ(histogram.count(), values.size());
  EXPECT_EQ(histogram.max(), *std::max_element(values.begin(), values.end()));
}

TEST(LoadHistogram, is_exact_for_small_values) {
  for (std::uint64_t value : {0u, 1u, 999u, 1023u, 1024u, 2047u}) {
    Histogram histogram;
    histogram.record(value);
    histogram.record(1u << 30);
    EXPECT_EQ(histogram.percentile(50), value);
  }
}

TEST(LoadHistogram, is_within_a_thousandth_at_every_power_of_two) {
  for (unsigned bit = 0; bit < 42; ++bit) {
    for (std::int64_t offset : {-1, 0, 1}) {
      auto value = static_cast<std::uint64_t>((std::int64_t{1} << bit) + offset);
      if (value > 3'600'000'000'000u) continue;
      Histogram histogram;
      histogram.record(value);
      histogram.record(~std::uint64_t{0} >> 1);  // so that the maximum does not bound the answer
      EXPECT_GE(histogram.percentile(50), value);
      EXPECT_LE(histogram.percentile(50) - value, value / 1024);
    }
  }
}

TEST(LoadHistogram, says_nothing_of_nothing) {
  Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.percentile(50), 0u);
  EXPECT_EQ(histogram.max(), 0u);
}

TEST(LoadHistogram, adds_up) {
  Histogram one, other, all;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    (i % 3 == 0 ? one : other).record(i * 1000);
    all.record(i * 1000);
  }
  one.add(other);
  EXPECT_EQ(one.count(), all.count());
  EXPECT_EQ(one.max(), all.max());
  for (double percent : {1.0, 50.0, 99.0})
    EXPECT_EQ(one.percentile(percent), all.percentile(percent));
}

TEST(LoadHistogram, records_a_value_many_times_at_once) {
  Histogram histogram;
  histogram.record(5, 99);
  histogram.record(1000);
  EXPECT_EQ(histogram.count(), 100u);
  EXPECT_EQ(histogram.percentile(99), 5u);
  EXPECT_EQ(histogram.percentile(99.5), 1000u);
}

TEST(LoadHistogram, keeps_the_maximum_beyond_its_range) {
  Histogram histogram;
  histogram.record(7'200'000'000'000);
  EXPECT_EQ(histogram.max(), 7'200'000'000'000u);
  EXPECT_GT(histogram.percentile(50), 3'590'000'000'000u);
}

}  // namespace
}  // namespace gatepost::load
