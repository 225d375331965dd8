// From argv and the configuration file to one validated Config.
#pragma once

#include <string>

#include "config/config.hpp"
#include "config/machine.hpp"

namespace gatepost::config {

// Either a Config to run with, or what to print and the exit code: 0 for --help, --version and a
// --check-config that finds nothing wrong, 2 for anything wrong, which is one line that names the
// flag (or file, line and key), its value and what is allowed. --check-config says all that the
// machine has against the configuration, a line each, and warns.
struct Parsed {
  bool run = false;
  Config config;  // when run is set
  int exit_code = 0;
  std::string out;  // for stdout, with line end
  std::string err;  // for stderr, lines with line ends; one but for --check-config
};

// argv[0] is the program. Reads the files that the flags name, writes nothing. Main thread, before
// all others.
Parsed parse_command_line(int argc, const char* const* argv, const Machine& machine);

}  // namespace gatepost::config
