// What the process tells its operator when it starts.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "ring/ring.hpp"

namespace gatepost::config {

inline constexpr const char* version = GATEPOST_VERSION;

// What only the running process knows.
struct StartFacts {
  std::string kernel_release;  // uname(2)
  ring::Features features;
  ring::BufferMode buffer_mode = ring::BufferMode::single;  // in use
  bool direct_descriptors = false;
  scan::Kernel kernel = scan::Kernel::scalar;
  std::string sink_description;  // Sink::description()
};

// The start-up block: one entry per line, without line ends, in the order to print. Warnings follow
// it (config/warnings.hpp).
std::vector<std::string> start_block(const Config& config, const StartFacts& facts);

}  // namespace gatepost::config
