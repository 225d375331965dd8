#include "buffer/buffer_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <set>
#include <vector>

#include "base/bounds.hpp"

namespace gatepost {
namespace {

constexpr std::uint32_t count = 8;
constexpr std::uint32_t size = 4096;
const testing::KilledBySignal aborted(SIGABRT);

TEST(BufferPool, says_what_it_was_made_with) {
  for (const bool prefault : {false, true}) {
    BufferPool pool(count, size, prefault);
    EXPECT_EQ(pool.count(), count);
    EXPECT_EQ(pool.buffer_size(), size);
    EXPECT_EQ(pool.free_count(), count);
  }
}

TEST(BufferPool, gives_each_buffer_once) {
  BufferPool pool(count, size, false);
  std::set<BufferPool::Id> taken;
  for (std::uint32_t i = 0; i < count; ++i) {
    EXPECT_EQ(pool.free_count(), count - i);
    const BufferPool::Id id = pool.take();
    EXPECT_LT(id, count);
    EXPECT_TRUE(taken.insert(id).second) << id;
  }
  EXPECT_EQ(pool.free_count(), 0u);
}

// The kernel writes a whole buffer without a look at its neighbours.
TEST(BufferPool, buffers_do_not_overlap) {
  BufferPool pool(count, size, true);
  for (std::uint32_t id = 0; id < count; ++id)
    std::memset(pool.data(static_cast<BufferPool::Id>(id)), static_cast<int>(id + 1), size);
  for (std::uint32_t id = 0; id < count; ++id) {
    const std::uint8_t* data = pool.data(static_cast<BufferPool::Id>(id));
    EXPECT_TRUE(std::all_of(data, data + size, [&](std::uint8_t o) { return o == id + 1; })) << id;
  }
}

TEST(BufferPool, the_last_reference_returns_the_buffer) {
  BufferPool pool(count, size, false);
  const BufferPool::Id id = pool.take();
  pool.retain(id);
  pool.retain(id);
  pool.release(id);
  pool.release(id);
  EXPECT_EQ(pool.free_count(), count - 1);
  pool.release(id);
  EXPECT_EQ(pool.free_count(), count);
}

TEST(BufferPool, a_buffer_that_came_back_counts_from_one_again) {
  BufferPool pool(1, size, false);
  for (int round = 0; round < 3; ++round) {
    const BufferPool::Id id = pool.take();
    pool.retain(id);
    pool.release(id);
    EXPECT_EQ(pool.free_count(), 0u);
    pool.release(id);
    EXPECT_EQ(pool.free_count(), 1u);
  }
}

// Its memory is still in the CPU's cache.
TEST(BufferPool, takes_the_buffer_that_came_back_last) {
  BufferPool pool(count, size, false);
  const BufferPool::Id first = pool.take();
  const BufferPool::Id second = pool.take();
  const BufferPool::Id third = pool.take();
  pool.release(second);
  pool.release(third);
  pool.release(first);
  EXPECT_EQ(pool.take(), first);
  EXPECT_EQ(pool.take(), third);
  EXPECT_EQ(pool.take(), second);
}

TEST(BufferPool, as_many_buffers_as_a_ring_can_hold_are_told_apart) {
  BufferPool pool(bounds::receive_buffers_max, bounds::receive_buffer_size_min, false);
  std::vector<bool> taken(bounds::receive_buffers_max, false);
  while (pool.free_count() > 0) {
    const BufferPool::Id id = pool.take();
    ASSERT_FALSE(taken.at(id)) << id;
    taken[id] = true;
  }
  const auto last = static_cast<BufferPool::Id>(bounds::receive_buffers_max - 1);
  pool.data(last)[bounds::receive_buffer_size_min - 1] = 1;
  EXPECT_EQ(pool.data(0)[0], 0);
}

TEST(BufferPoolDeathTest, taking_a_buffer_when_none_is_free_aborts) {
  BufferPool pool(1, size, false);
  pool.take();
  EXPECT_EXIT(pool.take(), aborted, "invariant broken: !free_.empty\\(\\)");
}

TEST(BufferPoolDeathTest, counting_references_to_a_free_buffer_aborts) {
  BufferPool pool(count, size, false);
  EXPECT_EXIT(pool.retain(0), aborted, "invariant broken: references_\\[id\\] != 0");
  EXPECT_EXIT(pool.release(0), aborted, "invariant broken: references_\\[id\\] != 0");
  const BufferPool::Id id = pool.take();
  pool.release(id);
  EXPECT_EXIT(pool.release(id), aborted, "invariant broken: references_\\[id\\] != 0");
}

TEST(BufferPoolDeathTest, a_count_that_no_buffer_ring_takes_aborts) {
  for (const std::uint32_t wrong :
       {0u, 3u, 12u, static_cast<std::uint32_t>(2 * bounds::receive_buffers_max)})
    EXPECT_EXIT(BufferPool(wrong, size, false), aborted, "invariant broken: count != 0") << wrong;
}

// No memory can be mapped for buffers without octets; that stands for all memory that is refused.
TEST(BufferPoolDeathTest, memory_that_cannot_be_had_aborts) {
  EXPECT_EXIT(BufferPool(count, 0, false), aborted, "invariant broken: memory != MAP_FAILED");
}

}  // namespace
}  // namespace gatepost
