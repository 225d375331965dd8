#include "ring/buffer_ring.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ring/kernel_abi.hpp"

namespace gatepost::ring {

namespace {

constexpr std::uint32_t posted_target_first = 64;

}  // namespace

BufferRing::BufferRing(Ring& ring, BufferPool& pool, std::uint16_t group, BufferMode mode)
    : ring_(ring),
      pool_(pool),
      group_(group),
      mode_(mode),
      mask_(pool.count() - 1),
      // A bundle takes as many buffers as its peer has octets, and a peer that is paused then keeps
      // them: half of all are left for the others.
      posted_max_(mode == BufferMode::bundle ? std::max(pool.count() / 2, 1u) : pool.count()),
      posted_target_(std::min(posted_target_first, posted_max_)),
      position_(pool.count(), 0),
      order_(pool.count(), 0),
      used_(mode == BufferMode::incremental ? pool.count() : 0, 0) {}

Result<std::unique_ptr<BufferRing>> BufferRing::create(Ring& ring, BufferPool& pool,
                                                       std::uint16_t group, BufferMode mode) {
  std::unique_ptr<BufferRing> buffers(new BufferRing(ring, pool, group, mode));
  buffers->shared_size_ = pool.count() * sizeof(io_uring_buf);
  void* shared = mmap(nullptr, buffers->shared_size_, PROT_READ | PROT_WRITE,
                      MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
  if (shared == MAP_FAILED) return Error{std::string("buffer ring: ") + std::strerror(errno)};
  buffers->shared_ = static_cast<io_uring_buf_ring*>(shared);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(shared);
  registration.ring_entries = pool.count();
  registration.bgid = group;
  if (mode == BufferMode::incremental) registration.pad = abi::pbuf_ring_inc;
  int result = ring.register_buffers(registration);
  if (result < 0)
    return Error{std::string("buffer ring: ") + std::strerror(-result) +
                 " (Linux 5.19 or newer; RLIMIT_MEMLOCK large enough)"};
  io_uring_buf_ring_init(buffers->shared_);
  buffers->replenish();
  return buffers;
}

BufferRing::~BufferRing() {
  if (shared_ == nullptr) return;
  ring_.unregister_buffers(group_);
  munmap(shared_, shared_size_);
}

void BufferRing::replenish() {
  int added = 0;
  while (available_ < posted_target_ && pool_.free_count() > 0) {
    BufferPool::Id id = pool_.take();
    std::uint32_t position = tail_ & mask_;
    io_uring_buf_ring_add(shared_, pool_.data(id), pool_.buffer_size(), id, static_cast<int>(mask_),
                          added);
    order_[position] = id;
    position_[id] = position;
    if (mode_ == BufferMode::incremental) used_[id] = 0;
    ++added;
    ++tail_;
    ++available_;
  }
  if (added > 0) io_uring_buf_ring_advance(shared_, added);
}

void BufferRing::ran_out() {
  if (pool_.free_count() > 0) posted_target_ = std::min(posted_target_ * 2, posted_max_);
}

Slice BufferRing::consume_whole(std::uint32_t position, std::uint32_t size) {
  // A bundle's buffers follow each other as they were added; only the first one's id is told.
  BufferPool::Id id = order_[position & mask_];
  GP_CHECK(available_ > 0);
  --available_;
  return Slice(pool_, id, pool_.data(id), size);
}

Slice BufferRing::consume_part(BufferPool::Id id, std::uint32_t size, bool more) {
  std::uint8_t* data = pool_.data(id) + used_[id];
  used_[id] += size;
  GP_CHECK(used_[id] <= pool_.buffer_size());
  if (more) {
    pool_.retain(id);  // the kernel keeps its share until the buffer is full
  } else {
    GP_CHECK(available_ > 0);
    --available_;
  }
  return Slice(pool_, id, data, size);
}

}  // namespace gatepost::ring
