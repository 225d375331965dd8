// How runs, connections and messages end, and what the open loop does with connections that are
// free.
#include <netinet/in.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <tuple>

#include "../ring/ring_calls.hpp"
#include "engine_fixture.hpp"

namespace gatepost::load {
namespace {

using std::chrono::milliseconds;

TEST_F(LoadEngine, the_open_loop_uses_connections_again_that_are_free) {
  options_.rate = 100;
  options_.connections = 2;
  StubServer server([&](Peer& peer, int) { take_everything(peer, pipelining); });
  Tally tally = run(server);
  EXPECT_EQ(tally.acknowledged, 10u);
  EXPECT_LE(tally.connections, 2u);
  for (const std::string& seen : server.seen()) EXPECT_TRUE(seen.ends_with("\r\nQUIT\r\n"));
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(LoadEngine, threads_share_messages_and_connections) {
  options_.threads = 2;
  options_.connections = 3;
  options_.messages = 3;
  StubServer server([&](Peer& peer, int) { take_everything(peer, pipelining); });
  std::memcpy(&options_.target.address, &server.address(), sizeof server.address());
  options_.target.length = sizeof server.address();
  for (auto [thread, messages] : {std::pair{0u, 2u}, {1u, 1u}}) {
    Engine engine(options_, thread, "run", "date", nullptr, stop_, progress_);
    auto result = engine.run();
    ASSERT_TRUE(result) << result.error();
    EXPECT_EQ(result.value().acknowledged, messages) << thread;
    EXPECT_LE(result.value().connections, messages) << thread;
  }
}

TEST_F(LoadEngine, a_ring_that_cannot_be_had_is_told) {
  for (auto [call, error, told] :
       {std::tuple{"queue_init", EPERM, "io_uring is forbidden here"},
        {"register_buf_ring", ENOMEM, "buffer ring: Cannot allocate memory"},
        {"enter", EBADF, "io_uring_enter: Bad file descriptor"}}) {
    ring::FailingCall failing(call, error);
    Engine engine(options_, 0, "run", "date", nullptr, stop_, progress_);
    auto result = engine.run();
    ASSERT_FALSE(result) << call;
    EXPECT_EQ(result.error().rfind(told, 0), 0u) << result.error();
  }
}

TEST_F(LoadEngine, reconnecting_repeats_no_message_that_may_have_arrived) {
  options_.on_disconnect = OnDisconnect::reconnect;
  options_.connections = 1;
  options_.messages = 5;
  StubServer server([&](Peer& peer, int number) {
    if (number > 0) return take_everything(peer, pipelining);
    peer.greet(pipelining);
    peer.take_envelope();
    peer.take_content();
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.started, 5u);
  EXPECT_EQ(tally.acknowledged, 4u);
  EXPECT_EQ(tally.in_doubt, 1u);
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(LoadEngine, a_reply_that_nobody_asked_for_is_an_error) {
  options_.rate = 5;
  options_.connections = 1;
  options_.messages = 2;
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    peer.take_envelope();
    peer.take_content();
    peer.write("250 taken\r\n");
    std::this_thread::sleep_for(milliseconds(10));
    peer.write("250 by the way\r\n");  // the next message is due only later
    peer.read_line();
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.acknowledged, 2u);
  EXPECT_EQ(tally.fault(Fault::unexpected_reply), 1u);
  EXPECT_EQ(exit_code_, 1);
}

TEST_F(LoadEngine, source_addresses_are_taken_in_turn) {
  options_.source_addresses = 3;
  options_.messages_per_connection = 1;
  options_.connections = 1;
  options_.messages = 6;
  std::mutex mutex;
  std::multiset<std::uint32_t> addresses;
  StubServer server([&](Peer& peer, int) {
    {
      std::lock_guard guard(mutex);
      addresses.insert(peer.client_address());
    }
    take_everything(peer, pipelining);
  });
  EXPECT_EQ(run(server).acknowledged, 6u);
  for (std::uint32_t host : {1u, 2u, 3u})
    EXPECT_EQ(addresses.count((127u << 24) + host), 2u) << "127.0.0." << host;
}

TEST_F(LoadEngine, nobody_listens) {
  options_.connections = 1;
  StubServer server([](Peer&, int) {});
  server.stop();
  Tally tally = run(server);
  EXPECT_EQ(tally.fault(Fault::connect_refused), 3u) << "it gives up after three";
  EXPECT_TRUE(tally.gave_up);
  EXPECT_EQ(exit_code_, 1);
}

TEST_F(LoadEngine, no_way_to_the_server) {
  options_.connections = 1;
  sockaddr_in nowhere{};
  nowhere.sin_family = AF_INET;
  nowhere.sin_port = htons(25);
  nowhere.sin_addr.s_addr = htonl(INADDR_BROADCAST);
  std::memcpy(&options_.target.address, &nowhere, sizeof nowhere);
  options_.target.length = sizeof nowhere;
  Engine engine(options_, 0, "run", "date", nullptr, stop_, progress_);
  auto result = engine.run();
  ASSERT_TRUE(result) << result.error();
  EXPECT_EQ(result.value().fault(Fault::connect_failed), 3u);
  EXPECT_TRUE(result.value().gave_up);
}

TEST_F(LoadEngine, servers_that_refuse_the_session_are_told_apart) {
  options_.connections = 1;
  options_.messages = 1;
  for (auto [at_greeting, fault] :
       {std::pair{true, Fault::greeting_refused}, {false, Fault::helo_refused}}) {
    StubServer server([&, refuses = at_greeting](Peer& peer, int) {
      peer.write(refuses ? "554 5.3.2 not today\r\n" : "220 mx\r\n");
      if (!refuses && peer.read_line().starts_with("EHLO")) peer.write("451 4.3.2 later\r\n");
      if (peer.read_line() == "QUIT\r\n") peer.write("221 bye\r\n");
    });
    Tally tally = run(server);
    EXPECT_EQ(tally.fault(fault), 1u) << at_greeting;
    EXPECT_EQ(tally.refusals.size(), 1u);
    for (const std::string& seen : server.seen()) EXPECT_TRUE(seen.ends_with("QUIT\r\n"));
    EXPECT_EQ(exit_code_, 1);
  }
}

TEST_F(LoadEngine, a_message_refused_at_its_end_is_a_refusal_in_the_ledger) {
  options_.connections = 1;
  options_.messages = 2;
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    while (peer.take_envelope()) {
      peer.take_content();
      peer.write("550 5.7.1 spam\r\n");
    }
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.fault(Fault::refused), 2u);
  EXPECT_EQ(ledger_lines(), (std::map<LedgerState, int>{{LedgerState::refused, 2}}));
}

TEST_F(LoadEngine, a_slow_client_that_is_refused_is_no_failure) {
  options_.mix = Mix::parse("slow=100%").value();
  options_.sizes = SizeDistribution::parse("400").value();
  options_.connections = 1;
  options_.messages = 2;
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    while (peer.take_envelope()) {
      peer.take_content();
      peer.write("451 4.4.2 too slow\r\n");
    }
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.started, 2u);
  EXPECT_EQ(tally.fault(Fault::refused), 0u);
  EXPECT_EQ(exit_code_, 0);
  EXPECT_EQ(ledger_lines(), (std::map<LedgerState, int>{{LedgerState::refused, 2}}));
}

TEST_F(LoadEngine, a_refusal_with_the_connection_lost_behind_it_is_a_refusal) {
  options_.connections = 1;
  options_.messages = 1;
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    peer.read_line();
    peer.write("550 5.7.1 not you\r\n");
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.fault(Fault::refused), 1u);
  EXPECT_EQ(tally.fault(Fault::lost), 0u);
  EXPECT_TRUE(ledger_lines().empty()) << "nothing of it was sent";
}

TEST_F(LoadEngine, a_server_that_shuts_down_in_a_refused_message_is_one_that_shuts_down) {
  options_.connections = 1;
  options_.messages = 1;
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    peer.read_line();
    peer.write("550 5.7.1 not you\r\n421 4.3.2 bye\r\n");
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.fault(Fault::server_closing), 1u);
  EXPECT_EQ(tally.fault(Fault::refused), 0u);
}

