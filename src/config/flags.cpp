#include "config/flags.hpp"

#include "base/nearest_name.hpp"

namespace gatepost::config {

const Flag* find_flag(std::string_view name) {
  for (const Flag& flag : all_flags()) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

std::string_view nearest_flag(std::string_view name) {
  std::vector<std::string_view> names{"config", "check-config", "help", "version"};
  for (const Flag& flag : all_flags()) names.push_back(flag.name);
  return nearest_name(name, names);
}

}  // namespace gatepost::config
