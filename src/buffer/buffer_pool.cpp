#include "buffer/buffer_pool.hpp"

#include <sys/mman.h>

#include <numeric>

#include "base/bounds.hpp"

namespace gatepost {

BufferPool::BufferPool(std::uint32_t count, std::uint32_t size, bool prefault)
    : count_(count), size_(size), memory_(nullptr), references_(count, 0), free_(count) {
  GP_CHECK(count != 0 && (count & (count - 1)) == 0 && count <= bounds::receive_buffers_max);
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | (prefault ? MAP_POPULATE : MAP_NORESERVE);
  void* memory = mmap(nullptr, std::size_t{count} * size, PROT_READ | PROT_WRITE, flags, -1, 0);
  GP_CHECK(memory != MAP_FAILED);
  memory_ = static_cast<std::uint8_t*>(memory);
  std::iota(free_.rbegin(), free_.rend(), Id{0});
}

BufferPool::~BufferPool() {
  munmap(memory_, std::size_t{count_} * size_);
}

}  // namespace gatepost
