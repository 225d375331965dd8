// The receive buffers of one shard: a fixed number of equal buffers in one mapping, counted by
// reference.
//
// Who holds references: the kernel (while a buffer stands in the buffer ring), and Slices. When the
// last one goes, the buffer is free for the ring to take again.
//
// Everything here belongs to the shard's thread. Sink threads read a slice's octets but never own a
// slice: they hand it back and the shard's thread lets go of it. So counts need no atomics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/check.hpp"

namespace gatepost {

class BufferPool {
 public:
  using Id = std::uint16_t;

  // count: a power of two, at most bounds::receive_buffers_max. size: octets each. The memory is
  // mapped, and touched as it is used (or at once when prefault is set). Aborts when it can't be
  // had.
  BufferPool(std::uint32_t count, std::uint32_t size, bool prefault);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  std::uint32_t count() const { return count_; }
  std::uint32_t buffer_size() const { return size_; }
  std::uint8_t* data(Id id) const { return memory_ + std::size_t{id} * size_; }

  void retain(Id id) {
    GP_CHECK(references_[id] != 0);
    ++references_[id];
  }
  // Lets go of one reference; the last one returns the buffer.
  void release(Id id) {
    GP_CHECK(references_[id] != 0);
    if (--references_[id] == 0) free_.push_back(id);
  }

  // Takes a free buffer, with one reference that the caller (the buffer ring) holds; the one that
  // came back last, whose memory is warm. There must be one (free_count).
  Id take() {
    GP_CHECK(!free_.empty());
    Id id = free_.back();
    free_.pop_back();
    references_[id] = 1;
    return id;
  }
  // Buffers that nobody holds.
  std::uint32_t free_count() const { return static_cast<std::uint32_t>(free_.size()); }

 private:
  std::uint32_t count_;
  std::uint32_t size_;
  std::uint8_t* memory_;
  std::vector<std::uint32_t> references_;
  std::vector<Id> free_;  // a stack
};

// A run of received octets and a share in the buffer that they lie in. Move only: share() makes
// another owner on purpose. Shard's thread only.
//
// The octets may be changed in place by the owner (dot-unstuffing), because no two slices that
// are in use overlap.
//
// A slice without a pool points to memory that lives at least until the sink's receipt for its
// message (constants, the transaction's own storage).
class Slice {
 public:
  Slice() = default;
  // Takes over one reference to `id`.
  Slice(BufferPool& pool, BufferPool::Id id, std::uint8_t* data, std::uint32_t size)
      : data_(data), size_(size), id_(id), pool_(&pool) {}
  // Octets that outlive the message; nothing is counted.
  static Slice unowned(const void* data, std::size_t size) {
    GP_CHECK(size <= UINT32_MAX);
    Slice slice;
    slice.data_ = static_cast<std::uint8_t*>(const_cast<void*>(data));
    slice.size_ = static_cast<std::uint32_t>(size);
    return slice;
  }
  Slice(Slice&& other) noexcept { swap(other); }
  Slice& operator=(Slice&& other) noexcept {
    Slice(std::move(other)).swap(*this);
    return *this;
  }
  ~Slice() {
    if (pool_ != nullptr) pool_->release(id_);
  }

  // A further owner of [offset, offset + size) of this slice.
  Slice share(std::size_t offset, std::size_t size) const {
    GP_CHECK(offset <= size_ && size <= size_ - offset);
    Slice slice;
    slice.data_ = data_ + offset;
    slice.size_ = static_cast<std::uint32_t>(size);
    slice.id_ = id_;
    slice.pool_ = pool_;
    if (pool_ != nullptr) pool_->retain(id_);
    return slice;
  }
  void drop_front(std::size_t size) {
    GP_CHECK(size <= size_);
    data_ += size;
    size_ -= static_cast<std::uint32_t>(size);
  }

  std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<std::uint8_t> octets() const { return {data_, size_}; }
  bool pooled() const { return pool_ != nullptr; }

  void swap(Slice& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(id_, other.id_);
    std::swap(pool_, other.pool_);
  }

 private:
  std::uint8_t* data_ = nullptr;
  std::uint32_t size_ = 0;
  BufferPool::Id id_ = 0;
  BufferPool* pool_ = nullptr;
};

}  // namespace gatepost
