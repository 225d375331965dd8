// What a configuration needs to know of the machine that it is for.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.hpp"
#include "ring/ring.hpp"

namespace gatepost::config {

// A test gives its own.
struct Machine {
  std::string hostname{};                   // fully qualified, or empty
  std::uint32_t cores = 1;                  // that this process may run on
  std::uint64_t descriptors_max = 1 << 20;  // RLIMIT_NOFILE's hard limit, setrlimit(2)
  // Asked by --check-config only: it makes a ring to find out.
  std::function<Result<ring::Features>()> probe_ring = [] {
    return Result<ring::Features>(ring::Features{});
  };
};

// The real one (gethostname(2), getaddrinfo(3) AI_CANONNAME, sched_getaffinity(2), getrlimit(2)).
// May ask the resolver.
Machine this_machine();

}  // namespace gatepost::config
