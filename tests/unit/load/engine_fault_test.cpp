// Servers that break off, refuse, stall and talk nonsense.
#include "engine_fixture.hpp"

namespace gatepost::load {
namespace {

TEST_F(LoadEngine, a_message_without_an_answer_is_in_doubt) {
  options_.connections = 1;
  StubServer server([&](Peer& peer, int number) {
    if (number > 0) return take_everything(peer, pipelining);
    peer.greet(pipelining);
    peer.take_envelope();
    peer.take_content();
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.in_doubt, 1u);
  EXPECT_EQ(tally.acknowledged, 9u);
  EXPECT_EQ(tally.fault(Fault::lost), 1u);
  EXPECT_EQ(exit_code_, 1);
  EXPECT_EQ(ledger_lines(),
            (std::map<LedgerState, int>{{LedgerState::acked, 9}, {LedgerState::doubt, 1}}));
}

TEST_F(LoadEngine, a_message_whose_end_was_never_sent_is_cut) {
  options_.connections = 1;
  options_.messages = 1;
  // More than both sockets' buffers take, so that the end can't have left.
  options_.sizes = SizeDistribution::parse("64M").value();
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    peer.take_envelope();
    peer.read_octets(100'000);
    peer.reset();
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.in_doubt, 0u);
  EXPECT_EQ(tally.acknowledged, 0u);
  EXPECT_EQ(ledger_lines(), (std::map<LedgerState, int>{{LedgerState::cut, 1}}));
}

TEST_F(LoadEngine, an_answer_in_the_middle_of_the_content_is_a_refusal) {
  options_.connections = 1;
  options_.messages = 1;
  options_.sizes = SizeDistribution::parse("64M").value();
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    peer.take_envelope();
    peer.read_octets(100'000);
    peer.write("552 5.3.4 too big\r\n");
    peer.read_until("never sent");  // reads on until the client leaves
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.replies[552], 1u);
  EXPECT_EQ(tally.fault(Fault::refused), 1u);
  EXPECT_EQ(tally.in_doubt, 0u);
  EXPECT_EQ(tally.acknowledged, 0u);
  EXPECT_EQ(exit_code_, 1);
  EXPECT_FALSE(server.seen().at(0).ends_with("QUIT\r\n")) << "it would be taken for content";
}

TEST_F(LoadEngine, a_server_that_talks_ahead_does_no_harm) {
  options_.connections = 1;
  options_.messages = 1;
  StubServer server([&](Peer& peer, int) {
    peer.write("220 x\r\n250-mx\r\n250 x\r\n250 a\r\n250 b\r\n354 go\r\n250 taken\r\n221 bye\r\n");
    peer.read_until("no more comes");
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.started, 1u);
  EXPECT_TRUE(server.seen().at(0).ends_with("\r\n.\r\nQUIT\r\n"));
}

TEST_F(LoadEngine, reconnects_until_all_is_sent) {
  options_.on_disconnect = OnDisconnect::reconnect;
  options_.connections = 1;
  StubServer server([&](Peer& peer, int number) {
    if (number < 5) return;  // closes at once
    take_everything(peer, pipelining);
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.acknowledged, 10u);
  EXPECT_EQ(tally.connections, 6u);
  EXPECT_FALSE(tally.gave_up);
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(LoadEngine, gives_up_when_nothing_works) {
  options_.connections = 2;
  StubServer server([&](Peer&, int) {});
  Tally tally = run(server);
  EXPECT_EQ(tally.acknowledged, 0u);
  EXPECT_TRUE(tally.gave_up);
  EXPECT_LE(tally.connections, 6u);
  EXPECT_EQ(exit_code_, 1);
}

TEST_F(LoadEngine, tolerates_a_server_that_dies) {
  options_.on_disconnect = OnDisconnect::tolerate;
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    peer.take_envelope();
    peer.take_content();
    peer.write("250 taken\r\n");
    peer.reset();
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.connections, 2u) << "none is opened again";
  EXPECT_EQ(tally.acknowledged + tally.fault(Fault::lost), tally.started);
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(LoadEngine, R5321_3_8_05_a_closing_server_is_no_refusal) {
  options_.on_disconnect = OnDisconnect::reconnect;
  options_.connections = 1;
  StubServer server([&](Peer& peer, int number) {
    if (number == 0) return peer.write("421 4.3.2 too many\r\n");
    take_everything(peer, pipelining);
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.acknowledged, 10u);
  EXPECT_EQ(tally.replies[421], 1u);
  EXPECT_EQ(tally.fault(Fault::server_closing), 1u);
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(LoadEngine, refusals_are_failures_with_their_text) {
  options_.connections = 1;
  options_.messages = 3;
  options_.on_disconnect = OnDisconnect::reconnect;
  StubServer server([&](Peer& peer, int) {
    peer.greet({});
    while (peer.read_line() != "QUIT\r\n") peer.write("550 5.7.1 not you\r\n");
    peer.write("221 bye\r\n");
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.fault(Fault::refused), 3u);
  ASSERT_EQ(tally.refusals.size(), 1u);
  EXPECT_EQ(tally.refusals.begin()->first, "550 5.7.1 not you (to MAIL)");
  EXPECT_EQ(exit_code_, 1) << "reconnecting forgives connections, not refusals";
  EXPECT_TRUE(ledger_lines().empty());
}

TEST_F(LoadEngine, R5321_4_5_3_2_01_waits_no_longer_than_told) {
  options_.connections = 1;
  options_.messages = 1;
  options_.timeouts.end_of_data = 20'000'000;
  StubServer server([&](Peer& peer, int) {
    peer.greet(pipelining);
    peer.take_envelope();
    peer.read_until("no more comes");
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.fault(Fault::timeout), 1u);
  EXPECT_EQ(tally.in_doubt, 1u);
}

TEST_F(LoadEngine, nonsense_from_the_server_is_an_error) {
  options_.connections = 1;
  options_.messages = 1;
  options_.on_disconnect = OnDisconnect::tolerate;
  StubServer server([&](Peer& peer, int) {
    peer.write("HTTP/1.1 400 Bad Request\r\n");
    peer.read_until("whatever");
  });
  Tally tally = run(server);
  EXPECT_EQ(tally.fault(Fault::malformed_reply), 1u);
  EXPECT_EQ(exit_code_, 1);
}

}  // namespace
}  // namespace gatepost::load
