// Threads that do slow work for a shard, and what they wait with.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace gatepost {

using Mutex = std::mutex;
using ConditionVariable = std::condition_variable;

// Starts `work` on a thread of this name (at most 15 characters), with the caller's CPU mask and
// all signals blocked: they are for the main thread, and SIGXFSZ (RLIMIT_FSIZE) and SIGPIPE are to
// be errors of write(2) and not the end of the process. Throws std::system_error where no thread is
// to be had.
std::thread start_thread(const char* name, std::function<void()> work);

// One that a sink starts.
class WorkerThread {
 public:
  WorkerThread(const char* name, std::function<void()> work)
      : thread_(start_thread(name, std::move(work))) {}
  // Waits for its end. Once, before the object goes.
  void join() { thread_.join(); }

 private:
  std::thread thread_;
};

}  // namespace gatepost
