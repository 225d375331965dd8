// The kernel that a simulated gateway runs on: time, threads, processes and their descriptors.
//
// Everything happens in events, one after the other, in the order of their simulated time; nothing
// ever waits in real time. Threads of the process are fibers, which run inside of events. One
// process lives at a time; when it is killed, its fibers, its memory, and all events that would
// have concerned it are gone.
//
// The stand-in headers in kernel/ find the one kernel there is by kernel().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "simulation/faults.hpp"
#include "simulation/fiber.hpp"
#include "simulation/process_heap.hpp"
#include "simulation/random.hpp"
#include "simulation/record.hpp"
#include "simulation/simulated_disk.hpp"
#include "simulation/simulated_network.hpp"

namespace gatepost::simulation {

using SimulatedNs = std::uint64_t;
constexpr SimulatedNs us = 1'000;
constexpr SimulatedNs ms = 1'000'000;
constexpr SimulatedNs second = 1'000'000'000;

// Whoever polls a wake-up descriptor.
class WakeupWatcher {
 public:
  virtual void signalled() = 0;

 protected:
  ~WakeupWatcher() = default;
};

class SimulatedKernel {
 public:
  // All three outlive the kernel.
  SimulatedKernel(std::uint64_t seed, Faults& faults, Record& record, SimulatedDisk& disk);
  ~SimulatedKernel();
  SimulatedKernel(const SimulatedKernel&) = delete;
  SimulatedKernel& operator=(const SimulatedKernel&) = delete;

  Faults& faults() { return faults_; }
  Record& record() { return record_; }
  SimulatedDisk& disk() { return disk_; }
  SimulatedNetwork& network() { return network_; }
  Random& random() { return random_; }

  // --- Time ---
  SimulatedNs now() const { return now_; }
  std::uint64_t wall_us() const { return now_ / us + wall_offset_us_; }
  // Moves the wall clock by so much, forward or back.
  void set_wall_clock(std::int64_t by_us);
  // The machine sleeps: everything that is due happens late by so much.
  void suspend(SimulatedNs duration) { now_ += duration; }

  // --- Events ---
  void after(SimulatedNs delay, std::function<void()> action);
  // Not when the process that is alive now has died by then.
  void after_in_process(SimulatedNs delay, std::function<void()> action);
  // Runs the next event. False: there is none.
  bool run_next();

  // --- The process ---
  // Begins with one thread that runs `body`. There must be no process.
  void start_process(std::function<void()> body);
  bool process_alive() const { return process_ != nullptr; }
  // 1, 2, ...
  std::uint32_t process_number() const { return process_number_; }
  // How often the power has failed.
  std::uint32_t boot_number() const { return boot_number_; }
  ProcessHeap& heap() { return process_->heap; }
  // Not from inside a fiber. power_failure: peers are not told that their connections are gone.
  void kill_process(bool power_failure);
  // All threads have ended: takes the process away, and reports what it had not given back.
  void reap_process();
  bool process_ended() const;
  // kill_process() is under way.
  bool killing() const { return killing_; }

  // --- Threads, on a fiber ---
  std::uint64_t start_thread(const char* name, std::function<void()> body);
  void sleep(SimulatedNs duration);
  // Gives up the turn until wake(). A wake that came before counts.
  void park();
  void wake(std::uint64_t fiber, SimulatedNs delay = 0);
  void join(std::uint64_t fiber);
  static std::uint64_t current_fiber();
  // Whether the running fiber may make calls that block.
  void forbid_blocking() { blocking_forbidden_.push_back(current_fiber()); }
  bool may_block() const;

  // --- Descriptors of the process but for those of the disk ---
  int open_socket(std::shared_ptr<Socket> socket);
  int open_listener(std::shared_ptr<Listener> listener);
  int open_wakeup();
  void close(int fd);
  std::shared_ptr<Socket> socket(int fd) const;
  std::shared_ptr<Listener> listener(int fd) const;
  void signal(int fd);
  std::uint64_t reset_wakeup(int fd);
  bool signalled(int fd) const;
  // nullptr takes it away.
  void watch(int fd, WakeupWatcher* watcher);
  std::size_t sockets_open() const;

 private:
  struct Event {
    SimulatedNs when;
    std::uint64_t order;
    std::uint32_t process;  // 0: whatever process lives
    std::function<void()> action;
    bool operator<(const Event& other) const {
      return when != other.when ? when > other.when : order > other.order;
    }
  };
  struct Thread {
    std::unique_ptr<Fiber> fiber;
    bool parked = false;
    bool woken = false;
    std::vector<std::uint64_t> joiners;
  };
  struct Descriptor {
    std::shared_ptr<Socket> socket;
    std::shared_ptr<Listener> listener;
    bool wakeup = false;
    std::uint64_t signals = 0;
    WakeupWatcher* watcher = nullptr;
    bool open() const { return socket != nullptr || listener != nullptr || wakeup; }
  };
  struct Process {
    ProcessHeap heap;
    std::map<std::uint64_t, Thread> threads;
    std::vector<Descriptor> descriptors;
  };

  void resume(std::uint64_t fiber);
  int lowest_free();

  Faults& faults_;
  Record& record_;
  SimulatedDisk& disk_;
  Random random_;
  SimulatedNs now_ = 0;
  std::uint64_t wall_offset_us_ = 1'790'000'000'000'000;
  std::priority_queue<Event> events_;
  std::uint64_t next_order_ = 0;
  std::unique_ptr<Process> process_;
  std::uint32_t process_number_ = 0;
  std::uint32_t boot_number_ = 0;
  bool killing_ = false;
  std::uint64_t next_fiber_ = 1;
  std::vector<std::uint64_t> blocking_forbidden_;
  SimulatedNetwork network_;
};

// The kernel of the run that is under way.
SimulatedKernel& kernel();

}  // namespace gatepost::simulation
