#include "config/flags.hpp"

#include <algorithm>
#include <numeric>

namespace gatepost::config {

namespace {

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

const Flag* find_flag(std::string_view name) {
  for (const Flag& flag : all_flags()) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

std::string_view nearest_flag(std::string_view name) {
  constexpr std::size_t name_length_max = 64;  // longer ones are no slip of the pen
  if (name.size() > name_length_max) return {};
  std::vector<std::string_view> names{"config", "check-config", "help", "version"};
  for (const Flag& flag : all_flags()) names.push_back(flag.name);

  std::string_view nearest;
  std::size_t nearest_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (std::string_view candidate : names) {
    std::size_t distance = edit_distance(name, candidate);
    if (distance >= nearest_distance) continue;
    nearest = candidate;
    nearest_distance = distance;
  }
  if (!nearest.empty() || name.size() < 3) return nearest;
  // "size-limit" for "message-size-limit".
  for (std::string_view candidate : names) {
    if (candidate.find(name) != std::string_view::npos) return candidate;
  }
  return {};
}

}  // namespace gatepost::config
