#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "buffer/buffer_pool.hpp"

namespace gatepost {
namespace {

constexpr std::uint32_t count = 4;
constexpr std::uint32_t size = 4096;
const testing::KilledBySignal aborted(SIGABRT);

// A buffer as the ring hands it over: received octets, and the one reference goes to the slice.
Slice received(BufferPool& pool, std::string_view octets) {
  const BufferPool::Id id = pool.take();
  std::memcpy(pool.data(id), octets.data(), octets.size());
  return Slice(pool, id, pool.data(id), static_cast<std::uint32_t>(octets.size()));
}

std::string text_of(const Slice& slice) {
  return std::string(slice.octets().begin(), slice.octets().end());
}

// That a moved-from slice holds nothing is what is tested.
// NOLINTBEGIN(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
bool holds_nothing(const Slice& slice) {
  return slice.data() == nullptr && slice.empty() && !slice.pooled();
}

TEST(Slice, lets_go_of_its_buffer_when_it_ends) {
  BufferPool pool(count, size, false);
  {
    const Slice slice = received(pool, "hello");
    EXPECT_EQ(text_of(slice), "hello");
    EXPECT_TRUE(slice.pooled());
    EXPECT_EQ(pool.free_count(), count - 1);
  }
  EXPECT_EQ(pool.free_count(), count);
}

TEST(Slice, holds_nothing_by_default) {
  const Slice slice;
  EXPECT_TRUE(holds_nothing(slice));
  EXPECT_TRUE(slice.octets().empty());
}

TEST(Slice, a_share_sees_the_same_octets_and_not_a_copy) {
  BufferPool pool(count, size, false);
  const Slice whole = received(pool, "MAIL FROM:<>");
  const Slice part = whole.share(5, 4);
  EXPECT_EQ(text_of(part), "FROM");
  EXPECT_EQ(part.data(), whole.data() + 5);
  part.data()[0] = 'f';
  EXPECT_EQ(text_of(whole), "MAIL fROM:<>");
}

TEST(Slice, a_share_reaches_from_end_to_end_and_may_be_empty) {
  BufferPool pool(count, size, false);
  const Slice whole = received(pool, "hello");
  EXPECT_EQ(text_of(whole.share(0, 5)), "hello");
  EXPECT_TRUE(whole.share(0, 0).empty());
  EXPECT_TRUE(whole.share(5, 0).empty());
}

// As when messages are pipelined: the end of one and the beginning of the next came in one buffer.
TEST(Slice, shares_keep_the_buffer_until_the_last_of_them_ends) {
  BufferPool pool(count, size, false);
  Slice whole = received(pool, "end of one|begin of next");
  std::vector<Slice> shares;
  shares.push_back(whole.share(0, 10));
  shares.push_back(whole.share(11, 13));
  shares.push_back(whole.share(4, 12));  // overlaps both
  shares.push_back(shares[0].share(7, 3));
  whole = Slice();
  EXPECT_EQ(pool.free_count(), count - 1);

  shares.erase(shares.begin());
  EXPECT_EQ(text_of(shares[0]), "begin of next");
  EXPECT_EQ(text_of(shares[2]), "one");
  while (!shares.empty()) {
    EXPECT_EQ(pool.free_count(), count - 1);
    shares.pop_back();
  }
  EXPECT_EQ(pool.free_count(), count);
}

// An empty share still says that its buffer is in use.
TEST(Slice, a_share_of_no_octets_keeps_the_buffer_too) {
  BufferPool pool(count, size, false);
  Slice whole = received(pool, "hello");
  Slice none = whole.share(2, 0);
  whole = Slice();
  EXPECT_EQ(pool.free_count(), count - 1);
  none = Slice();
  EXPECT_EQ(pool.free_count(), count);
}

TEST(Slice, drop_front_leaves_the_rest_and_the_buffer) {
  BufferPool pool(count, size, false);
  Slice slice = received(pool, "hello");
  slice.drop_front(0);
  EXPECT_EQ(text_of(slice), "hello");
  slice.drop_front(2);
  EXPECT_EQ(text_of(slice), "llo");
  slice.drop_front(3);
  EXPECT_TRUE(slice.empty());
  EXPECT_TRUE(slice.pooled());
  EXPECT_EQ(pool.free_count(), count - 1);
}

TEST(Slice, drop_front_of_one_owner_is_not_seen_by_another) {
  BufferPool pool(count, size, false);
  Slice whole = received(pool, "hello");
  const Slice share = whole.share(0, 5);
  whole.drop_front(4);
  EXPECT_EQ(text_of(share), "hello");
}

TEST(Slice, a_move_leaves_nothing_and_counts_nothing) {
  BufferPool pool(count, size, false);
  Slice from = received(pool, "hello");
  Slice to(std::move(from));
  EXPECT_TRUE(holds_nothing(from));
  EXPECT_EQ(text_of(to), "hello");
  EXPECT_EQ(pool.free_count(), count - 1);
  to = Slice();
  EXPECT_EQ(pool.free_count(), count);
}

TEST(Slice, assignment_lets_go_of_what_was_held_and_leaves_nothing_behind) {
  BufferPool pool(count, size, false);
  Slice from = received(pool, "new");
  Slice to = received(pool, "old");
  EXPECT_EQ(pool.free_count(), count - 2);
  to = std::move(from);
  EXPECT_TRUE(holds_nothing(from));
  EXPECT_EQ(text_of(to), "new");
  EXPECT_EQ(pool.free_count(), count - 1);
}

TEST(Slice, a_move_to_itself_changes_nothing) {
  BufferPool pool(count, size, false);
  Slice slice = received(pool, "hello");
  Slice& same = slice;  // compilers warn of it when it is spelled out
  slice = std::move(same);
  EXPECT_EQ(text_of(slice), "hello");
  EXPECT_EQ(pool.free_count(), count - 1);
}

// Two shares of one buffer: letting go of the old one must not return what the new one points to.
TEST(Slice, a_share_may_take_the_place_of_its_origin) {
  BufferPool pool(count, size, false);
  Slice slice = received(pool, "hello");
  slice = slice.share(1, 3);
  EXPECT_EQ(text_of(slice), "ell");
  EXPECT_EQ(pool.free_count(), count - 1);
}

TEST(Slice, swap_exchanges_octets_and_buffers) {
  BufferPool pool(count, size, false);
  Slice pooled = received(pool, "hello");
  Slice unowned = Slice::unowned("\r\n", 2);
  pooled.swap(unowned);
  EXPECT_EQ(text_of(pooled), "\r\n");
  EXPECT_FALSE(pooled.pooled());
  EXPECT_EQ(text_of(unowned), "hello");
  EXPECT_TRUE(unowned.pooled());
}

TEST(Slice, unowned_octets_are_pointed_to_and_not_counted) {
  static constexpr char crlf[] = "\r\n";
  Slice slice = Slice::unowned(crlf, 2);
  EXPECT_EQ(static_cast<const void*>(slice.data()), crlf);
  EXPECT_FALSE(slice.pooled());
  const Slice share = slice.share(1, 1);
  EXPECT_FALSE(share.pooled());
  slice.drop_front(1);
  EXPECT_EQ(text_of(slice), "\n");
  EXPECT_EQ(text_of(share), "\n");
}

TEST(Slice, buffers_come_back_in_the_order_in_which_slices_end) {
  BufferPool pool(count, size, false);
  Slice first = received(pool, "1"), second = received(pool, "2"), third = received(pool, "3");
  std::uint8_t* const first_data = first.data();
  std::uint8_t* const second_data = second.data();
  std::uint8_t* const third_data = third.data();
  Slice late = first.share(0, 1);
  first = Slice();  // not the last one of its buffer
  third = Slice();
  late = Slice();
  second = Slice();
  EXPECT_EQ(pool.data(pool.take()), second_data);
  EXPECT_EQ(pool.data(pool.take()), first_data);
  EXPECT_EQ(pool.data(pool.take()), third_data);
}

TEST(SliceDeathTest, a_share_of_more_than_there_is_aborts) {
  BufferPool pool(count, size, false);
  const Slice slice = received(pool, "hello");
  EXPECT_EXIT(slice.share(0, 6), aborted,
              "invariant broken: offset <= size_ && size <= size_ - offset");
  EXPECT_EXIT(slice.share(6, 0), aborted,
              "invariant broken: offset <= size_ && size <= size_ - offset");
}

TEST(SliceDeathTest, dropping_more_than_there_is_aborts) {
  BufferPool pool(count, size, false);
  Slice slice = received(pool, "hello");
  EXPECT_EXIT(slice.drop_front(6), aborted, "invariant broken: size <= size_");
}

// NOLINTEND(bugprone-use-after-move,clang-analyzer-cplusplus.Move)

}  // namespace
}  // namespace gatepost
