#include "config/start_block.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "command_line_for_test.hpp"

namespace gatepost::config {
namespace {

std::string block_of(const std::vector<std::string>& arguments,
                     ring::BufferMode mode = ring::BufferMode::bundle) {
  Parsed parsed = parse(arguments);
  EXPECT_TRUE(parsed.run) << parsed.err;
  StartFacts facts{.kernel_release = "6.1.0-test",
                   .features = {.recv_bundle = true},
                   .buffer_mode = mode,
                   .direct_descriptors = true,
                   .kernel = scan::Kernel::scalar,
                   .sink_description = "maildir /srv/mail, batched on ext4"};
  std::string all;
  for (const std::string& line : start_block(parsed.config, facts)) {
    EXPECT_EQ(line.find('\n'), std::string::npos);
    all += line + "\n";
  }
  return all;
}

TEST(StartBlock, says_what_is_running) {
  std::string block =
      block_of({"--hostname", "mx1.example.org", "--listen", "*:25", "--accept-domain", "a.example",
                "--metrics-listen", "127.0.0.1:9125", "--shards", "2"});
  for (const char* wanted :
       {"gatepost " GATEPOST_VERSION " as mx1.example.org on *:25\n",
        "domains: a.example; every local part\n", "sink: maildir /srv/mail, batched on ext4\n",
        "kernel 6.1.0-test: buffers bundle, direct descriptors yes; offered: recv bundles yes, "
        "incremental "
        "buffers no, socket commands no; scanner scalar\n",
        "shards: 2, 4096 buffers of 16K each\n",
        "limits: message 50M, recipients 1000, hops 100, connections 10000 (50 per address), "
        "silence 300s, "
        "content 500 B/s, errors 10 soft 20 hard\n",
        "metrics: http://127.0.0.1:9125/metrics\n"})
    EXPECT_NE(block.find(wanted), std::string::npos) << wanted << "in\n" << block;
}

TEST(StartBlock, says_where_things_come_from_and_what_is_unlimited) {
  const std::string recipients = testing::TempDir() + "/start_block_recipients";
  std::ofstream(recipients) << "u@example.org\n";
  std::string block =
      block_of({"--config", configs_folder + "/good.toml", "--recipients", recipients,
                "--max-connections-per-ip", "0", "--shards", "4", "--pin"});
  for (const std::string& wanted :
       {"configuration: " + configs_folder + "/good.toml\n",
        "domains: example.org, example.net; recipients of " + recipients + "\n",
        std::string(" (any per address), "), std::string("shards: 4 pinned, "),
        std::string("metrics: off (--metrics-listen)\n")})
    EXPECT_NE(block.find(wanted), std::string::npos) << wanted << "in\n" << block;
}

TEST(StartBlock, names_each_way_of_buffers) {
  for (auto [mode, name] : {std::pair{ring::BufferMode::single, "single"},
                            {ring::BufferMode::bundle, "bundle"},
                            {ring::BufferMode::incremental, "incremental"}})
    EXPECT_NE(block_of({}, mode).find(std::string(": buffers ") + name + ", "), std::string::npos);
}

}  // namespace
}  // namespace gatepost::config
