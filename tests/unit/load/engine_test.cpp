#include "load/engine.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine_fixture.hpp"
#include "load/hash.hpp"

namespace gatepost::load {
namespace {

TEST_F(LoadEngine, delivers_what_it_was_asked_to) {
  for (std::string_view extensions : {std::string_view{}, pipelining}) {
    StubServer server([&](Peer& peer, int) { take_everything(peer, extensions); });
    Tally tally = run(server);
    EXPECT_EQ(tally.started, 10u);
    EXPECT_EQ(tally.acknowledged, 10u);
    EXPECT_EQ(tally.octets, 10u * 2048);
    EXPECT_EQ(tally.connections, 2u);
    EXPECT_EQ(tally.replies[220], 2u);
    EXPECT_EQ(tally.replies[221], 2u);
    EXPECT_EQ(tally.replies[354], 10u);
    EXPECT_EQ(tally.connect.count(), 2u);
    EXPECT_EQ(tally.transaction.count(), 10u);
    EXPECT_EQ(tally.end_of_data.count(), 10u);
    EXPECT_EQ(exit_code_, 0);
    // R5321-4.1.4-10: QUIT is last. R5321-2.3.8-04: no bare CR or LF anywhere.
    for (const std::string& seen : server.seen()) {
      EXPECT_TRUE(seen.ends_with("\r\nQUIT\r\n"));
      for (std::size_t i = 0; i < seen.size(); ++i) {
        if (seen[i] == '\n') {
          ASSERT_EQ(seen[i - 1], '\r');
        }
        if (seen[i] == '\r') {
          ASSERT_EQ(seen[i + 1], '\n');
        }
      }
    }
  }
  EXPECT_EQ(ledger_lines(), (std::map<LedgerState, int>{{LedgerState::acked, 20}}));
}

TEST_F(LoadEngine, uses_a_connection_for_as_many_messages_as_told) {
  options_.messages_per_connection = 3;
  options_.connections = 1;
  StubServer server([&](Peer& peer, int) { take_everything(peer, pipelining); });
  Tally tally = run(server);
  EXPECT_EQ(tally.acknowledged, 10u);
  EXPECT_EQ(tally.connections, 4u);
}

TEST_F(LoadEngine, sends_large_messages_in_many_steps) {
  options_.sizes = SizeDistribution::parse("3M").value();
  options_.messages = 3;
  std::mutex mutex;
  std::vector<std::string> contents;
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    while (peer.take_envelope()) {
      std::string content = peer.take_content();
      std::lock_guard guard(mutex);
      contents.push_back(std::move(content));
      peer.write("250 taken\r\n");
    }
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.acknowledged, 3u);
  ASSERT_EQ(contents.size(), 3u);
  unsigned torn = 0;
  auto entries = read_ledger(folder_ + "/ledger", &torn).value();
  for (const std::string& content : contents) {
    // As a server would store it: dots removed, LF.
    ContentHash hash;
    std::string stored;
    for (std::size_t i = 0; i < content.size() - 3; ++i) {
      bool stuffed = content[i] == '.' && i > 0 && content[i - 1] == '\n';
      if (!stuffed && content[i] != '\r') stored += content[i];
    }
    hash.update(stored);
    EXPECT_TRUE(std::any_of(entries.begin(), entries.end(), [&](const LedgerEntry& entry) {
      return entry.hash == hash.hex() && entry.size == 3u << 20;
    }));
  }
}

TEST_F(LoadEngine, takes_chunk_replies_while_it_sends) {
  options_.sizes = SizeDistribution::parse("1M").value();
  options_.session.chunking = true;
  options_.session.chunk_size = 1000;
  options_.messages = 4;
  StubServer server([&](Peer& peer, int) {
    peer.greet(chunking);
    while (true) {
      std::string line = peer.read_line();
      if (line.empty() || line == "QUIT\r\n") break;
      if (line.starts_with("BDAT ")) peer.read_octets(std::stoul(line.substr(5)));
      peer.write("250 ok\r\n");
    }
    peer.write("221 bye\r\n");
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.acknowledged, 4u);
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(LoadEngine, broken_clients_break_and_are_no_failures) {
  for (std::string_view kind : {"abort", "reset", "halfclose"}) {
    options_.mix = Mix::parse(std::string(kind) + "=100%").value();
    options_.messages = 4;
    StubServer server([&](Peer& peer, int) {
      peer.greet(pipelining);
      if (peer.take_envelope()) peer.take_content();
    });
    Tally tally = run(server);
    EXPECT_EQ(tally.started, 4u) << kind;
    EXPECT_EQ(tally.acknowledged, 0u) << kind;
    EXPECT_EQ(exit_code_, 0) << kind;
    std::size_t contents = 0;
    for (const std::string& seen : server.seen()) {
      EXPECT_EQ(seen.find("\r\n.\r\n"), std::string::npos) << kind;
      contents += seen.find(id_field) != std::string::npos ? 1 : 0;
    }
    // RST may throw away what the stub has not read yet.
    if (kind != "reset") {
      EXPECT_EQ(contents, 4u) << kind;
    }
  }
  EXPECT_TRUE(ledger_lines().empty());
}

TEST_F(LoadEngine, slow_clients_send_whole_messages_in_small_steps) {
  options_.mix = Mix::parse("slow=100%").value();
  options_.sizes = SizeDistribution::parse("600").value();
  options_.slow_octets = 40;
  options_.messages = 2;
  StubServer server([&](Peer& peer, int) { take_everything(peer, pipelining); });
  Tally tally = run(server);
  EXPECT_EQ(tally.acknowledged, 2u);
  // Fifteen steps a millisecond apart at least.
  EXPECT_GE(tally.slow_transaction.max(), 14'000'000u);
  EXPECT_EQ(ledger_lines(), (std::map<LedgerState, int>{{LedgerState::acked, 2}}));
}

TEST_F(LoadEngine, latencies_are_of_normal_clients_only) {
  options_.mix = Mix::parse("slow=50%").value();
  options_.messages = 40;
  options_.messages_per_connection = 1;
  StubServer server([&](Peer& peer, int) { take_everything(peer, pipelining); });
  Tally tally = run(server);
  std::uint64_t slow = tally.by_kind[static_cast<std::size_t>(Kind::slow)];
  ASSERT_GT(slow, 0u);
  ASSERT_LT(slow, 40u);
  EXPECT_EQ(tally.acknowledged, 40u);
  EXPECT_EQ(tally.slow_transaction.count(), slow);
  for (const Histogram* each : {&tally.transaction, &tally.end_of_data, &tally.connect})
    EXPECT_EQ(each->count(), 40 - slow);
}

TEST_F(LoadEngine, what_slow_clients_never_began_is_no_latency_of_normal_ones) {
  options_.mix = Mix::parse("slow=100%").value();
  options_.rate = 1000;
  options_.messages = 1'000'000;
  options_.duration_ns = 200'000'000;
  options_.connections = 1;
  StubServer server([&](Peer& peer, int) { take_everything(peer, pipelining); });
  Tally tally = run(server);
  EXPECT_GT(tally.unstarted, 0u);
  EXPECT_EQ(tally.transaction.count(), 0u);
  EXPECT_GE(tally.slow_transaction.count(), tally.unstarted);
}

TEST_F(LoadEngine, silent_and_garbage_clients_end) {
  options_.mix = Mix::parse("silent=50%,garbage=50%").value();
  StubServer server([&](Peer& peer, int) {
    peer.write("220 stub\r\n");
    while (true) {
      std::string line = peer.read_line();
      if (line.empty() || line == "QUIT\r\n") break;
      peer.write(line.starts_with("EHLO") ? "250 mx\r\n" : "500 what\r\n");
    }
    peer.write("221 bye\r\n");
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.started, 10u);
  EXPECT_EQ(tally.by_kind[static_cast<std::size_t>(Kind::silent)] +
                tally.by_kind[static_cast<std::size_t>(Kind::garbage)],
            10u);
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(LoadEngine, the_open_loop_counts_from_when_messages_were_due) {
  options_.rate = 100;
  options_.messages = 20;
  options_.connections = 1;
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    bool first = true;
    while (peer.take_envelope()) {
      peer.take_content();
      if (first) std::this_thread::sleep_for(std::chrono::milliseconds(300));
      first = false;
      peer.write("250 taken\r\n");
    }
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.acknowledged, 20u);
  // The stall holds up all twenty, the last of which was due after 190 ms. A closed loop would show
  // it in one latency only.
  EXPECT_GE(tally.transaction.percentile(5), 100'000'000u);
  EXPECT_GE(tally.transaction.max(), 300'000'000u);
}

TEST_F(LoadEngine, the_open_loop_tells_what_it_could_not_begin) {
  options_.rate = 1000;
  options_.messages = 1'000'000;
  options_.duration_ns = 200'000'000;
  options_.connections = 1;
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    while (peer.take_envelope()) {
      peer.take_content();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      peer.write("250 taken\r\n");
    }
  });
  Tally tally = run(server);
  EXPECT_LE(tally.acknowledged, 5u);
  EXPECT_EQ(tally.started + tally.unstarted, 200u);
  EXPECT_EQ(tally.transaction.count(), 200u);
  RunResult result;
  result.tally = tally;
  EXPECT_FALSE(rate_held(options_, result));
}

TEST_F(LoadEngine, stops_at_once_when_told_twice) {
  stop_ = 2;
  StubServer server([&](Peer& peer, int) { peer.read_until("never"); });
  Tally tally = run(server);
  EXPECT_EQ(tally.acknowledged, 0u);
  EXPECT_EQ(tally.fault(Fault::unfinished), 2u);
}

}  // namespace
}  // namespace gatepost::load
