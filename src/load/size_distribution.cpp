#include "load/size_distribution.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "load/limits.hpp"
#include "load/quantity.hpp"

namespace gatepost::load {
namespace {

constexpr std::string_view allowed =
    "a size (4K), sizes with shares that add up to 100% (4K:70%,64K:25%,1M:5%), uniform:1K-64K, or "
    "lognormal:MEDIAN,SIGMA (lognormal:12K,1.5)";

Error not_allowed(std::string_view text) {
  return Error{fmt::format("'{}' is not allowed: {}", text, allowed)};
}

Result<std::uint64_t> one_size(std::string_view text) {
  return parse_size(text, 1, limits::message_size_max);
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

Result<SizeDistribution> SizeDistribution::parse(std::string_view text) {
  SizeDistribution sizes;
  sizes.text_ = text;
  std::string_view rest = text;
  if (take_prefix(rest, "uniform:")) {
    auto dash = rest.find('-');
    if (dash == std::string_view::npos) return not_allowed(text);
    auto least = one_size(rest.substr(0, dash)), most = one_size(rest.substr(dash + 1));
    if (!least) return Error{least.error()};
    if (!most) return Error{most.error()};
    if (least.value() > most.value()) return not_allowed(text);
    sizes.shape_ = Shape::uniform;
    sizes.least_ = least.value();
    sizes.most_ = most.value();
    return sizes;
  }
  if (take_prefix(rest, "lognormal:")) {
    auto comma = rest.find(',');
    if (comma == std::string_view::npos) return not_allowed(text);
    auto median = one_size(rest.substr(0, comma));
    auto sigma = parse_positive(rest.substr(comma + 1), 10);
    if (!median) return Error{median.error()};
    if (!sigma) return Error{sigma.error()};
    sizes.shape_ = Shape::lognormal;
    sizes.median_ = static_cast<double>(median.value());
    sizes.sigma_ = sigma.value();
    return sizes;
  }
  double total = 0;
  bool only_one = rest.find(',') == std::string_view::npos;
  while (true) {
    auto comma = rest.find(',');
    std::string_view part = rest.substr(0, comma);
    auto colon = part.find(':');
    auto size = one_size(part.substr(0, colon));
    if (!size) return not_allowed(text);
    if (colon == std::string_view::npos) {
      if (!only_one) return not_allowed(text);
      total = 1;
    } else {
      auto share = parse_percentage(part.substr(colon + 1));
      if (!share) return not_allowed(text);
      total += share.value();
    }
    sizes.choices_.push_back({total, size.value()});
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (std::abs(total - 1) > 1e-6) return not_allowed(text);
  sizes.choices_.back().up_to = 2;  // whatever rounding left over
  return sizes;
}

std::uint64_t SizeDistribution::draw(Random& random) const {
  switch (shape_) {
    case Shape::choice: {
      if (choices_.size() == 1) return choices_[0].size;
      double at = random.unit();
      return std::find_if(choices_.begin(), choices_.end(),
                          [at](const Choice& choice) { return at < choice.up_to; })
          ->size;
    }
    case Shape::uniform:
      return least_ + random.below(most_ - least_ + 1);
    case Shape::lognormal: {
      // Box-Muller: one normal number from two uniform ones; 1 - unit() is never 0.
      double normal = std::sqrt(-2 * std::log(1 - random.unit())) *
                      std::cos(2 * std::numbers::pi * random.unit());
      double size = median_ * std::exp(sigma_ * normal);
      return static_cast<std::uint64_t>(
          std::clamp(size, 1.0, static_cast<double>(limits::message_size_max)));
    }
  }
  GP_CHECK(false);
}

std::uint64_t SizeDistribution::smallest() const {
  switch (shape_) {
    case Shape::choice:
      return std::min_element(choices_.begin(), choices_.end(),
                              [](const Choice& a, const Choice& b) { return a.size < b.size; })
          ->size;
    case Shape::uniform:
      return least_;
    case Shape::lognormal:
      return static_cast<std::uint64_t>(median_);
  }
  GP_CHECK(false);
}

std::uint64_t SizeDistribution::largest() const {
  switch (shape_) {
    case Shape::choice:
      return std::max_element(choices_.begin(), choices_.end(),
                              [](const Choice& a, const Choice& b) { return a.size < b.size; })
          ->size;
    case Shape::uniform:
      return most_;
    case Shape::lognormal:
      return limits::message_size_max;
  }
  GP_CHECK(false);
}

}  // namespace gatepost::load
