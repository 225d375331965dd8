// From argv and the configuration file to one validated Config.
#pragma once

#include <functional>
#include <string>

#include "config/config.hpp"

namespace gatepost::config {

// What parsing needs from the machine; a test gives its own.
struct Machine {
  std::string hostname;     // fully qualified, or empty
  std::uint32_t cores = 1;  // that this process may run on
};
// The real one (gethostname(2), getaddrinfo(3) AI_CANONNAME, sched_getaffinity(2)). May ask the
// resolver.
Machine this_machine();

// Either a Config to run with, or what to print and the exit code: 0 for --help, --version and
// --check-config, 2 for anything wrong, which is one line that names the flag (or file, line and
// key), its value and what is allowed.
struct Parsed {
  bool run = false;
  Config config;  // when run is set
  int exit_code = 0;
  std::string out;  // for stdout, with line end
  std::string err;  // for stderr, one line with line end
};

// argv[0] is the program. Reads the files that the flags name, writes nothing. Main thread, before
// all others.
Parsed parse_command_line(int argc, const char* const* argv, const Machine& machine);

}  // namespace gatepost::config
