// Calls the command line's parser with a machine that is the same everywhere.
#pragma once

#include <string>
#include <vector>

#include "config/command_line.hpp"

namespace gatepost::config {

inline const std::string configs_folder = GATEPOST_TEST_CONFIGS;

inline Parsed parse(const std::vector<std::string>& arguments,
                    const Machine& machine = {.hostname = "", .cores = 4}) {
  std::vector<const char*> argv{"gatepost"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return parse_command_line(static_cast<int>(argv.size()), argv.data(), machine);
}

}  // namespace gatepost::config
