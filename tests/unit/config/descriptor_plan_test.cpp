#include "config/descriptor_plan.hpp"

#include <gtest/gtest.h>

namespace gatepost::config {
namespace {

Config config_with(std::uint32_t shards, std::uint32_t max_connections) {
  Config config;
  config.shards = shards;
  config.max_connections = max_connections;
  return config;
}

TEST(DescriptorPlan, gives_what_is_asked_for_where_there_is_room) {
  Config config = config_with(2, 10'000);
  DescriptorPlan plan = plan_descriptors(config, 524'288).value();
  EXPECT_EQ(plan.connections_max, 10'000u);
  EXPECT_EQ(plan.shard_connections_max, 10'000u);
  EXPECT_EQ(plan.shard_spare_slots, 256u);
  EXPECT_EQ(plan.shard_mailboxes_open_max, 1024u);
  EXPECT_EQ(plan_warning(config, plan), "");
}

TEST(DescriptorPlan, lowers_the_connections_and_says_so) {
  Config config = config_with(1, 10'000);
  DescriptorPlan plan = plan_descriptors(config, 200).value();
  EXPECT_LT(plan.connections_max, 200u);
  EXPECT_GE(plan.connections_max, 50u);
  EXPECT_EQ(plan_warning(config, plan),
            "RLIMIT_NOFILE leaves room for " + std::to_string(plan.connections_max) +
                " connections, not the 10000 of --max-connections: raise it (systemd: "
                "LimitNOFILE=)");
}

TEST(DescriptorPlan, never_spends_more_than_there_is) {
  for (std::uint32_t shards : {1u, 2u, 7u, 64u, 1024u}) {
    for (std::uint32_t wanted : {1u, 50u, 10'000u, 4'000'000u}) {
      Config config = config_with(shards, wanted);
      config.listen = {{"127.0.0.1", 25}, {"::1", 25}, {"127.0.0.1", 587}};
      for (std::uint64_t limit = 64; limit < std::uint64_t{1} << 32; limit = limit * 5 / 4) {
        SCOPED_TRACE(testing::Message() << shards << " " << wanted << " " << limit);
        auto planned = plan_descriptors(config, limit);
        if (!planned) continue;
        const DescriptorPlan& plan = planned.value();
        EXPECT_GE(plan.connections_max, 1u);
        EXPECT_LE(plan.connections_max, wanted);
        EXPECT_LE(plan.shard_connections_max, plan.connections_max);
        // io_uring_register(2), IORING_REGISTER_FILES: neither more than RLIMIT_NOFILE nor than
        // the kernel's own limit.
        const std::uint64_t table = plan.shard_connections_max + plan.shard_spare_slots;
        EXPECT_LE(table, std::min<std::uint64_t>(limit, 1 << 20));
        EXPECT_GE(plan.shard_spare_slots, 8u);
        const std::uint64_t mailboxes = 2 * plan.shard_mailboxes_open_max * shards;
        EXPECT_LE(plan.connections_max + mailboxes, limit);
        EXPECT_GE(std::uint64_t{plan.shard_connections_max} * shards,
                  std::min<std::uint64_t>(plan.connections_max, (1 << 20) - 256));
      }
    }
  }
}

TEST(DescriptorPlan, says_how_many_it_takes_at_least) {
  Config config = config_with(2, 10'000);
  const std::string wanted =
      ": so many shards (2) and addresses (1) need 98 descriptors at least: raise it (systemd: "
      "LimitNOFILE=) or "
      "lower --shards";
  EXPECT_EQ(plan_descriptors(config, 8).error(), "RLIMIT_NOFILE is 8" + wanted);
  EXPECT_EQ(plan_descriptors(config, 97).error(), "RLIMIT_NOFILE is 97" + wanted);
  EXPECT_TRUE(plan_descriptors(config, 98).ok());
}

}  // namespace
}  // namespace gatepost::config
