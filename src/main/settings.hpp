// What each part of the gateway is told of the configuration.
#pragma once

#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "config/descriptor_plan.hpp"
#include "ring/ring.hpp"
#include "shard/shard.hpp"
#include "sink/sink_uri.hpp"
#include "smtp/session.hpp"

namespace gatepost {

smtp::SessionSettings session_settings(const config::Config& config);
shard::Options shard_options(const config::Config& config, const config::DescriptorPlan& plan,
                             unsigned number, const ring::Features& features);
SinkOptions sink_options(const config::Config& config, const config::DescriptorPlan& plan);

// The CPUs this process may use, in order.
std::vector<int> allowed_cpus();

// Raises RLIMIT_NOFILE to what it may be and returns it (setrlimit(2)).
std::uint64_t raise_descriptor_limit();

// Whether there is address space for what the shards map at start (RLIMIT_AS,
// vm.overcommit_memory). The error names the flags that ask for less.
Result<Done> check_memory(const config::Config& config, const config::DescriptorPlan& plan);

}  // namespace gatepost
