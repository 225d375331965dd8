// Messages between the shard's thread and the writers: one queue there, one back.
//
// Both ways go in batches, because what costs is the waking: the shard hands on once a loop, and
// its eventfd is written only when the way back was empty.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <vector>

#include "base/wakeup.hpp"
#include "base/worker_thread.hpp"
#include "sink/maildir_message.hpp"

namespace gatepost {

class MaildirQueue {
 public:
  // --- shard's thread ---
  int event_fd() const { return event_.fd(); }
  // Hands messages over, in order.
  void hand_over(std::span<MaildirMessage* const> messages);
  bool has_returned() const { return returned_.load(std::memory_order_relaxed) != nullptr; }
  // What came back, in order, linked by `next`; nullptr for nothing. Resets event_fd().
  MaildirMessage* take_returned();
  // Has one writer look at the free space, soon.
  void request_measurement();
  // Lets take() return false once the queue is empty.
  void stop();

  // --- writers' threads ---
  // How much one writer takes at once.
  struct Share {
    std::size_t messages_max;
    // Targets of all of them; exceeded only by a single message.
    std::size_t targets_max;
    // The queue is divided among so many writers; 1: whoever comes takes all.
    std::size_t divided_by;
  };
  // Waits until there is something to do. Fills `batch` (emptied first), which stays empty when
  // only `measure` is wanted. False: the end.
  bool take(const Share& share, std::vector<MaildirMessage*>& batch, bool& measure);
  // Returns messages to the shard. The caller lets go of them.
  void give_back(std::span<MaildirMessage* const> messages);

 private:
  Mutex mutex_;
  ConditionVariable ready_;
  MaildirMessage* first_ = nullptr;
  MaildirMessage* last_ = nullptr;
  std::size_t length_ = 0;
  std::size_t waiting_ = 0;  // writers that sleep and were not woken yet
  bool measure_ = false;
  bool stopped_ = false;

  alignas(64) std::atomic<MaildirMessage*> returned_{nullptr};  // newest first
  std::atomic<std::uint64_t> announced_{0};  // signals that take_returned() has not read yet
  Wakeup event_;
};

}  // namespace gatepost
