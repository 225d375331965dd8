// A pool's buffers as the kernel's provided buffer ring (io_uring_register_buf_ring(3)).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.hpp"
#include "buffer/buffer_pool.hpp"
#include "ring/ring.hpp"

namespace gatepost::ring {

enum class BufferMode : std::uint8_t {
  single,      // a completion, a buffer
  bundle,      // a completion, several buffers in ring order
  incremental  // a buffer serves completions until it is full
};

class BufferRing {
 public:
  // Registers `pool` (whose whole count it takes) with `ring` as group `group`. Both must outlive
  // it.
  static Result<std::unique_ptr<BufferRing>> create(Ring& ring, BufferPool& pool,
                                                    std::uint16_t group, BufferMode mode);
  ~BufferRing();
  BufferRing(const BufferRing&) = delete;
  BufferRing& operator=(const BufferRing&) = delete;

  BufferMode mode() const { return mode_; }
  std::uint16_t group() const { return group_; }
  // Buffers in the kernel's hands, and those that could be.
  std::uint32_t available() const { return available_; }
  std::uint32_t unused() const { return available_ + pool_.free_count(); }

  // Takes the octets of one recv completion: calls take(Slice) for each buffer of it, in order.
  template <class Take>
  void consume(const Completion& completion, Take&& take) {
    auto octets = static_cast<std::uint32_t>(completion.result);
    auto id = completion.buffer_id();
    if (mode_ == BufferMode::incremental) {
      take(consume_part(id, octets, (completion.flags & buffer_more_flag) != 0));
      return;
    }
    std::uint32_t position = position_[id];
    while (octets > 0) {
      std::uint32_t size = octets < pool_.buffer_size() ? octets : pool_.buffer_size();
      Slice slice = consume_whole(position, size);
      octets -= size;
      ++position;
      take(std::move(slice));
    }
  }
  // Gives the kernel free buffers of the pool. Not all of them: the kernel takes buffers in turn,
  // and the fewer stand in the ring, the sooner each is used again while it is still in the cache.
  // How many are kept there doubles whenever they did not last from one call to the next (ran_out).
  void replenish();
  // A receive ended with -ENOBUFS.
  void ran_out();

 private:
  static constexpr std::uint32_t buffer_more_flag = 1u << 4;  // IORING_CQE_F_BUF_MORE, Linux 6.12

  BufferRing(Ring& ring, BufferPool& pool, std::uint16_t group, BufferMode mode);
  Slice consume_whole(std::uint32_t position, std::uint32_t size);
  Slice consume_part(BufferPool::Id id, std::uint32_t size, bool more);

  Ring& ring_;
  BufferPool& pool_;
  std::uint16_t group_;
  BufferMode mode_;
  io_uring_buf_ring* shared_ = nullptr;
  std::size_t shared_size_ = 0;
  std::uint32_t mask_;
  std::uint32_t available_ = 0;
  std::uint32_t posted_max_;
  std::uint32_t posted_target_;
  std::uint32_t tail_ = 0;               // as the kernel sees it, counted on
  std::vector<std::uint32_t> position_;  // of each buffer, where it was added last
  std::vector<BufferPool::Id> order_;    // buffer at each position
  std::vector<std::uint32_t> used_;      // incremental: octets of each buffer already consumed
};

}  // namespace gatepost::ring