TEST_F(LoadEngine, a_greeting_in_two_pieces_is_one) {
  options_.connections = 1;
  options_.messages = 1;
  StubServer server([&](Peer& peer, int) {
    peer.write("220 st");
    std::this_thread::sleep_for(milliseconds(20));
    peer.write("ub\r\n");
    peer.read_line();
    peer.write("250 mx\r\n");
    if (peer.take_envelope()) peer.take_content();
    peer.write("250 taken\r\n");
    peer.read_line();
    peer.write("221 bye\r\n");
  });
  EXPECT_EQ(run(server).acknowledged, 1u);
}

TEST_F(LoadEngine, R5321_4_5_3_2_01_waits_for_354_no_longer_than_told) {
  options_.connections = 1;
  options_.messages = 1;
  options_.timeouts.data = 20'000'000;
  StubServer server([&](Peer& peer, int) {
    peer.greet({});
    for (int command = 0; command < 2; ++command) {
      peer.read_line();
      peer.write("250 ok\r\n");
    }
    peer.read_until("no more comes");
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.fault(Fault::timeout), 1u);
  EXPECT_EQ(tally.in_doubt, 0u);
  EXPECT_TRUE(server.seen().at(0).ends_with("DATA\r\n"));
}

TEST_F(LoadEngine, a_server_that_only_talks_is_left) {
  options_.connections = 1;
  options_.messages = 1;
  // More than the sockets' buffers take, so that the client is still sending.
  options_.sizes = SizeDistribution::parse("64M").value();
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    peer.take_envelope();
    peer.read_octets(100'000);
    std::string replies;
    while (replies.size() < 1'000'000) replies += "250 and another thing\r\n";
    peer.write(replies);
    peer.read_until("no more comes");
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.acknowledged, 0u);
  EXPECT_EQ(
      tally.fault(Fault::unexpected_reply) + tally.fault(Fault::refused) + tally.fault(Fault::lost),
      1u);
  EXPECT_EQ(ledger_lines(), (std::map<LedgerState, int>{{LedgerState::cut, 1}}));
}

TEST_F(LoadEngine, a_server_that_half_closes_in_the_content_has_left) {
  options_.connections = 1;
  options_.messages = 1;
  options_.sizes = SizeDistribution::parse("64M").value();
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    peer.take_envelope();
    peer.read_octets(100'000);
    peer.half_close();
    peer.read_until("no more comes");
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.fault(Fault::lost), 1u);
  EXPECT_EQ(tally.in_doubt, 0u);
  EXPECT_EQ(ledger_lines(), (std::map<LedgerState, int>{{LedgerState::cut, 1}}));
}

TEST_F(LoadEngine, a_silent_client_that_is_thrown_out_is_no_failure) {
  options_.mix = Mix::parse("silent=100%").value();
  options_.silent_ns = 60'000'000'000;
  options_.connections = 1;
  options_.messages = 3;
  StubServer server([&](Peer& peer, int) {
    peer.write("220 mx\r\n");
    std::this_thread::sleep_for(milliseconds(10));
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.started, 3u);
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(LoadEngine, a_half_closed_client_leaves_when_its_time_is_over) {
  options_.mix = Mix::parse("halfclose=100%").value();
  options_.silent_ns = 20'000'000;
  options_.connections = 2;
  options_.messages = 3;
  StubServer server([&](Peer& peer, int number) {
    if (number == 1) std::this_thread::sleep_for(milliseconds(10));
    peer.greet(pipelining);
    if (!peer.take_envelope()) return;
    peer.take_content();  // until the client's FIN
    std::this_thread::sleep_for(milliseconds(100));
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.started, 3u);
  EXPECT_EQ(tally.connections, 3u);
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(LoadEngine, what_waits_for_a_greeting_at_the_end_was_never_begun) {
  options_.rate = 50;
  options_.connections = 1;
  options_.duration_ns = 100'000'000;
  options_.messages = 1'000'000;
  StubServer server([&](Peer& peer, int) {
    std::this_thread::sleep_for(milliseconds(250));
    peer.greet(pipelining);
    if (peer.read_line() == "QUIT\r\n") peer.write("221 bye\r\n");
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.started, 0u);
  EXPECT_EQ(tally.unstarted, 5u);
  EXPECT_EQ(tally.transaction.count(), 5u);
  EXPECT_TRUE(server.seen().at(0).ends_with("QUIT\r\n"));
}

TEST_F(LoadEngine, what_waits_for_another_try_at_the_end_waits_no_longer) {
  options_.on_disconnect = OnDisconnect::reconnect;
  options_.connections = 1;
  options_.duration_ns = 150'000'000;
  StubServer server([](Peer&, int) {});
  Tally tally = run(server);
  EXPECT_EQ(tally.started, 0u);
  EXPECT_GE(tally.connections, 2u);
  EXPECT_FALSE(tally.gave_up);
  EXPECT_EQ(exit_code_, 0) << "broken connections are forgiven";
}

TEST_F(LoadEngine, clients_that_would_take_for_ever_are_cut_at_the_end) {
  for (const char* kind : {"garbage=100%", "slow=100%"}) {
    options_.mix = Mix::parse(kind).value();
    options_.connections = 1;
    options_.messages = 1;
    options_.duration_ns = 100'000'000;
    options_.slow_octets = 1;
    options_.slow_interval_ns = 20'000'000;
    const auto begin = std::chrono::steady_clock::now();
    StubServer server([&](Peer& peer, int) {
      peer.greet(pipelining);
      for (std::string line; !(line = peer.read_line()).empty() && line != "DATA\r\n";) {
        std::this_thread::sleep_for(milliseconds(line.starts_with("XYZZY") ? 100 : 0));
        peer.write(line.starts_with("XYZZY") ? "500 what\r\n" : "250 ok\r\n");
      }
      peer.write("354 go\r\n");
      peer.read_until("never sent");
    });
    Tally tally = run(server);
    EXPECT_EQ(tally.started, 1u) << kind;
    EXPECT_EQ(tally.acknowledged, 0u) << kind;
    // Whole, garbage would take 2.5 s and the slow message 40 s.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2)) << kind;
    EXPECT_EQ(exit_code_, 0) << kind;
  }
}

}  // namespace
}  // namespace gatepost::load
