#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "buffer/buffer_pool.hpp"
#include "policy/admission.hpp"
#include "shard/connection.hpp"
#include "shard/reply_arena.hpp"
#include "shard/timer_wheel.hpp"

namespace gatepost::shard {
namespace {

std::vector<std::uint32_t> due_at(TimerWheel& wheel, std::uint64_t now_ms) {
  std::vector<std::uint32_t> due;
  wheel.advance(now_ms, [&](std::uint32_t entry) { due.push_back(entry); });
  return due;
}

TEST(TimerWheel, is_never_early_and_at_most_two_ticks_late) {
  TimerWheel wheel(8);
  wheel.start(1'000'000);
  for (std::uint64_t wait : {1u, 99u, 100u, 5'000u, 150'000u, 400'000u}) {
    std::uint64_t begun = 1'000'000;
    TimerWheel fresh(1);
    fresh.start(begun);
    fresh.set(0, begun + wait);
    std::uint64_t now = begun;
    while (due_at(fresh, now).empty()) now += TimerWheel::tick_ms;
    EXPECT_GE(now, begun + wait);
    EXPECT_LE(now, begun + wait + 2 * TimerWheel::tick_ms);
    EXPECT_TRUE(fresh.empty());
  }
}

TEST(TimerWheel, a_deadline_moves_both_ways) {
  TimerWheel wheel(2);
  wheel.start(0);
  wheel.set(0, 1'000);
  wheel.set(0, 9'000);
  EXPECT_TRUE(due_at(wheel, 5'000).empty());
  wheel.set(0, 6'000);
  EXPECT_EQ(std::vector<std::uint32_t>{0}, due_at(wheel, 6'300));
  wheel.set(1, 7'000);
  wheel.clear(1);
  EXPECT_TRUE(due_at(wheel, 20'000).empty());
  EXPECT_TRUE(wheel.empty());
}

TEST(TimerWheel, a_long_pause_loses_nothing) {
  TimerWheel wheel(3);
  wheel.start(0);
  for (std::uint32_t i = 0; i < 3; ++i) wheel.set(i, 1'000 * (i + 1));
  EXPECT_EQ(3u, due_at(wheel, 10'000'000).size());
}

TEST(ReplyArena, keeps_a_connections_replies_in_one_piece) {
  ReplyArena arena;
  char* a = arena.append(nullptr, 0, "one ");
  char* b = arena.append(nullptr, 0, "other");
  a = arena.append(a, 4, "two");
  b = arena.append(b, 5, "!");
  EXPECT_EQ("one two", std::string(a, 7));
  EXPECT_EQ("other!", std::string(b, 6));
}

TEST(ReplyArena, grows_beyond_its_first_chunk_without_moving_what_is_there) {
  ReplyArena arena;
  std::string text(60'000, 'x');
  std::vector<char*> pieces;
  for (int i = 0; i < 20; ++i) {
    text[0] = static_cast<char>('a' + i);
    pieces.push_back(arena.append(nullptr, 0, text));
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ('a' + i, pieces[static_cast<std::size_t>(i)][0]);
}

TEST(SlicePool, is_first_in_first_out_and_lets_go_of_buffers) {
  BufferPool pool(4, 4096, false);
  SlicePool slices;
  SliceQueue queue;
  for (int i = 0; i < 3; ++i) {
    BufferPool::Id id = pool.take();
    slices.push_back(queue, Slice(pool, id, pool.data(id), static_cast<std::uint32_t>(i + 1)));
  }
  Slice first = slices.pop_front(queue);
  EXPECT_EQ(1u, first.size());
  slices.push_front(queue, std::move(first));
  EXPECT_EQ(1u, slices.pop_front(queue).size());
  EXPECT_EQ(2u, queue.count());
  slices.clear(queue);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(4u, pool.free_count());
}

TEST(BufferPool, a_shared_buffer_is_free_when_its_last_slice_goes) {
  BufferPool pool(2, 4096, false);
  BufferPool::Id id = pool.take();
  {
    Slice whole(pool, id, pool.data(id), 100);
    Slice part = whole.share(10, 20);
    EXPECT_EQ(pool.data(id) + 10, part.data());
    whole = Slice();
    EXPECT_EQ(1u, pool.free_count());
  }
  EXPECT_EQ(2u, pool.free_count());
}

TEST(ConnectionTable, a_reused_slot_is_another_connection) {
  ConnectionTable table(2);
  std::uint32_t slot = 0;
  Connection* first = table.take(slot);
  ring::Tag old{1, first->generation, slot};
  EXPECT_EQ(first, table.find(old));
  table.give_back(slot);
  EXPECT_EQ(nullptr, table.find(old));
  Connection* again = table.take(slot);
  EXPECT_EQ(first, again);
  EXPECT_EQ(nullptr, table.find(old));
  std::uint32_t other = 0;
  EXPECT_NE(nullptr, table.take(other));
  EXPECT_EQ(nullptr, table.take(other));
}

TEST(MessageIdGenerator, ids_increase_and_never_repeat_even_when_the_clock_goes_back) {
  MessageIdGenerator ids(7);
  std::string last;
  std::set<std::string> seen;
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    std::string id(ids.next(1'700'000'000'000'000 + (i % 3 == 0 ? 0 : i)).view());
    EXPECT_LT(last, id);
    last = id;
    seen.insert(id);
  }
  EXPECT_EQ(200'000u, seen.size());
  EXPECT_NE(MessageIdGenerator(1).next(5).view(), MessageIdGenerator(2).next(5).view());
}

}  // namespace
}  // namespace gatepost::shard
