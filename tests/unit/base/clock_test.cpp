#include "base/clock.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <ctime>

namespace gatepost {
namespace {

using namespace std::chrono;

// std::chrono's clocks are the same two on Linux, but bring their own units.
std::uint64_t steady_ns() {
  return static_cast<std::uint64_t>(
      duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count());
}
std::uint64_t system_us() {
  return static_cast<std::uint64_t>(
      duration_cast<microseconds>(system_clock::now().time_since_epoch()).count());
}

TEST(SystemClock, monotonic_time_is_clock_monotonic_in_nanoseconds) {
  const std::uint64_t before = steady_ns();
  const MonotonicNs now = SystemClock::monotonic_ns();
  const std::uint64_t after = steady_ns();
  EXPECT_LE(before, now);
  EXPECT_LE(now, after);
}

TEST(SystemClock, monotonic_time_never_goes_back) {
  MonotonicNs last = SystemClock::monotonic_ns();
  for (int i = 0; i < 10'000; ++i) {
    const MonotonicNs now = SystemClock::monotonic_ns();
    ASSERT_LE(last, now);
    last = now;
  }
}

// Someone may set this clock while the test runs, so that a few attempts are made; a wrong unit or
// the wrong clock would fail them all.
TEST(SystemClock, wall_time_is_clock_realtime_in_microseconds_since_1970) {
  bool between = false;
  for (int i = 0; i < 5 && !between; ++i) {
    const std::uint64_t before = system_us();
    const WallUs now = SystemClock::wall_us();
    const std::uint64_t after = system_us();
    between = before <= now && now <= after;
  }
  EXPECT_TRUE(between);
}

TEST(SystemClock, both_clocks_advance_while_time_is_spent) {
  const MonotonicNs monotonic = SystemClock::monotonic_ns();
  const WallUs wall = SystemClock::wall_us();
  const timespec five_ms{0, 5 * static_cast<long>(ns_per_ms)};
  ASSERT_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &five_ms, nullptr), 0);
  EXPECT_GE(SystemClock::monotonic_ns() - monotonic, 5 * ns_per_ms);
  EXPECT_NE(SystemClock::wall_us(), wall);
}

}  // namespace
}  // namespace gatepost
