// Latencies with three significant digits over the whole range from 1 ns to an hour.
//
// Log-linear: values below 2048 have a bucket each; above, every power of two is split into 1024
// equal buckets. So a bucket is never wider than 1/1024 of its values, whatever they are, and
// recording is a shift and an increment. (The idea is HdrHistogram's.)
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gatepost::load {

class Histogram {
 public:
  Histogram() : counts_(bucket_count, 0) {}

  // Beyond an hour counts as an hour, for percentiles; max() stays exact.
  void record(std::uint64_t value_ns, std::uint64_t times = 1) {
    counts_[bucket_of(value_ns < value_max ? value_ns : value_max)] += times;
    count_ += times;
    if (value_ns > max_) max_ = value_ns;
  }
  void add(const Histogram& other);

  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }
  // The value that `percent` of all recorded ones do not exceed (nearest rank), to within 1/1024
  // above the true one. 0 when nothing was recorded.
  std::uint64_t percentile(double percent) const;

 private:
  static constexpr unsigned half_bits = 10;  // 1024 buckets for a power of two
  static constexpr std::uint64_t half = 1u << half_bits;
  static constexpr std::uint64_t value_max = 3'600'000'000'000;

  static constexpr std::size_t bucket_of(std::uint64_t value) {
    if (value < 2 * half) return static_cast<std::size_t>(value);
    auto shift = static_cast<unsigned>(std::bit_width(value)) - half_bits - 1;
    return static_cast<std::size_t>((std::uint64_t{shift} << half_bits) + (value >> shift));
  }
  static constexpr std::uint64_t highest_of(std::size_t bucket) {
    if (bucket < 2 * half) return bucket;
    std::uint64_t shift = (bucket >> half_bits) - 1;
    std::uint64_t mantissa = bucket - (shift << half_bits);
    return ((mantissa + 1) << shift) - 1;
  }
  static constexpr std::size_t bucket_count = 33 * 1024;

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace gatepost::load
