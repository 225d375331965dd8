#include "base/nearest_name.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace gatepost {
namespace {

constexpr std::size_t name_length_max = 64;  // longer ones are no slip of the pen
constexpr std::size_t contained_length_min = 3;

// Insertions, deletions and replacements that turn one word into the other (Levenshtein's
// distance).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> names) {
  if (name.empty() || name.size() > name_length_max) return {};
  std::string_view nearest;
  std::size_t nearest_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (std::string_view candidate : names) {
    std::size_t distance = edit_distance(name, candidate);
    // Short words are near to each other without being alike: "foo" and "to".
    bool alike = 2 * distance <= std::max(name.size(), candidate.size());
    if (!alike || distance >= nearest_distance) continue;
    nearest = candidate;
    nearest_distance = distance;
  }
  if (!nearest.empty() || name.size() < contained_length_min) return nearest;
  // "size-limit" for "message-size-limit".
  for (std::string_view candidate : names)
    if (candidate.find(name) != std::string_view::npos) return candidate;
  return {};
}

}  // namespace gatepost
