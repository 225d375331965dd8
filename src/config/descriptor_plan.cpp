#include "config/descriptor_plan.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gatepost::config {

namespace {

// Standard streams, signals, the log, the metrics page and its clients, files that are read.
constexpr std::uint64_t process_descriptors = 32;
// The ring, its control, the sink's queue and free space, and a few files that are written.
constexpr std::uint64_t shard_descriptors = 16;
// Below this there is no serving anybody.
constexpr std::uint64_t serving_descriptors_min = 32;
// Files that a shard's sink has open at a time, when there is room.
constexpr std::uint64_t shard_files_wanted = 256;
constexpr std::uint64_t mailboxes_wanted = 1024;
constexpr std::uint64_t spare_slots_wanted = 256;
constexpr std::uint64_t spare_slots_min = 8;
// A table of direct descriptors has no more (IORING_MAX_FIXED_FILES), whatever RLIMIT_NOFILE says.
constexpr std::uint64_t table_size_max = 1 << 20;

static_assert(spare_slots_min < process_descriptors,
              "they fit beside all connections there may be");

}  // namespace

Result<DescriptorPlan> plan_descriptors(const Config& config, std::uint64_t descriptors_max) {
  const std::uint64_t shards = config.shards;
  const std::uint64_t to_run =
      process_descriptors + shards * (shard_descriptors + config.listen.size());
  if (descriptors_max < to_run + serving_descriptors_min)
    return Error{fmt::format(
        "RLIMIT_NOFILE is {}: so many shards ({}) and addresses ({}) need {} descriptors at least: "
        "raise it "
        "(systemd: LimitNOFILE=) or lower --shards",
        descriptors_max, shards, config.listen.size(), to_run + serving_descriptors_min)};

  const std::uint64_t room = descriptors_max - to_run;
  const std::uint64_t for_files = std::min(room / 2, shards * shard_files_wanted);
  const std::uint64_t connections =
      std::min<std::uint64_t>(config.max_connections, room - for_files);
  // A quarter of what is left for connections beyond the limit, half for open maildirs, the rest
  // for messages on their way into them.
  const std::uint64_t left = (room - connections) / shards;
  const std::uint64_t spare = std::clamp(left / 4, spare_slots_min, spare_slots_wanted);
  // The kernel spreads connections over the shards by hash, so that each has slots for more than
  // its part.
  const std::uint64_t part = (connections + shards - 1) / shards;

  DescriptorPlan plan;
  plan.connections_max = static_cast<std::uint32_t>(connections);
  plan.shard_spare_slots = static_cast<std::uint32_t>(spare);
  plan.shard_connections_max =
      static_cast<std::uint32_t>(std::min({connections, 2 * part + 1024, table_size_max - spare}));
  plan.shard_mailboxes_open_max = std::clamp(left / 4, std::uint64_t{1}, mailboxes_wanted);
  return plan;
}

std::string plan_warning(const Config& config, const DescriptorPlan& plan) {
  if (plan.connections_max >= config.max_connections) return {};
  return fmt::format(
      "RLIMIT_NOFILE leaves room for {} connections, not the {} of --max-connections: raise it "
      "(systemd: LimitNOFILE=)",
      plan.connections_max, config.max_connections);
}

}  // namespace gatepost::config
