#include "load/mix.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "load/quantity.hpp"

namespace gatepost::load {

Result<Mix> Mix::parse(std::string_view text) {
  Mix mix;
  Error wrong{
      fmt::format("'{}' is not allowed: KIND=SHARE% separated by commas, at most 100% in "
                  "all, KIND one of slow, abort, reset, halfclose, silent, garbage",
                  text)};
  while (!text.empty()) {
    auto comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    auto equals = part.find('=');
    if (equals == std::string_view::npos) return wrong;
    auto name = std::find(kind_names.begin() + 1, kind_names.end(), part.substr(0, equals));
    auto share = parse_percentage(part.substr(equals + 1));
    if (name == kind_names.end() || !share) return wrong;
    mix.share_[static_cast<std::size_t>(name - kind_names.begin())] += share.value();
    mix.total_ += share.value();
  }
  if (mix.total_ > 1 + 1e-9) return wrong;
  return mix;
}

Kind Mix::draw_some(Random& random) const {
  double at = random.unit();
  for (std::size_t kind = 1; kind < kind_count; ++kind) {
    if (at < share_[kind]) return static_cast<Kind>(kind);
    at -= share_[kind];
  }
  return Kind::normal;
}

}  // namespace gatepost::load
