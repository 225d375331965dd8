// --help.
#pragma once

#include <string>

#include "config/config.hpp"

namespace gatepost::config {

// All flags by topic, with defaults and units, at most 100 columns wide.
std::string help_text();

}  // namespace gatepost::config
