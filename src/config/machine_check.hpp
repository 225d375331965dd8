// Whether the machine can do what a configuration asks for: what fails the start, found before it.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "config/machine.hpp"

namespace gatepost::config {

// Fails where a flag insists on what this kernel has not.
Result<Done> check_features(const Config& config, const ring::Features& features);

// One line each.
struct Findings {
  std::vector<std::string> errors;    // the start would fail
  std::vector<std::string> warnings;  // it would succeed, and be other than meant
};

// All that can be found out without changing anything: the kernel's features, the room for
// connections, the sink's directory (access(2), for the user that this process runs as), and what
// flags and files are warned of at start. Whether a port is free is left to the start.
Findings check_on(const Machine& machine, const Config& config);

}  // namespace gatepost::config
