// The configuration file: TOML whose keys are the flags' names.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace gatepost::config {

// One key with its values as the command line would have them.
struct Setting {
  std::string name;
  std::vector<std::string> values;  // "true" or "false" for a boolean
  unsigned line = 0;
};

// Reads and parses the file; knows nothing of what the keys mean. Errors begin with the path, and
// the line where there is one: a file that can't be read, that is no TOML, or that has tables or
// dates, which no flag wants.
Result<std::vector<Setting>> read_toml_file(const std::string& path);

}  // namespace gatepost::config
