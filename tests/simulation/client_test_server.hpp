// For tests of the clients: the real protocol engine behind a connection in memory, with a store,
// and with faults that it can be given, each of which an oracle must see.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/client_model.hpp"
#include "smtp/session.hpp"
#include "smtp/trace.hpp"

namespace gatepost::simulation {

enum class Bug : std::uint8_t {
  none,
  answers_twice,
  takes_rcpt_without_mail,  // 250 for RCPT in state R
  swaps_replies,
  keeps_a_dot,
  bare_lf_ends_data,  // LF.LF is an end of data
  stores_twice,
  keeps_recipients,  // of the transaction before
  keeps_content,     // of the message before
  loses_a_message,
  stores_what_it_refused,
  stores_what_was_cut,  // a message whose end never came
  ends_without_a_word,
  forgets_a_reply,
  wrong_size_limit,  // takes more than it says
  never_throws_out,  // no limit of errors
  rewrites_the_sender
};

// What all connections of a test share.
struct TestWorld {
  explicit TestWorld(ClientSettings client_settings, StoredForm stored_form, Bug planted);

  ClientSettings settings;
  StoredForm form;
  Bug bug;
  smtp::SessionConfig config;
  smtp::SessionPools pools{1 << 20};
  smtp::TraceWriter trace{"mx.example.org", "Gatepost"};
  std::vector<StoredMessage> store;
  std::set<std::string, std::less<>> logged;
  std::uint64_t ids = 0;
  // Of the message before, for bugs.
  std::vector<std::string> last_mailboxes;
  std::string last_content;
};

// The server's side of one connection.
class TestServer final : public smtp::SessionHost {
 public:
  TestServer(TestWorld& world, Random random);
  ~TestServer();

  void greet(bool octets_waiting);
  // Takes what has arrived; more: further octets are on their way that it could see.
  void take(std::string_view octets, bool more);
  void client_ended();
  void time_out();

  // What it said and has not been fetched.
  std::string fetch(std::size_t most);
  bool has_output() const { return !output_.empty(); }
  bool closed() const { return closed_; }

  bool reply(const smtp::ReplyNote& note) override;
  void content(std::uint8_t* octets, std::size_t size) override;
  void content_constant(std::string_view octets) override;
  void hold_content(std::uint8_t* octets, std::size_t size) override;
  void hold_constant(std::string_view octets) override { held_ += octets; }
  void resolve_held(bool keep) override;
  void abort_message() override;

 private:
  void handle(smtp::Event event);
  void decide_recipient();
  void open();
  void commit();
  void store(std::string_view content);
  void say(std::string_view octets);
  std::string with_bare_ends(std::string_view octets);

  TestWorld& world_;
  Random random_;
  std::unique_ptr<smtp::Session> session_;
  std::deque<std::unique_ptr<std::uint8_t[]>> inputs_;
  std::string output_;
  std::string pending_reply_;  // swaps_replies
  std::string held_;
  std::string message_;
  std::string trace_;
  std::string id_;
  StoredMessage::Envelope envelope_;
  std::vector<std::string> mailboxes_;
  bool closed_ = false;
};

// One client's whole connection. Returns when the client has finished; false when nothing moved any
// more, which is wrong too. now_us goes on.
bool run_client(TestWorld& world, ClientModel& client, Random random, SimulatedUs& now_us);

// Nothing crashed, nothing is in doubt.
class TestFacts final : public Facts {
 public:
  explicit TestFacts(const TestWorld& world) : world_(world) {}
  bool in_doubt(std::string_view) const override { return false; }
  bool logged_accepted(std::string_view id) const override { return world_.logged.contains(id); }
  bool crashed_between(SimulatedUs, SimulatedUs) const override { return false; }

 private:
  const TestWorld& world_;
};

}  // namespace gatepost::simulation
