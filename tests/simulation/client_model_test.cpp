// The simulated clients against the real protocol engine: no oracle speaks up; and against engines
// with a fault each: the right one does.

#include "simulation/client_model.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "simulation/client_test_server.hpp"
#include "simulation/reply_table.hpp"

namespace gatepost::simulation {
namespace {

// Settings that differ from seed to seed.
ClientSettings settings_of(std::uint64_t seed) {
  Random random(seed ^ 0x5e771e5);
  ClientSettings settings;
  ServerFacts& server = settings.server;
  settings.hostile = random.once_in(2) ? 60 : 15;
  server.message.size_limit = random.once_in(3) ? 20'000 : 200'000;
  if (random.once_in(8)) server.greeting = ServerFacts::Greeting::refuse;
  if (random.once_in(4)) server.message.bare_newline = BareNewlineMode::normalize;
  if (random.once_in(6)) server.message.final_delivery = false;
  if (random.once_in(6)) server.chunking = false;
  if (random.once_in(8)) server.smtputf8 = false;
  if (random.once_in(3)) server.recipient_limit = 100;
  if (random.once_in(6)) server.hard_error_limit = 6;
  settings.messages.over_limit = 5;
  settings.messages.too_many_received = 3;
  settings.over_recipient_limit = 3;
  return settings;
}

struct Outcome {
  CollectedVerdicts verdicts;
  Ledger ledger;
  std::size_t stored = 0;
  std::string behaviours;
  unsigned stuck = 0;
};

// One run: some clients, one after another, and the check of the store.
void run(std::uint64_t seed, Bug bug, ClientSettings settings, unsigned clients, Outcome& outcome) {
  Random random(seed);
  TestWorld world(std::move(settings), random.once_in(2) ? StoredForm::lf : StoredForm::crlf, bug);
  SimulatedUs now_us = 0;
  for (unsigned number = 0; number < clients; ++number) {
    ClientModel client(number, random.next(), world.settings, outcome.ledger, outcome.verdicts);
    if (!run_client(world, client, random.fork(number), now_us)) ++outcome.stuck;
    outcome.behaviours += client.description() + "\n";
  }
  EXPECT_EQ(world.pools.transactions.in_use(), 0u);
  outcome.stored = world.store.size();
  StoreRules rules;
  rules.final_delivery = world.settings.server.message.final_delivery;
  check_store(outcome.ledger, world.store, TestFacts(world), rules, outcome.verdicts);
}

std::string shown(const CollectedVerdicts& verdicts) {
  std::string text;
  for (const CollectedVerdicts::Violation& violation : verdicts.found)
    text += "\n  check " + std::to_string(violation.check) + ": " + violation.text;
  return text;
}

std::uint64_t seeds(std::uint64_t otherwise) {
  const char* wanted = std::getenv("GATEPOST_CLIENT_SEEDS");
  return wanted == nullptr ? otherwise : std::strtoull(wanted, nullptr, 10);
}

TEST(ClientModel, RealEngineSatisfiesEveryOracle) {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  std::uint64_t others = 0;
  for (std::uint64_t seed = 1; seed <= seeds(2000); ++seed) {
    Outcome outcome;
    run(seed, Bug::none, settings_of(seed), 4, outcome);
    accepted += outcome.ledger.count(Attempt::State::accepted);
    refused += outcome.ledger.count(Attempt::State::refused);
    others += outcome.ledger.count(Attempt::State::unanswered);
    ASSERT_TRUE(outcome.verdicts.found.empty()) << "seed " << seed << shown(outcome.verdicts);
    ASSERT_EQ(outcome.stuck, 0u) << "seed " << seed << "\n" << outcome.behaviours;
  }
  RecordProperty("accepted", static_cast<int>(accepted));
  EXPECT_GT(accepted, seeds(2000) * 2);
  EXPECT_GT(refused, seeds(2000) / 10);
  EXPECT_GT(others, seeds(2000) / 20);
}

TEST(ClientModel, SameSeedSameSession) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Outcome first;
    Outcome second;
    run(seed, Bug::none, settings_of(seed), 4, first);
    run(seed, Bug::none, settings_of(seed), 4, second);
    EXPECT_EQ(first.behaviours, second.behaviours);
    EXPECT_EQ(first.stored, second.stored);
  }
}

// In `runs` seeds the fault must be seen under this number.
void expect_seen(Bug bug, int check, std::uint64_t runs = 40) {
  CollectedVerdicts all;
  for (std::uint64_t seed = 1; seed <= runs && !all.has(check); ++seed) {
    Outcome outcome;
    ClientSettings settings = settings_of(seed);
    settings.server.greeting = ServerFacts::Greeting::welcome;
    settings.server.message.bare_newline = BareNewlineMode::keep;
    settings.messages.smuggling = 15;
    run(seed, bug, settings, 6, outcome);
    for (CollectedVerdicts::Violation& violation : outcome.verdicts.found)
      all.found.push_back(std::move(violation));
  }
  EXPECT_TRUE(all.has(check)) << "check " << check << " of bug " << static_cast<int>(bug)
                              << shown(all);
}

TEST(ClientModelOracles, SeeRepliesThatAreWrong) {
  expect_seen(Bug::answers_twice, checks::replies);
  expect_seen(Bug::takes_rcpt_without_mail, checks::replies);
  expect_seen(Bug::swaps_replies, checks::replies);
  expect_seen(Bug::ends_without_a_word, checks::replies);
  expect_seen(Bug::forgets_a_reply, checks::replies);
  expect_seen(Bug::wrong_size_limit, checks::replies);
  expect_seen(Bug::never_throws_out, checks::replies);
}

TEST(ClientModelOracles, SeeWhatIsNotStoredAsSent) {
  expect_seen(Bug::keeps_a_dot, checks::durable);
  expect_seen(Bug::stores_twice, checks::durable);
  expect_seen(Bug::loses_a_message, checks::durable);
}

TEST(ClientModelOracles, SeeWhatShouldNotBeStored) {
  expect_seen(Bug::stores_what_it_refused, checks::not_stored);
  expect_seen(Bug::stores_what_was_cut, checks::not_stored);
}

TEST(ClientModelOracles, SeeMixtures) {
  expect_seen(Bug::keeps_recipients, checks::no_mixture);
  expect_seen(Bug::keeps_content, checks::no_mixture);
  expect_seen(Bug::rewrites_the_sender, checks::no_mixture);
}

TEST(ClientModelOracles, SeeHiddenCommandsThatRan) {
  expect_seen(Bug::bare_lf_ends_data, checks::nothing_hidden);
}

}  // namespace
}  // namespace gatepost::simulation
