#include "simulation/process_heap.hpp"

#include <sys/mman.h>
#include <sys/types.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

namespace gatepost::simulation {

// Stands in front of every block.
struct HeapBlock {
  HeapBlock* next;
  HeapBlock* previous;
  ProcessHeap* heap;
  std::size_t size;
  void* memory;  // what malloc(3) gave
  void* unused;
};
static_assert(sizeof(HeapBlock) % 16 == 0);

namespace {

ProcessHeap* current = nullptr;
// Whoever reads what a process has given back finds this, also without a sanitizer.
constexpr int freed_octet = 0xdb;

struct Mapping {
  void* address = nullptr;
  std::size_t size = 0;
  ProcessHeap* heap = nullptr;
};
// A process maps a handful: its pools, tables and rings.
std::array<Mapping, 1024> all_mappings;

}  // namespace

struct HeapAccess {
  static void* allocate(std::size_t size, std::size_t alignment) {
    void* const memory = std::malloc(sizeof(HeapBlock) + alignment + size);
    if (memory == nullptr) throw std::bad_alloc();
    auto user = reinterpret_cast<std::uintptr_t>(memory) + sizeof(HeapBlock);
    user = (user + alignment - 1) / alignment * alignment;
    auto* const block = reinterpret_cast<HeapBlock*>(user - sizeof(HeapBlock));
    block->memory = memory;
    block->size = size;
    block->heap = current;
    if (current != nullptr) link(*current, block);
    return reinterpret_cast<void*>(user);
  }
  static void release(void* user) {
    if (user == nullptr) return;
    auto* const block = static_cast<HeapBlock*>(user) - 1;
    if (block->heap != nullptr) {
      unlink(*block->heap, block);
      std::memset(user, freed_octet, block->size);
    }
    // Each call takes its block off the list, which the analyzer does not see.
    std::free(block->memory);  // NOLINT(clang-analyzer-unix.Malloc)
  }
  static void link(ProcessHeap& heap, HeapBlock* block) {
    block->previous = nullptr;
    block->next = heap.first_;
    if (heap.first_ != nullptr) heap.first_->previous = block;
    heap.first_ = block;
    heap.bytes_ += block->size;
    ++heap.blocks_;
  }
  static void unlink(ProcessHeap& heap, HeapBlock* block) {
    if (block->next != nullptr) block->next->previous = block->previous;
    if (block->previous != nullptr)
      block->previous->next = block->next;
    else
      heap.first_ = block->next;
    heap.bytes_ -= block->size;
    --heap.blocks_;
  }
  static void map(void* address, std::size_t size) {
    if (current == nullptr) return;
    for (Mapping& each : all_mappings) {
      if (each.address != nullptr) continue;
      each = {address, size, current};
      current->mapped_bytes_ += size;
      ++current->mappings_;
      return;
    }
    std::abort();
  }
  static void unmap(Mapping& mapping) {
    mapping.heap->mapped_bytes_ -= mapping.size;
    --mapping.heap->mappings_;
    mapping = {};
  }
};

void ProcessHeap::release_all() {
  while (first_ != nullptr) HeapAccess::release(first_ + 1);
  for (Mapping& each : all_mappings) {
    if (each.heap != this) continue;
    munmap(each.address, each.size);  // takes it off the list too
  }
}

ProcessHeap* current_heap() {
  return current;
}

void set_current_heap(ProcessHeap* heap) {
  current = heap;
}

HeapScope::HeapScope(ProcessHeap* heap) : before_(current) {
  current = heap;
}

HeapScope::~HeapScope() {
  current = before_;
}

}  // namespace gatepost::simulation

using gatepost::simulation::HeapAccess;

extern "C" {

// The linker puts these in the place of the calls that the program makes itself (--wrap).
// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
void* __real_mmap(void* address, std::size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void* address, std::size_t size);

void* __wrap_mmap(void* address, std::size_t size, int protection, int flags, int fd,
                  off_t offset) {
  void* const mapped = __real_mmap(address, size, protection, flags, fd, offset);
  if (mapped != MAP_FAILED) HeapAccess::map(mapped, size);
  return mapped;
}

int __wrap_munmap(void* address, std::size_t size) {
  for (auto& each : gatepost::simulation::all_mappings) {
    if (each.address == address) HeapAccess::unmap(each);
  }
  return __real_munmap(address, size);
}
// NOLINTEND(bugprone-reserved-identifier)

}  // extern "C"

void* operator new(std::size_t size) {
  return HeapAccess::allocate(size, alignof(std::max_align_t));
}
void* operator new[](std::size_t size) {
  return HeapAccess::allocate(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return HeapAccess::allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return HeapAccess::allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return HeapAccess::allocate(size, alignof(std::max_align_t));
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return HeapAccess::allocate(size, alignof(std::max_align_t));
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  HeapAccess::release(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
  HeapAccess::release(memory);
}
void operator delete(void* memory) noexcept {
  HeapAccess::release(memory);
}
void operator delete[](void* memory) noexcept {
  HeapAccess::release(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  HeapAccess::release(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  HeapAccess::release(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  HeapAccess::release(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  HeapAccess::release(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  HeapAccess::release(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  HeapAccess::release(memory);
}
