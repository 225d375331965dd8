#include "load/report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace gatepost::load {
namespace {

RunResult some_result() {
  RunResult result;
  Tally& tally = result.tally;
  tally.started = tally.acknowledged = 1000;
  tally.recipients = 1000;
  tally.octets = 4'096'000;
  tally.replies[250] = 3000;
  tally.replies[354] = 1000;
  for (std::uint64_t i = 1; i <= 1000; ++i) tally.transaction.record(i * 10'000);
  result.seconds = 2;
  result.cpu_seconds = 0.02;
  return result;
}

TEST(LoadReport, the_table_has_rates_latencies_and_replies) {
  RunOptions options;
  options.target.text = "127.0.0.1:2525";
  std::string text = table(options, some_result());
  for (const char* part : {"500.0 msg/s", "2.05 MB/s", "p99.9", "5.00 ms", "9.90 ms", "10.0 ms",
                           "250: 3000", "354: 1000", "20.0 us a message"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
}

TEST(LoadReport, json_is_one_object_in_one_line) {
  RunOptions options;
  RunResult result = some_result();
  result.tally.keep_refusal("550 \xff not UTF-8");
  std::string text = json(options, result);
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  auto parsed = nlohmann::json::parse(text);
  EXPECT_EQ(parsed["messages"]["acknowledged"], 1000);
  EXPECT_EQ(parsed["replies"]["250"], 3000);
  EXPECT_EQ(parsed["exit_code"], 0);
  EXPECT_NEAR(parsed["messages_per_second"].get<double>(), 500, 0.01);
  EXPECT_NEAR(parsed["cpu_us_per_message"].get<double>(), 20, 0.01);
  EXPECT_NEAR(parsed["latency_ms"]["transaction"]["p50"].get<double>(), 5, 0.01);
}

TEST(LoadReport, exit_codes_tell_failures) {
  RunOptions options;
  RunResult result = some_result();
  EXPECT_EQ(exit_code_of(options, result), 0);
  result.tally.count(Fault::lost);
  EXPECT_EQ(exit_code_of(options, result), 1);
  for (OnDisconnect forgiving : {OnDisconnect::tolerate, OnDisconnect::reconnect}) {
    options.on_disconnect = forgiving;
    EXPECT_EQ(exit_code_of(options, result), 0);
  }
  result.tally.count(Fault::refused);
  EXPECT_EQ(exit_code_of(options, result), 1);
  RunResult unwritten = some_result();
  unwritten.tally.ledger_failed = true;
  EXPECT_EQ(exit_code_of(options, unwritten), 1);
}

TEST(LoadReport, the_open_loop_tells_whether_the_rate_was_held) {
  RunOptions options;
  options.rate = 500;
  RunResult result = some_result();
  EXPECT_NE(table(options, result).find("rate of 500/s held"), std::string::npos);
  EXPECT_EQ(exit_code_of(options, result), 0);
  result.tally.unstarted = 100;
  EXPECT_NE(table(options, result).find("NOT HELD"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(json(options, result))["open_loop"]["held"], false);
  EXPECT_EQ(exit_code_of(options, result), 3);
  result.tally.count(Fault::refused);
  EXPECT_EQ(exit_code_of(options, result), 1) << "what was lost counts more";
}

TEST(LoadReport, rates_are_plain_numbers) {
  RunOptions options;
  for (auto [rate, shown] : {std::pair{1e6, "1000000"}, {1e7, "10000000"}, {1500.5, "1500.5"}}) {
    options.rate = rate;
    std::string text = table(options, some_result());
    EXPECT_NE(text.find(std::string("open loop at ") + shown + " messages/s"), std::string::npos)
        << text;
    EXPECT_NE(text.find(std::string("rate of ") + shown + "/s"), std::string::npos) << text;
  }
}

TEST(LoadReport, slow_clients_have_a_line_of_their_own) {
  RunOptions options;
  RunResult result = some_result();
  EXPECT_EQ(table(options, result).find("slow clients, whole"), std::string::npos);
  result.tally.slow_transaction.record(648'000'000);
  std::string text = table(options, result);
  EXPECT_NE(text.find("slow clients, whole       648 ms"), std::string::npos) << text;
  EXPECT_NE(text.find("9.90 ms"), std::string::npos) << text;
  auto latencies = nlohmann::json::parse(json(options, result))["latency_ms"];
  EXPECT_EQ(latencies["slow_transaction"]["count"], 1);
  EXPECT_EQ(latencies["transaction"]["count"], 1000);
}

TEST(LoadReport, tells_what_went_wrong_and_what_was_wanted) {
  RunOptions options;
  options.ledger = "/var/tmp/ledger";
  options.on_disconnect = OnDisconnect::reconnect;
  RunResult result = some_result();
  Tally& tally = result.tally;
  tally.recipients = 3000;
  tally.in_doubt = 7;
  tally.count(Fault::lost);
  tally.count(Fault::refused);
  tally.keep_refusal("550 no (to RCPT)");
  tally.by_kind[static_cast<std::size_t>(Kind::slow)] = 20;
  tally.by_kind[static_cast<std::size_t>(Kind::reset)] = 30;
  tally.gave_up = tally.ledger_failed = true;
  std::string text = table(options, result);
  for (const char* part :
       {"    to recipients             3000\n", "those of connections are forgiven",
        "7   sent whole, never answered", "refusal      1x 550 no (to RCPT)",
        "slow clients                  20   ",
        "reset clients                 30   on purpose, not counted as failed",
        "a thread's connections all gave up before the run's end",
        "could not write /var/tmp/ledger\n"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  EXPECT_EQ(table(options, some_result()).find("forgiven"), std::string::npos);
  auto parsed = nlohmann::json::parse(json(options, result));
  EXPECT_EQ(parsed["clients"]["slow"], 20);
  EXPECT_EQ(parsed["clients"]["reset"], 30);
  EXPECT_EQ(parsed["errors"].size(), 2u);
  EXPECT_EQ(parsed["exit_code"], 1);
}

TEST(LoadReport, a_run_of_no_time_has_no_rates) {
  RunOptions options;
  std::string text = table(options, RunResult{});
  EXPECT_NE(text.find("   0.0 msg/s, 0.00 MB/s"), std::string::npos) << text;
  EXPECT_EQ(text.find("nan"), std::string::npos) << text;
  EXPECT_EQ(text.find("inf"), std::string::npos) << text;
}

TEST(LoadReport, a_rate_whose_messages_begin_late_was_not_held) {
  RunOptions options;
  options.rate = 500;
  RunResult result = some_result();
  result.tally.late_max_ns = 2'000'000'000;
  EXPECT_FALSE(rate_held(options, result));
  EXPECT_EQ(exit_code_of(options, result), 3);
}

TEST(LoadReport, the_threads_add_up) {
  Tally all, one;
  one.started = 5;
  one.by_kind[0] = 2;
  one.replies[250] = 3;
  one.count(Fault::lost);
  one.keep_refusal("550 no");
  all.add(one);
  EXPECT_FALSE(all.gave_up);
  EXPECT_FALSE(all.ledger_failed);
  one.gave_up = one.ledger_failed = true;
  all.add(one);
  all.add(Tally{});
  EXPECT_EQ(all.started, 10u);
  EXPECT_EQ(all.by_kind[0], 4u);
  EXPECT_EQ(all.replies[250], 6u);
  EXPECT_EQ(all.fault(Fault::lost), 2u);
  EXPECT_EQ(all.refusals, (std::map<std::string, std::uint64_t>{{"550 no", 2}}));
  EXPECT_TRUE(all.gave_up);
  EXPECT_TRUE(all.ledger_failed);
}

TEST(LoadReport, refusals_of_ever_new_words_are_bounded) {
  Tally all, one;
  for (std::size_t i = 0; i < 2 * Tally::refusals_kept; ++i)
    one.keep_refusal("550 no " + std::to_string(i));
  EXPECT_EQ(one.refusals.size(), Tally::refusals_kept);
  one.keep_refusal("550 no 0");
  EXPECT_EQ(one.refusals["550 no 0"], 2u) << "what is known is still counted";
  all.keep_refusal("another");
  all.add(one);
  all.add(one);
  EXPECT_EQ(all.refusals.size(), Tally::refusals_kept);
  EXPECT_EQ(all.refusals["550 no 0"], 4u);
}

}  // namespace
}  // namespace gatepost::load
