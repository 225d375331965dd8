// What must hold between flags, and what only the machine can tell about them.
#pragma once

#include "base/result.hpp"
#include "config/config.hpp"

namespace gatepost::config {

// Which flags were given, on the command line or in the file.
struct Given {
  bool accept_domain = false;
  bool banner_text = false;
  bool soft_error_limit = false;
};

// Decides what is left to the program (shards, pin, banner) and checks the whole. Reads the files
// of domains and recipients. The error is one line that names the flags in question.
Result<Done> complete(Config& config, const Given& given, std::uint32_t cores);

}  // namespace gatepost::config
