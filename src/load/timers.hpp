// Moments at which connections want to be woken, soonest first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/clock.hpp"

namespace gatepost::load {

class Timers {
 public:
  void add(MonotonicNs at, std::uint32_t slot) {
    heap_.push_back({at, slot});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  MonotonicNs next() const { return heap_.empty() ? ~MonotonicNs{0} : heap_.front().at; }
  // Calls fire(slot, at) for what is due. Who is woken decides whether it still wants to be.
  template <class Fire>
  void run(MonotonicNs now, Fire&& fire) {
    while (!heap_.empty() && heap_.front().at <= now) {
      Entry entry = heap_.front();
      std::pop_heap(heap_.begin(), heap_.end(), later);
      heap_.pop_back();
      fire(entry.slot, entry.at);
    }
  }

 private:
  struct Entry {
    MonotonicNs at;
    std::uint32_t slot;
  };
  static bool later(const Entry& a, const Entry& b) { return a.at > b.at; }
  std::vector<Entry> heap_;
};

}  // namespace gatepost::load
