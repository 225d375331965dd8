#include "sink/maildir_queue.hpp"

#include <algorithm>
#include <mutex>

namespace gatepost {

void MaildirQueue::hand_over(std::span<MaildirMessage* const> messages) {
  if (messages.empty()) return;
  for (std::size_t i = 0; i + 1 < messages.size(); ++i) messages[i]->next = messages[i + 1];
  messages.back()->next = nullptr;
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (last_ != nullptr) {
      last_->next = messages.front();
    } else {
      first_ = messages.front();
    }
    last_ = messages.back();
    length_ += messages.size();
    wake = waiting_ > 0;
    if (wake) --waiting_;
  }
  if (wake) ready_.notify_one();
}

MaildirMessage* MaildirQueue::take_returned() {
  // The read comes first: whatever is given back after it signals again. A signal that is announced
  // but not yet written is left for the next call. Without an announcement there is nothing to
  // read, which saves the system call where the shard came by itself.
  if (announced_.load(std::memory_order_acquire) != 0) {
    announced_.fetch_sub(event_.reset(), std::memory_order_relaxed);
  }
  MaildirMessage* newest = returned_.exchange(nullptr, std::memory_order_acquire);
  MaildirMessage* oldest = nullptr;
  while (newest != nullptr) {
    MaildirMessage* const older = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = older;
  }
  return oldest;
}

void MaildirQueue::request_measurement() {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    measure_ = true;
    wake = waiting_ > 0;
    if (wake) --waiting_;
  }
  if (wake) ready_.notify_one();
}

void MaildirQueue::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    waiting_ = 0;
  }
  ready_.notify_all();
}

bool MaildirQueue::take(const Share& share, std::vector<MaildirMessage*>& batch, bool& measure) {
  batch.clear();
  measure = false;
  bool wake = false;
  {
    std::unique_lock lock(mutex_);
    while (first_ == nullptr && !measure_ && !stopped_) {
      ++waiting_;
      ready_.wait(lock);
      // Who wakes a writer has taken it off the count. A wake-up out of nothing leaves it counted
      // once too often, which costs at most an idle notify.
    }
    if (first_ == nullptr && !measure_) return false;
    std::swap(measure, measure_);
    std::size_t wanted = (length_ + share.divided_by - 1) / share.divided_by;
    wanted = std::min(wanted, share.messages_max);
    std::size_t targets = 0;
    while (batch.size() < wanted && first_ != nullptr) {
      targets += first_->targets.size();
      if (targets > share.targets_max && !batch.empty()) break;
      batch.push_back(first_);
      first_ = first_->next;
      --length_;
    }
    if (first_ == nullptr) last_ = nullptr;
    wake = first_ != nullptr && waiting_ > 0;
    if (wake) --waiting_;
  }
  if (wake) ready_.notify_one();
  return true;
}

void MaildirQueue::give_back(std::span<MaildirMessage* const> messages) {
  if (messages.empty()) return;
  // The stack has its newest element first.
  for (std::size_t i = messages.size(); i-- > 1;) messages[i]->next = messages[i - 1];
  MaildirMessage* const newest = messages.back();
  MaildirMessage* const oldest = messages.front();
  MaildirMessage* before = returned_.load(std::memory_order_relaxed);
  do {
    oldest->next = before;
  } while (!returned_.compare_exchange_weak(before, newest, std::memory_order_release,
                                            std::memory_order_relaxed));
  if (before != nullptr) return;  // the shard has been told, and has not come yet
  announced_.fetch_add(1, std::memory_order_release);
  event_.signal();
}

}  // namespace gatepost
