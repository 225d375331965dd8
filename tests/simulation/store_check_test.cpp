// The check of the store, rule by rule; and what messages say of themselves.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "simulation/ledger.hpp"

namespace gatepost::simulation {
namespace {

struct GivenFacts final : Facts {
  bool in_doubt(std::string_view) const override { return doubt; }
  bool logged_accepted(std::string_view) const override { return logged; }
  bool crashed_between(SimulatedUs from, SimulatedUs to) const override {
    return crash_us >= from && crash_us <= to && crash_us != never;
  }
  bool doubt = false;
  bool logged = false;
  SimulatedUs crash_us = never;
};

constexpr std::string_view id = "0123456789ABCDEF";

class StoreCheckTest : public testing::Test {
 protected:
  // For two recipients.
  Attempt& attempt(Attempt::State state) {
    Attempt& begun = ledger_.begin(0, 0);
    const std::string number = std::to_string(begun.number);
    begun.state = state;
    begun.sender = "s@sender.example";
    begun.add_recipient(
        {"everyone.example/u" + number + "-0", "u" + number + "-0@everyone.example"});
    begun.add_recipient({"example.org/user1", "user1@example.org"});
    begun.message =
        MessageModel::of("Subject: t\r\n\r\ntok-" + number + "-0.\r\n.x\r\n", {}, begun.number);
    begun.queue_id = id;
    begun.handed_us = 100;
    return begun;
  }
  StoredMessage copy(const Attempt& of, std::size_t recipient, std::string_view more = {}) {
    StoredMessage message;
    message.mailbox = of.recipients.at(recipient).mailbox;
    message.octets =
        "Return-Path: <s@sender.example>\n"
        "Received: from client.example ([192.0.2.1])\n"
        "\tby mx.example.org (Gatepost) with ESMTP id " +
        std::string(id) + ";\n\tMon, 23 Nov 2026 23:12:36 +0000\n" +
        of.message.stored(StoredForm::lf) + std::string(more);
    return message;
  }
  // The numbers of the checks that speak up, each once.
  std::vector<int> found(const std::vector<StoredMessage>& stored) {
    CollectedVerdicts verdicts;
    check_store(ledger_, stored, facts_, rules_, verdicts);
    std::vector<int> numbers;
    for (const int check : {1, 2, 3, 4, 7})
      if (verdicts.has(check)) numbers.push_back(check);
    return numbers;
  }
  using Numbers = std::vector<int>;

