// What one simulated process has allocated, so that its crash takes all of it away without running
// a destructor, and so that its size is known at every step.
//
// operator new and delete of the whole program are replaced (process_heap.cpp). A block belongs to
// the heap that is current when it is made, and may be given back at any time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatepost::simulation {

struct HeapBlock;

class ProcessHeap {
 public:
  ProcessHeap() = default;
  ~ProcessHeap() { release_all(); }
  ProcessHeap(const ProcessHeap&) = delete;
  ProcessHeap& operator=(const ProcessHeap&) = delete;

  // Octets that were asked for and not given back; mappings (mmap(2)) apart.
  std::size_t bytes() const { return bytes_; }
  std::size_t blocks() const { return blocks_; }
  std::size_t mapped_bytes() const { return mapped_bytes_; }
  std::size_t mappings() const { return mappings_; }
  // Frees everything, mappings too. Nothing that lies in it may be used any more.
  void release_all();

 private:
  friend struct HeapAccess;
  HeapBlock* first_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t blocks_ = 0;
  std::size_t mapped_bytes_ = 0;
  std::size_t mappings_ = 0;
};

// Whose heap is drawn from; nullptr: the simulator's own, which is not counted.
ProcessHeap* current_heap();
void set_current_heap(ProcessHeap* heap);

// Makes `heap` the current one while it lives.
class HeapScope {
 public:
  explicit HeapScope(ProcessHeap* heap);
  ~HeapScope();
  HeapScope(const HeapScope&) = delete;
  HeapScope& operator=(const HeapScope&) = delete;

 private:
  ProcessHeap* const before_;
};

}  // namespace gatepost::simulation
