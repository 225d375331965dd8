#include "base/message_id.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace gatepost {
namespace {

constexpr unsigned shard_last = 1295;
constexpr std::uint32_t sequence_count = 36 * 36 * 36 * 36;
constexpr WallUs now = 1'700'000'000'000'000;  // November 2023
constexpr WallUs second = 1'000'000;
constexpr WallUs time_last = 3'656'158'440'062'975;  // ten digits Z

std::string text_of(const MessageId& id) {
  return std::string(id.view());
}

TEST(MessageId, is_16_letters_and_digits) {
  for (const WallUs time : {WallUs{0}, now, time_last, std::numeric_limits<WallUs>::max()}) {
    for (const unsigned shard : {0u, 35u, 36u, shard_last}) {
      MessageIdGenerator generator(shard);
      for (int i = 0; i < 100; ++i) {
        const std::string id = text_of(generator.next(time));
        EXPECT_EQ(id.size(), 16u);
        EXPECT_EQ(id.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"), std::string::npos)
            << id;
      }
    }
  }
}

TEST(MessageId, shows_time_shard_and_sequence) {
  auto laid_out = [](const std::string& time, const std::string& shard,
                     const std::string& sequence) { return time + shard + sequence; };
  EXPECT_EQ(text_of(MessageIdGenerator(0).next(0)), laid_out("0000000000", "00", "0001"));
  EXPECT_EQ(text_of(MessageIdGenerator(37).next(35)), laid_out("000000000Z", "11", "0001"));
  EXPECT_EQ(text_of(MessageIdGenerator(shard_last).next(time_last)),
            laid_out("ZZZZZZZZZZ", "ZZ", "0001"));
}

// Logs and directories are sorted as text; the time has to win over shard and sequence.
TEST(MessageId, an_earlier_message_sorts_in_front_whatever_its_shard) {
  for (const WallUs time : {WallUs{0}, WallUs{35}, now, now + second, time_last - 1}) {
    MessageIdGenerator high(shard_last), low(0);
    std::string earlier;
    for (int i = 0; i < 50; ++i) earlier = text_of(high.next(time));
    EXPECT_LT(earlier, text_of(low.next(time + 1)));
  }
}

TEST(MessageId, many_shards_in_turn_make_ids_in_the_order_of_time) {
  std::vector<MessageIdGenerator> generators;
  for (unsigned shard = 0; shard < 8; ++shard) generators.emplace_back(shard);
  std::string last;
  for (WallUs i = 0; i < 10'000; ++i) {
    // 5 has no factor in common with 8, so that all shards come, and not in their own order.
    const std::string id = text_of(generators[i * 5 % 8].next(now + i));
    ASSERT_LT(last, id);
    last = id;
  }
}

// More than the sequence can count, so that it wraps: the time moves on in its place.
TEST(MessageId, ids_of_one_microsecond_increase_even_when_the_sequence_wraps) {
  MessageIdGenerator generator(1);
  MessageId last = generator.next(now);
  for (std::uint32_t i = 0; i < sequence_count + 1000; ++i) {
    const MessageId id = generator.next(now);
    ASSERT_LT(last.view(), id.view()) << i;
    last = id;
  }
  EXPECT_LT(last.view(), generator.next(now + 1).view());
  EXPECT_LT(last.view(), generator.next(now + 2).view());
}

TEST(MessageId, all_shards_make_different_ids_in_the_same_microsecond) {
  constexpr std::size_t each = 20;
  std::set<std::string> ids;
  for (unsigned shard = 0; shard <= shard_last; ++shard) {
    MessageIdGenerator generator(shard);
    for (std::size_t i = 0; i < each; ++i) ids.insert(text_of(generator.next(now)));
  }
  EXPECT_EQ(ids.size(), (shard_last + 1) * each);
}

TEST(MessageId, ids_increase_while_the_clock_is_set_back) {
  MessageIdGenerator generator(1);
  std::string last = text_of(generator.next(now));
  const std::string time = last.substr(0, 10);
  for (const WallUs back : {WallUs{1}, second, 3600 * second, now}) {
    const std::string id = text_of(generator.next(now - back));
    EXPECT_LT(last, id) << back;
    // It stands still at the last time that was used.
    EXPECT_EQ(id.substr(0, 10), time) << back;
    last = id;
  }
}

TEST(MessageId, follows_the_clock_again_once_it_has_caught_up) {
  MessageIdGenerator generator(1), other(1);
  generator.next(now);
  const std::string back = text_of(generator.next(now - second));
  const std::string caught_up = text_of(generator.next(now + 1));
  EXPECT_LT(back, caught_up);
  EXPECT_EQ(caught_up.substr(0, 10), text_of(other.next(now + 1)).substr(0, 10));
}

// A process that is started again counts from the beginning; that its time is later keeps its ids
// apart from those of the one before.
TEST(MessageId, a_later_process_makes_ids_behind_those_of_an_earlier_one) {
  MessageIdGenerator before(1);
  std::string last;
  for (int i = 0; i < 1000; ++i) last = text_of(before.next(now));
  MessageIdGenerator after(1);
  EXPECT_LT(last, text_of(after.next(now + 1)));
}

TEST(MessageIdDeathTest, a_shard_number_that_two_digits_cannot_hold_aborts) {
  EXPECT_EXIT(MessageIdGenerator(shard_last + 1), testing::KilledBySignal(SIGABRT),
              "invariant broken: shard < shards_max");
}

}  // namespace
}  // namespace gatepost