  Ledger ledger_;
  GivenFacts facts_;
  StoreRules rules_;
};

TEST_F(StoreCheckTest, AcceptedIsThereOnceForEach) {
  const Attempt& one = attempt(Attempt::State::accepted);
  EXPECT_EQ(found({copy(one, 0), copy(one, 1)}), Numbers{});
  EXPECT_EQ(found({copy(one, 0)}), Numbers{1});
  EXPECT_EQ(found({}), Numbers{1});
  EXPECT_EQ(found({copy(one, 0), copy(one, 1), copy(one, 1)}), Numbers{1});
}

TEST_F(StoreCheckTest, ContentIsOctetForOctet) {
  const Attempt& one = attempt(Attempt::State::accepted);
  StoredMessage changed = copy(one, 0);
  changed.octets.replace(changed.octets.find(".x"), 2, "..x");
  EXPECT_EQ(found({changed, copy(one, 1)}), Numbers{1});
  EXPECT_EQ(found({copy(one, 0, "more"), copy(one, 1)}), Numbers{4});
  changed = copy(one, 0);
  changed.octets.erase(changed.octets.find("Received"), 9);
  EXPECT_EQ(found({changed, copy(one, 1)}), Numbers{1});
}

TEST_F(StoreCheckTest, RefusedAndUnfinishedAreNotThereUnlessInDoubt) {
  const Attempt& refused = attempt(Attempt::State::refused);
  EXPECT_EQ(found({}), Numbers{});
  EXPECT_EQ(found({copy(refused, 0)}), Numbers{2});
  facts_.logged = true;
  EXPECT_EQ(found({copy(refused, 0), copy(refused, 1)}), Numbers{2});
  facts_.doubt = true;
  EXPECT_EQ(found({copy(refused, 0)}), Numbers{});
  facts_.doubt = false;
  const Attempt& unfinished = attempt(Attempt::State::unfinished);
  EXPECT_EQ(found({copy(unfinished, 0), copy(unfinished, 1)}), Numbers{2});
}

TEST_F(StoreCheckTest, UnansweredIsThereForAllOrNobodyAndOnlyWithAReason) {
  const Attempt& one = attempt(Attempt::State::unanswered);
  EXPECT_EQ(found({}), Numbers{});
  EXPECT_EQ(found({copy(one, 0), copy(one, 1)}), Numbers{2});
  facts_.logged = true;
  EXPECT_EQ(found({copy(one, 0), copy(one, 1)}), Numbers{});
  EXPECT_EQ(found({copy(one, 0)}), Numbers{2});
  facts_.logged = false;
  facts_.crash_us = 99;
  EXPECT_EQ(found({copy(one, 0), copy(one, 1)}), Numbers{2});
  facts_.crash_us = 100;
  EXPECT_EQ(found({copy(one, 0), copy(one, 1)}), Numbers{});
  EXPECT_EQ(found({copy(one, 0)}), Numbers{});
  rules_.partial_after_crash = false;
  EXPECT_EQ(found({copy(one, 0)}), Numbers{2});
}

TEST_F(StoreCheckTest, NothingOfAnotherMessage) {
  const Attempt& one = attempt(Attempt::State::accepted);
  const Attempt& two = attempt(Attempt::State::accepted);
  const std::vector<StoredMessage> good{copy(one, 0), copy(one, 1), copy(two, 0), copy(two, 1)};
  EXPECT_EQ(found(good), Numbers{});
  std::vector<StoredMessage> wrong = good;
  wrong.push_back(copy(one, 0));
  wrong.back().mailbox = two.recipients[0].mailbox;
  EXPECT_EQ(found(wrong), Numbers{4});
  wrong = good;
  wrong[0].octets += "tok-1-0.";
  EXPECT_EQ(found(wrong), Numbers{4});
  wrong = good;
  wrong[0].octets.replace(14, 1, "x");
  EXPECT_EQ(found(wrong), Numbers{4});
  wrong = good;
  wrong[0].envelope = StoredMessage::Envelope{};
  wrong[0].envelope->reverse_path = one.sender;
  wrong[0].envelope->recipients = {one.recipients[0].address};
  EXPECT_EQ(found(wrong), Numbers{4});
  wrong[0].envelope->recipients.push_back(one.recipients[1].address);
  EXPECT_EQ(found(wrong), Numbers{});
}

TEST_F(StoreCheckTest, HiddenCommands) {
  const Attempt& one = attempt(Attempt::State::accepted);
  StoredMessage hidden = copy(one, 0);
  hidden.mailbox = "everyone.example/hidden-7";
  EXPECT_EQ(found({copy(one, 0), copy(one, 1), hidden}), Numbers{7});
}

TEST(MessageModel, DotsAndLineEnds) {
  const MessageRules rules;
  const MessageModel model = MessageModel::of(".\r\n..\r\na\r\n", rules, 1, true);
  EXPECT_EQ(model.data_form(), "..\r\n...\r\na\r\n.\r\n");
  EXPECT_EQ(model.stored(StoredForm::lf), ".\n..\na\n");
  EXPECT_EQ(model.size(), 10u);
  EXPECT_EQ(MessageModel::of("", rules, 1, true).data_form(), ".\r\n");
}

TEST(MessageModel, FieldsThatAreDroppedAndCounted) {
  MessageRules rules;
  const MessageModel model = MessageModel::of(
      "return-PATH : x\r\n y\r\nA: b\r\nReturn-Path-X: c\r\n\r\nReturn-Path: d\r\n", rules, 1);
  EXPECT_EQ(model.stored(StoredForm::crlf), "A: b\r\nReturn-Path-X: c\r\n\r\nReturn-Path: d\r\n");
  EXPECT_EQ(MessageModel::of(" x\r\n", rules, 1).stored(StoredForm::lf), "\n x\n");
  std::string hops;
  for (int i = 0; i < 100; ++i) hops += "Received: x\r\n";
  EXPECT_EQ(MessageModel::of(hops, rules, 1).fault(), MessageModel::Fault::none);
  hops += "RECEIVED :\r\n";
  EXPECT_TRUE(MessageModel::of(hops, rules, 1).permits(554, "5.4.6"));
  EXPECT_FALSE(MessageModel::of(hops, rules, 1).permits(250));
}

TEST(MessageModel, BareNewlines) {
  MessageRules rules;
  const std::string content = "a\n.\n..b\rc\r\n";
  EXPECT_TRUE(MessageModel::of(content, rules, 1).permits(550, "5.6.0"));
  EXPECT_FALSE(MessageModel::of(content, rules, 1).permits(250));
  rules.bare_newline = BareNewlineMode::normalize;
  EXPECT_EQ(MessageModel::of(content, rules, 1, true).stored(StoredForm::crlf),
            "a\r\n\r\n.b c\r\n");
  EXPECT_EQ(MessageModel::of(content, rules, 1).stored(StoredForm::lf), "a\n.\n..b c\n");
}

}  // namespace
}  // namespace gatepost::simulation
