// One engine against one stub server.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>

#include "load/engine.hpp"
#include "load/report.hpp"
#include "stub_server.hpp"

namespace gatepost::load {
constexpr std::string_view pipelining = "250-mx\r\n250 PIPELINING\r\n";
constexpr std::string_view chunking = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";

inline void take_everything(Peer& peer, std::string_view extensions) {
  peer.greet(extensions);
  while (peer.take_envelope()) {
    peer.take_content();
    peer.write("250 taken\r\n");
  }
}

class LoadEngine : public testing::Test {
 protected:
  LoadEngine() : text_(1) {
    std::string pattern = (std::filesystem::temp_directory_path() / "gatepost-load-XXXXXX");
    folder_ = mkdtemp(pattern.data());
    options_.connections = 2;
    options_.messages = 10;
    options_.duration_ns = 60'000'000'000;
    options_.grace_ns = 60'000'000'000;
    options_.slow_interval_ns = 1'000'000;
    options_.silent_ns = 10'000'000;
    options_.sizes = SizeDistribution::parse("2K").value();
    options_.session.helo = "[127.0.0.1]";
    options_.session.from = "a@sender.test";
    options_.session.mailboxes = {"u0@example.org", "u1@example.org", "u2@example.org"};
    options_.session.text = &text_;
  }
  ~LoadEngine() override { std::filesystem::remove_all(folder_); }

  Tally run(StubServer& server) {
    std::memcpy(&options_.target.address, &server.address(), sizeof server.address());
    options_.target.length = sizeof server.address();
    auto ledger = Ledger::open(folder_ + "/ledger");
    Engine engine(options_, 0, "run", "date", ledger.value().get(), stop_, progress_);
    auto result = engine.run();
    server.stop();
    EXPECT_TRUE(result) << result.error();
    RunResult all;
    if (result) all.tally = result.value();
    exit_code_ = exit_code_of(options_, all);
    return all.tally;
  }
  std::map<LedgerState, int> ledger_lines() {
    unsigned torn = 0;
    auto entries = read_ledger(folder_ + "/ledger", &torn);
    EXPECT_TRUE(entries);
    std::map<LedgerState, int> lines;
    for (const LedgerEntry& entry : entries.value()) ++lines[entry.state];
    return lines;
  }

  BodyText text_;
  RunOptions options_;
  std::string folder_;
  std::atomic<int> stop_{0};
  Progress progress_;
  int exit_code_ = -1;
};

}  // namespace gatepost::load
