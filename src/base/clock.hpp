// Time as the gateway uses it: monotonic milliseconds for deadlines, nanoseconds for durations,
// wall-clock time for headers and ids. A shard reads the clock once a loop and passes the value
// down; nothing below it asks for the time.
#pragma once

#include <cstdint>
#include <ctime>

namespace gatepost {

// A moment on CLOCK_MONOTONIC, in nanoseconds (clock_gettime(2)).
using MonotonicNs = std::uint64_t;
// A moment on CLOCK_REALTIME, in microseconds since 1970.
using WallUs = std::uint64_t;

constexpr std::uint64_t ns_per_ms = 1'000'000;

struct SystemClock {
  static MonotonicNs monotonic_ns() noexcept {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(t.tv_nsec);
  }
  static WallUs wall_us() noexcept {
    timespec t{};
    clock_gettime(CLOCK_REALTIME, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000u +
           static_cast<std::uint64_t>(t.tv_nsec) / 1000u;
  }
};

// The clock of shards and sinks. The simulator's stand-in for this header names another one.
using Clock = SystemClock;

}  // namespace gatepost
