// Makes the start of a thread fail, as at a limit on threads (cgroups(7), pids.max).
#pragma once

namespace gatepost::observe {

// While one of these lives, `before` threads start, and none behind them.
class NoMoreThreads {
 public:
  explicit NoMoreThreads(int before = 0);
  ~NoMoreThreads();
  NoMoreThreads(const NoMoreThreads&) = delete;
  NoMoreThreads& operator=(const NoMoreThreads&) = delete;
};

}  // namespace gatepost::observe
