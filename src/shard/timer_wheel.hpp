// Deadlines of connections, checked lazily: moving one further away, which every command does, is a
// store. Only when the time at which an entry stands in the wheel is reached is its deadline looked
// at, and the entry is filed anew if it has moved.
//
// Entries are numbered as the connections are. Time is in milliseconds of the shard's clock.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/check.hpp"

namespace gatepost::shard {

class TimerWheel {
 public:
  static constexpr std::uint64_t tick_ms = 100;
  static constexpr std::size_t bucket_count = 1024;  // 102 s; later deadlines are filed again

  explicit TimerWheel(std::uint32_t entries) : entries_(entries) { buckets_.fill(none); }

  // Sets when `entry` is due. Cheap when the new time is not before the one it is filed under.
  void set(std::uint32_t entry, std::uint64_t deadline_ms) {
    Entry& e = entries_[entry];
    e.deadline_ms = deadline_ms;
    if (e.filed && deadline_ms >= e.filed_ms) return;
    if (e.filed) unlink(entry);
    file(entry);
  }
  void clear(std::uint32_t entry) {
    if (entries_[entry].filed) unlink(entry);
  }
  std::uint64_t deadline_ms(std::uint32_t entry) const { return entries_[entry].deadline_ms; }
  // Whether anything is filed, so that ticks are needed.
  bool empty() const { return filed_count_ == 0; }

  // Calls due(entry) for each entry whose deadline has passed; it is not filed any more then.
  template <class Due>
  void advance(std::uint64_t now_ms, Due&& due) {
    std::uint64_t now_tick = now_ms / tick_ms;
    if (now_tick - tick_ > bucket_count) tick_ = now_tick - bucket_count;
    while (tick_ < now_tick) {
      ++tick_;
      std::uint32_t entry = buckets_[tick_ % bucket_count];
      buckets_[tick_ % bucket_count] = none;
      while (entry != none) {
        Entry& e = entries_[entry];
        std::uint32_t next = e.next;
        e.filed = false;
        --filed_count_;
        if (e.deadline_ms <= now_ms) {
          expired_.push_back(entry);
        } else {
          file(entry);
        }
        entry = next;
      }
    }
    // Only after the walk: due() may set and clear any entry.
    for (std::size_t i = 0; i < expired_.size(); ++i) {
      std::uint32_t entry = expired_[i];
      if (!entries_[entry].filed && entries_[entry].deadline_ms <= now_ms) due(entry);
    }
    expired_.clear();
  }
  // The tick the wheel begins at. Call once before use.
  void start(std::uint64_t now_ms) { tick_ = now_ms / tick_ms; }

 private:
  static constexpr std::uint32_t none = 0xffffffff;
  struct Entry {
    std::uint64_t deadline_ms = 0;
    std::uint64_t filed_ms = 0;
    std::uint32_t next = none;
    std::uint32_t previous = none;
    std::uint32_t bucket = 0;
    bool filed = false;
  };

  void file(std::uint32_t entry) {
    Entry& e = entries_[entry];
    std::uint64_t at = e.deadline_ms / tick_ms + 1;
    std::uint64_t first = tick_ + 1;
    std::uint64_t last = tick_ + bucket_count - 1;
    at = at < first ? first : (at > last ? last : at);
    e.filed_ms = at * tick_ms;
    e.bucket = static_cast<std::uint32_t>(at % bucket_count);
    e.previous = none;
    e.next = buckets_[e.bucket];
    if (e.next != none) entries_[e.next].previous = entry;
    buckets_[e.bucket] = entry;
    e.filed = true;
    ++filed_count_;
  }
  void unlink(std::uint32_t entry) {
    Entry& e = entries_[entry];
    if (e.previous != none)
      entries_[e.previous].next = e.next;
    else
      buckets_[e.bucket] = e.next;
    if (e.next != none) entries_[e.next].previous = e.previous;
    e.filed = false;
    --filed_count_;
  }

  std::vector<Entry> entries_;
  std::array<std::uint32_t, bucket_count> buckets_;
  std::vector<std::uint32_t> expired_;
  std::uint64_t tick_ = 0;
  std::uint64_t filed_count_ = 0;
};

}  // namespace gatepost::shard
