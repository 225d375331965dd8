#include "load/histogram.hpp"

#include <algorithm>
#include <cmath>

namespace gatepost::load {

void Histogram::add(const Histogram& other) {
  static_assert(bucket_of(value_max) < bucket_count);
  for (std::size_t i = 0; i < bucket_count; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

std::uint64_t Histogram::percentile(double percent) const {
  if (count_ == 0) return 0;
  double exact = std::ceil(percent / 100 * static_cast<double>(count_) - 1e-9);
  auto rank =
      std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::max(exact, 1.0)), 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < bucket_count; ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(highest_of(i), max_);
  }
  return max_;
}

}  // namespace gatepost::load
