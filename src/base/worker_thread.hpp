// Threads that do slow work for a shard, and what they wait with.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace gatepost {

using Mutex = std::mutex;
using ConditionVariable = std::condition_variable;

class WorkerThread {
 public:
  // Starts `work` on a thread of this name (at most 15 characters), with the caller's CPU mask and
  // all signals blocked: they are for the main thread, and SIGXFSZ (RLIMIT_FSIZE) is to be an error
  // of write(2) and not the end of the process.
  WorkerThread(const char* name, std::function<void()> work);
  // Waits for its end. Once, before the object goes.
  void join() { thread_.join(); }

 private:
  std::thread thread_;
};

}  // namespace gatepost
