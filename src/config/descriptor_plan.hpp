// How the descriptors that the process may have are shared out: between connections, the files of
// the sink, and what it takes to run at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "config/config.hpp"

namespace gatepost::config {

struct DescriptorPlan {
  std::uint32_t connections_max =
      0;  // of the process: --max-connections, or what there is room for
  // Slots of one shard: for sessions, and beside them for those who are told 421 and those about to
  // go. Both together fit into a table of direct descriptors.
  std::uint32_t shard_connections_max = 0;
  std::uint32_t shard_spare_slots = 0;
  std::size_t shard_mailboxes_open_max = 0;  // two descriptors each
};

// descriptors_max: RLIMIT_NOFILE. config is complete (its shards are known). Fails when that many
// do not suffice to run; the error says how many would.
Result<DescriptorPlan> plan_descriptors(const Config& config, std::uint64_t descriptors_max);

// What the operator should hear of a plan that has lowered --max-connections; else empty.
std::string plan_warning(const Config& config, const DescriptorPlan& plan);

}  // namespace gatepost::config
