// Chance that a seed decides: the same seed gives the same numbers on every machine.
//
// splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). The
// standard library's distributions differ between implementations, so none of them is used.
#pragma once

#include <cstdint>

#include "base/check.hpp"

namespace gatepost::simulation {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // 0 .. bound-1; bound > 0. The bias of the remainder does not matter here.
  std::uint64_t below(std::uint64_t bound) {
    GP_CHECK(bound > 0);
    return next() % bound;
  }
  // low .. high, both included.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    GP_CHECK(low <= high);
    return low + below(high - low + 1);
  }
  // True once in `rate` times on average; never when rate is 0.
  bool once_in(std::uint64_t rate) { return rate > 0 && below(rate) == 0; }
  // True in `percent` of 100 cases.
  bool percent(unsigned percent) { return below(100) < percent; }
  // A generator of its own, whose numbers do not depend on how many others draw from this one
  // later. Different `stream`s differ.
  Random fork(std::uint64_t stream) const {
    return Random(state_ ^ (stream + 1) * 0xd6e8feb86659fd93u);
  }

 private:
  std::uint64_t state_;
};

}  // namespace gatepost::simulation
