#include "simulation/simulated_kernel.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.hpp"
#include "fmt/format.h"
#include "simulation/simulated_ring.hpp"

namespace gatepost::simulation {
namespace {

SimulatedKernel* the_kernel = nullptr;

constexpr int first_descriptor = 3;

}  // namespace

SimulatedKernel& kernel() {
  GP_CHECK(the_kernel != nullptr);
  return *the_kernel;
}

SimulatedKernel::SimulatedKernel(std::uint64_t seed, Faults& faults, Record& record,
                                 SimulatedDisk& disk)
    : faults_(faults), record_(record), disk_(disk), random_(seed), network_(*this) {
  GP_CHECK(the_kernel == nullptr);
  the_kernel = this;
}

SimulatedKernel::~SimulatedKernel() {
  if (process_ != nullptr) kill_process(true);
  // What is still to happen may hold connections, whose ends tell the kernel.
  while (!events_.empty()) events_.pop();
  the_kernel = nullptr;
}

// --- Time and events -----------------------------------------------------------------------------

void SimulatedKernel::set_wall_clock(std::int64_t by_us) {
  wall_offset_us_ = static_cast<std::uint64_t>(static_cast<std::int64_t>(wall_offset_us_) + by_us);
}

void SimulatedKernel::after(SimulatedNs delay, std::function<void()> action) {
  events_.push({now_ + delay, next_order_++, 0, std::move(action)});
}

void SimulatedKernel::after_in_process(SimulatedNs delay, std::function<void()> action) {
  events_.push({now_ + delay, next_order_++, process_number_, std::move(action)});
}

bool SimulatedKernel::run_next() {
  if (events_.empty()) return false;
  // The queue's elements are constant only so that their order stays.
  Event event = std::move(const_cast<Event&>(events_.top()));
  events_.pop();
  now_ = std::max(now_, event.when);
  record_.now_ns = now_;
  if (event.process != 0 && (process_ == nullptr || event.process != process_number_)) return true;
  ++record_.event;
  event.action();
  return true;
}

// --- The process ---------------------------------------------------------------------------------

void SimulatedKernel::start_process(std::function<void()> body) {
  GP_CHECK(process_ == nullptr && Fiber::current() == nullptr);
  process_ = std::make_unique<Process>();
  ++process_number_;
  record_.trace("process", process_number_);
  start_thread("main", std::move(body));
}

void SimulatedKernel::kill_process(bool power_failure) {
  GP_CHECK(process_ != nullptr && Fiber::current() == nullptr);
  record_.trace(power_failure ? "power failure" : "killed", process_number_);
  if (power_failure) ++boot_number_;
  killing_ = true;
  std::vector<std::shared_ptr<Listener>> listeners;
  for (Descriptor& descriptor : process_->descriptors)
    if (descriptor.listener != nullptr) listeners.push_back(descriptor.listener);
  if (power_failure) SimulatedRing::vanish_all();
  for (const auto& listener : listeners) network_.stop(*listener);
  network_.forget_listeners();
  for (Descriptor& descriptor : process_->descriptors)
    if (power_failure && descriptor.socket != nullptr) descriptor.socket->vanish();
  SimulatedRing::destroy_all();
  process_->descriptors.clear();
  blocking_forbidden_.clear();
  process_->threads.clear();
  process_->heap.release_all();
  process_.reset();
  killing_ = false;
}

bool SimulatedKernel::process_ended() const {
  return process_ != nullptr && std::ranges::all_of(process_->threads, [](const auto& each) {
           return each.second.fiber->finished();
         });
}

void SimulatedKernel::reap_process() {
  GP_CHECK(process_ended());
  record_.trace("ended", process_number_);
  std::erase_if(process_->descriptors, [](const Descriptor& each) { return !each.open(); });
  for (const Descriptor& left : process_->descriptors)
    record_.violation(checks::resources,
                      left.socket != nullptr
                          ? fmt::format("the socket of client {} was left open by the process",
                                        left.socket->client())
                          : std::string("a descriptor was left open by the process"));
  if (!disk_.open_descriptors().empty())
    record_.violation(checks::resources, fmt::format("{} files were left open by the process",
                                                     disk_.open_descriptors().size()));
  process_->threads.clear();
  if (process_->heap.blocks() > 0 || process_->heap.mappings() > 0)
    record_.violation(
        checks::resources,
        fmt::format("{} octets in {} blocks and {} mappings were left by the process",
                    process_->heap.bytes(), process_->heap.blocks(), process_->heap.mappings()));
  network_.forget_listeners();
  SimulatedRing::destroy_all();
  blocking_forbidden_.clear();
  process_.reset();
}

// --- Threads -------------------------------------------------------------------------------------

std::uint64_t SimulatedKernel::start_thread(const char* name, std::function<void()> body) {
  const HeapScope scope(nullptr);
  const std::uint64_t number = next_fiber_++;
  Thread& thread = process_->threads[number];
  thread.fiber = std::make_unique<Fiber>(number, name, &process_->heap, std::move(body));
  after_in_process(random_.below(50 * us), [this, number] { resume(number); });
  return number;
}

void SimulatedKernel::resume(std::uint64_t fiber) {
  Thread& thread = process_->threads.at(fiber);
  thread.fiber->resume();
  if (!thread.fiber->finished()) return;
  for (const std::uint64_t joiner : thread.joiners) wake(joiner);
}

std::uint64_t SimulatedKernel::current_fiber() {
  return Fiber::current() != nullptr ? Fiber::current()->number() : 0;
}

void SimulatedKernel::sleep(SimulatedNs duration) {
  const HeapScope scope(nullptr);
  const std::uint64_t self = current_fiber();
  after_in_process(duration, [this, self] { resume(self); });
  Fiber::give_up_turn();
}

void SimulatedKernel::park() {
  Thread& thread = process_->threads.at(current_fiber());
  if (std::exchange(thread.woken, false)) return;
  thread.parked = true;
  Fiber::give_up_turn();
}

void SimulatedKernel::wake(std::uint64_t fiber, SimulatedNs delay) {
  const HeapScope scope(nullptr);
  Thread& thread = process_->threads.at(fiber);
  if (!std::exchange(thread.parked, false)) {
    thread.woken = true;
    return;
  }
  after_in_process(delay, [this, fiber] { resume(fiber); });
}

void SimulatedKernel::join(std::uint64_t fiber) {
  const HeapScope scope(nullptr);
  Thread& thread = process_->threads.at(fiber);
  while (!thread.fiber->finished()) {
    thread.joiners.push_back(current_fiber());
    park();
  }
}

bool SimulatedKernel::may_block() const {
  return std::ranges::find(blocking_forbidden_, current_fiber()) == blocking_forbidden_.end();
}

// --- Descriptors ---------------------------------------------------------------------------------

int SimulatedKernel::lowest_free() {
  const HeapScope scope(nullptr);
  auto& table = process_->descriptors;
  const auto free = std::ranges::find_if(table, [](const Descriptor& d) { return !d.open(); });
  if (free == table.end()) {
    table.emplace_back();
    return static_cast<int>(table.size()) - 1 + first_descriptor;
  }
  *free = {};
  return static_cast<int>(free - table.begin()) + first_descriptor;
}

int SimulatedKernel::open_socket(std::shared_ptr<Socket> socket) {
  const int fd = lowest_free();
  process_->descriptors[static_cast<std::size_t>(fd - first_descriptor)].socket = std::move(socket);
  return fd;
}

int SimulatedKernel::open_listener(std::shared_ptr<Listener> listener) {
  const HeapScope scope(nullptr);
  const int fd = lowest_free();
  network_.add_listener(listener);
  process_->descriptors[static_cast<std::size_t>(fd - first_descriptor)].listener =
      std::move(listener);
  return fd;
}

int SimulatedKernel::open_wakeup() {
  const int fd = lowest_free();
  process_->descriptors[static_cast<std::size_t>(fd - first_descriptor)].wakeup = true;
  return fd;
}

void SimulatedKernel::close(int fd) {
  const HeapScope scope(nullptr);
  // The end of a socket tells its connection, which may look at the table.
  const Descriptor closed = std::exchange(
      process_->descriptors.at(static_cast<std::size_t>(fd - first_descriptor)), Descriptor{});
  if (closed.listener != nullptr) network_.remove(*closed.listener);
  if (!closed.open())
    record_.violation(checks::resources, fmt::format("descriptor {} was closed twice", fd));
}

std::shared_ptr<Socket> SimulatedKernel::socket(int fd) const {
  const auto index = static_cast<std::size_t>(fd - first_descriptor);
  return fd >= first_descriptor && index < process_->descriptors.size()
             ? process_->descriptors[index].socket
             : nullptr;
}

std::shared_ptr<Listener> SimulatedKernel::listener(int fd) const {
  return process_->descriptors.at(static_cast<std::size_t>(fd - first_descriptor)).listener;
}

void SimulatedKernel::signal(int fd) {
  const HeapScope scope(nullptr);
  Descriptor& descriptor =
      process_->descriptors.at(static_cast<std::size_t>(fd - first_descriptor));
  ++descriptor.signals;
  if (descriptor.watcher != nullptr) descriptor.watcher->signalled();
}

std::uint64_t SimulatedKernel::reset_wakeup(int fd) {
  return std::exchange(
      process_->descriptors.at(static_cast<std::size_t>(fd - first_descriptor)).signals, 0);
}

bool SimulatedKernel::signalled(int fd) const {
  return process_->descriptors.at(static_cast<std::size_t>(fd - first_descriptor)).signals > 0;
}

void SimulatedKernel::watch(int fd, WakeupWatcher* watcher) {
  process_->descriptors.at(static_cast<std::size_t>(fd - first_descriptor)).watcher = watcher;
}

std::size_t SimulatedKernel::sockets_open() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      process_->descriptors, [](const Descriptor& d) { return d.socket != nullptr; }));
}

}  // namespace gatepost::simulation
