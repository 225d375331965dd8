// Stands in for src/base/worker_thread.hpp: threads are fibers of the simulated kernel, of which
// one runs at a time, until it makes a file call or waits.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace gatepost {

// Nobody is ever found waiting for it: whoever holds it does not give up its turn. That this stays
// so is checked.
class Mutex {
 public:
  void lock();
  void unlock();

 private:
  bool locked_ = false;
};

class ConditionVariable {
 public:
  void wait(std::unique_lock<Mutex>& lock);
  void notify_one();
  void notify_all();

 private:
  std::vector<std::uint64_t> waiting_;  // fibers, by number
};

class WorkerThread {
 public:
  WorkerThread(const char* name, std::function<void()> work);
  void join();

 private:
  std::uint64_t fiber_ = 0;
};

}  // namespace gatepost
