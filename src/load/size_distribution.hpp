// How large messages are: one size, a weighted choice, a uniform range, or a log-normal shape.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "load/random.hpp"

namespace gatepost::load {

class SizeDistribution {
 public:
  // "4K" | "4K:70%,64K:25%,1M:5%" | "uniform:1K-64K" | "lognormal:MEDIAN,SIGMA".
  // Weights must add up to 100%. Errors say what is allowed.
  static Result<SizeDistribution> parse(std::string_view text);

  // The next size in octets, at most limits::message_size_max.
  std::uint64_t draw(Random& random) const;
  // The smallest size that the text names. Only lognormal ones draw below it.
  std::uint64_t smallest() const;
  // The largest size that draw() can give.
  std::uint64_t largest() const;
  const std::string& text() const { return text_; }

 private:
  enum class Shape : std::uint8_t { choice, uniform, lognormal };
  struct Choice {
    double up_to;  // share of all draws that are this size or one before it
    std::uint64_t size;
  };

  Shape shape_ = Shape::choice;
  std::vector<Choice> choices_;
  std::uint64_t least_ = 0, most_ = 0;
  double median_ = 0, sigma_ = 0;
  std::string text_;
};

}  // namespace gatepost::load
