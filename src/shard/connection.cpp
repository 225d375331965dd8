#include "shard/connection.hpp"

#include <sys/mman.h>

namespace gatepost::shard {

SliceQueue::Node* SlicePool::take(Slice slice) {
  if (idle_.empty()) {
    all_.push_back(std::make_unique<SliceQueue::Node>());
    idle_.push_back(all_.back().get());
  }
  SliceQueue::Node* node = idle_.back();
  idle_.pop_back();
  node->slice = std::move(slice);
  node->next = nullptr;
  return node;
}

void SlicePool::push_back(SliceQueue& queue, Slice slice) {
  SliceQueue::Node* node = take(std::move(slice));
  if (queue.last_ != nullptr)
    queue.last_->next = node;
  else
    queue.first_ = node;
  queue.last_ = node;
  ++queue.count_;
}

void SlicePool::push_front(SliceQueue& queue, Slice slice) {
  SliceQueue::Node* node = take(std::move(slice));
  node->next = queue.first_;
  queue.first_ = node;
  if (queue.last_ == nullptr) queue.last_ = node;
  ++queue.count_;
}

Slice SlicePool::pop_front(SliceQueue& queue) {
  SliceQueue::Node* node = queue.first_;
  GP_CHECK(node != nullptr);
  queue.first_ = node->next;
  if (queue.first_ == nullptr) queue.last_ = nullptr;
  --queue.count_;
  idle_.push_back(node);
  return std::move(node->slice);
}

void SlicePool::clear(SliceQueue& queue) {
  while (!queue.empty()) pop_front(queue);
}

ConnectionTable::ConnectionTable(std::uint32_t count) : count_(count) {
  void* memory = mmap(nullptr, std::size_t{count} * sizeof(Connection), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  GP_CHECK(memory != MAP_FAILED);
  slots_ = static_cast<Connection*>(memory);
}

ConnectionTable::~ConnectionTable() {
  for (std::uint32_t slot = 0; slot < fresh_; ++slot) slots_[slot].~Connection();
  munmap(slots_, std::size_t{count_} * sizeof(Connection));
}

Connection* ConnectionTable::take(std::uint32_t& slot) {
  std::uint32_t generation = 1;
  if (!idle_.empty()) {
    // The slot used last is the one whose memory is warm.
    slot = idle_.back();
    idle_.pop_back();
    generation = (slots_[slot].generation + 1) & 0xffffff;
    slots_[slot].~Connection();
  } else if (fresh_ < count_) {
    slot = fresh_++;
  } else {
    return nullptr;
  }
  Connection* connection = new (&slots_[slot]) Connection;
  connection->generation = generation;
  connection->stage = Stage::arriving;
  ++in_use_;
  return connection;
}

void ConnectionTable::give_back(std::uint32_t slot) {
  GP_CHECK(slots_[slot].stage != Stage::free && in_use_ > 0);
  slots_[slot].stage = Stage::free;
  --in_use_;
  idle_.push_back(slot);
}

}  // namespace gatepost::shard
