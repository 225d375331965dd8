// When messages begin.
//
// Closed loop: at once, whenever a connection is free. Open loop: at fixed moments, whether a
// connection is free or not; the moments never shift because of the server, which is what keeps
// its stalls in the latencies (Gil Tene's "coordinated omission").
#pragma once

#include <cstdint>

#include "base/clock.hpp"

namespace gatepost::load {

class Pacer {
 public:
  // rate: messages a second, 0 for the closed loop. The first one is due at `start`. None is begun
  // at `end` or later, and never more than `messages`.
  Pacer(std::uint64_t messages, double rate, MonotonicNs start, MonotonicNs end)
      : messages_(messages), rate_(rate), start_(start), end_(end) {}

  bool open_loop() const { return rate_ > 0; }
  // Nothing will be begun any more.
  bool exhausted(MonotonicNs now) const { return begun_ == messages_ || now >= end_; }
  void stop_at(MonotonicNs now) {
    if (now < end_) end_ = now;
  }
  // When the next message may begin (open loop).
  MonotonicNs next_due() const { return due(begun_); }
  // Takes one message if it may begin now. due: the moment from which its latency counts; `now` in
  // the closed loop.
  bool take(MonotonicNs now, MonotonicNs& moment) {
    if (exhausted(now)) return false;
    moment = open_loop() ? next_due() : now;
    if (moment > now) return false;
    ++begun_;
    return true;
  }
  // Open loop: messages that were due before `end` and never taken; calls visit(due, count) for
  // groups of them, a thousand groups at most.
  template <class Visit>
  void for_each_unstarted(Visit&& visit) const {
    std::uint64_t total = due_before_end();
    if (total <= begun_) return;
    std::uint64_t step = (total - begun_) / 1000 + 1;
    for (std::uint64_t n = begun_; n < total; n += step)
      visit(due(n), total - n < step ? total - n : step);
  }
  MonotonicNs end() const { return end_; }

 private:
  MonotonicNs due(std::uint64_t n) const {
    return start_ + static_cast<MonotonicNs>(static_cast<double>(n) * 1e9 / rate_);
  }
  std::uint64_t due_before_end() const {
    if (!open_loop() || end_ <= start_) return 0;
    auto count = static_cast<std::uint64_t>(static_cast<double>(end_ - start_) * rate_ / 1e9);
    return count < messages_ ? count : messages_;
  }

  std::uint64_t messages_;
  double rate_;
  MonotonicNs start_, end_;
  std::uint64_t begun_ = 0;
};

}  // namespace gatepost::load
