// Stands in for src/base/clock.hpp: time as the simulated kernel has it.
#pragma once

#include <cstdint>

namespace gatepost {

using MonotonicNs = std::uint64_t;
using WallUs = std::uint64_t;

constexpr std::uint64_t ns_per_ms = 1'000'000;

struct SimulatedClock {
  static MonotonicNs monotonic_ns() noexcept;
  static WallUs wall_us() noexcept;
};

using Clock = SimulatedClock;

}  // namespace gatepost
