#include "simulation/ring_state.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fmt/format.h"

namespace gatepost::simulation {
RingState::RingState(const SimulatedRing::Options& options)
    : entries_(options.submission_entries), direct_(options.direct_descriptors) {}

void RingState::add(Operation operation) {
  const HeapScope scope(nullptr);
  // The queue is full: it is handed over at once, without waiting.
  if (submissions_.size() >= entries_) submit(true);
  submissions_.push_back(std::move(operation));
}

void RingState::enter(bool wait) {
  SimulatedKernel& k = kernel();
  ++loop_;
  // A loop takes its time, in which the world goes on.
  SimulatedNs time = k.random().between(1 * us, 20 * us);
  if (k.faults().strikes(Fault::preempted))
    time += k.faults().random(Fault::preempted).below(300 * ms);
  k.sleep(time);
  if (k.faults().strikes(Fault::submission_refused)) {
    k.record().trace("submission refused", submissions_.size());
    refused_until_loop_ = loop_ + loops_borne + 1;
    submit(false);
    run_task_work();
    return;
  }
  submit(true);
  run_task_work();
  if (!wait) return;
  while (completions_.empty()) {
    if (k.faults().strikes(Fault::interrupted_wait)) return;
    waiting_fiber_ = SimulatedKernel::current_fiber();
    if (ready_.empty()) k.park();
    waiting_fiber_ = 0;
    run_task_work();
  }
}

bool RingState::next_completion(ring::Completion& completion) {
  if (completions_.empty()) return false;
  completion = completions_.front();
  completions_.pop_front();
  return true;
}

void RingState::post(ring::Tag tag, std::int32_t result, std::uint32_t flags) {
  completions_.push_back({tag, result, flags});
}

// all: everything; else a prefix, as when the kernel runs out of memory for requests.
void RingState::submit(bool all) {
  std::size_t count = submissions_.size();
  if (!all && count > 0) count = kernel().random().below(count);
  while (count-- > 0) {
    Operation operation = std::move(submissions_.front());
    submissions_.pop_front();
    start(std::move(operation));
  }
}

std::shared_ptr<Socket> RingState::find(ring::Descriptor descriptor) const {
  if (!descriptor.direct) return kernel().socket(descriptor.number);
  const auto index = static_cast<std::size_t>(descriptor.number);
  return index < direct_.size() ? direct_[index] : nullptr;
}

void RingState::start(Operation operation) {
  SimulatedKernel& k = kernel();
  switch (operation.kind) {
    case Kind::send_now:
      return start_send_now(operation);
    case Kind::cancel:
      return start_cancel(operation);
    case Kind::shutdown:
      return start_shutdown(operation);
    case Kind::close:
      return start_close(operation);
    case Kind::accept:
      operation.listener = k.listener(operation.descriptor.number);
      break;
    case Kind::timeout:
    case Kind::poll:
      break;
    case Kind::recv:
    case Kind::send_all:
    case Kind::peer_name:
      operation.socket = find(operation.descriptor);
      if (operation.socket == nullptr) {
        post(operation.tag, -EBADF);
        return;
      }
      break;
  }
  const std::uint64_t number = next_operation_++;
  auto [place, added] = operations_.emplace(number, std::move(operation));
  Operation& placed = place->second;
  switch (placed.kind) {
    case Kind::accept:
      placed.listener->watcher = this;
      placed.listener->operation = number;
      break;
    case Kind::recv:
      placed.socket->watch_read(this, number);
      break;
    case Kind::send_all:
      placed.socket->watch_write(this, number);
      break;
    case Kind::poll:
      k.watch(placed.descriptor.number, this);
      break;
    case Kind::peer_name:
    case Kind::timeout: {
      const SimulatedNs delay =
          placed.kind == Kind::timeout ? placed.duration : k.random().below(2) * 20 * us;
      k.after_in_process(delay, [self = shared_from_this(), number] { self->make_ready(number); });
      return;
    }
    default:
      break;
  }
  // The kernel tries at once, inside the submission.
  if (!attempt(number, placed)) end_operation(place);
}

// --- What waits ----------------------------------------------------------------------------------

void RingState::make_ready(std::uint64_t number) {
  if (destroyed_) return;
  const auto found = operations_.find(number);
  if (found == operations_.end() || found->second.queued) return;
  found->second.queued = true;
  ready_.push_back(number);
  if (waiting_fiber_ != 0) kernel().wake(std::exchange(waiting_fiber_, 0), 1 * us);
}

void RingState::signalled() {
  for (const auto& [number, operation] : operations_)
    if (operation.kind == Kind::poll) make_ready(number);
}

void RingState::run_task_work() {
  std::vector<std::uint64_t> work;
  work.swap(ready_);
  for (const std::uint64_t number : work) {
    const auto found = operations_.find(number);
    if (found == operations_.end()) continue;
    found->second.queued = false;
    if (!attempt(number, found->second)) end_operation(operations_.find(number));
  }
}

// False: the operation is over.
bool RingState::attempt(std::uint64_t number, Operation& operation) {
  if (operation.cancelled) {
    const bool partly = operation.kind == Kind::send_all && operation.sent > 0;
    post(operation.tag, partly ? static_cast<std::int32_t>(operation.sent) : -ECANCELED);
    return false;
  }
  switch (operation.kind) {
    case Kind::accept:
      return attempt_accept(operation);
    case Kind::recv: {
      const bool goes_on = attempt_recv(operation);
      if (goes_on && operation.socket->received() > 0) make_ready(number);
      return goes_on;
    }
    case Kind::send_all:
      return attempt_send(operation);
    case Kind::poll:
      return attempt_poll(operation);
    case Kind::timeout:
      post(operation.tag, -ETIME);
      return false;
    case Kind::peer_name:
      if (operation.socket->connected()) {
        const sockaddr_storage& address = operation.socket->address();
        const std::uint32_t length = operation.socket->address_length();
        std::memcpy(operation.address, &address, std::min<std::size_t>(length, operation.size));
        post(operation.tag, static_cast<std::int32_t>(length));
      } else {
        post(operation.tag, -ENOTCONN);
      }
      return false;
    default:
      return false;
  }
}

void RingState::end_socket_watch(const Operation& operation) {
  if (operation.kind == Kind::recv && operation.socket != nullptr)
    operation.socket->watch_read(nullptr, 0);
  if (operation.kind == Kind::send_all && operation.socket != nullptr)
    operation.socket->watch_write(nullptr, 0);
  if (operation.kind == Kind::accept) operation.listener->watcher = nullptr;
}

void RingState::end_operation(Operations::iterator place) {
  // Its socket may go with it, which is not to happen inside the table.
  const Operation ended = std::move(place->second);
  operations_.erase(place);
  end_socket_watch(ended);
}

bool RingState::attempt_accept(Operation& operation) {
  SimulatedKernel& k = kernel();
  for (unsigned count = 0; !operation.listener->backlog.empty(); ++count) {
    if (count == completions_at_once) {
      make_ready(operation.listener->operation);
      return true;
    }
    if (k.faults().strikes(Fault::no_descriptor)) {
      post(operation.tag, -EMFILE);
      return false;
    }
    std::shared_ptr<Socket> socket = k.network().accept(*operation.listener);
    if (k.faults().strikes(Fault::lost_at_accept, socket->client())) {
      socket->cut();
      post(operation.tag, -ECONNABORTED);
      return false;
    }
    const std::uint64_t number = socket->number();
    const unsigned client = socket->client();
    const std::int32_t fd = install(std::move(socket), operation.flag);
    k.record().trace("accepted", client, number);
    if (fd < 0) {
      post(operation.tag, fd);
      return false;
    }
    const bool ends = k.faults().strikes(Fault::multishot_ends, client);
    post(operation.tag, fd, ends ? 0 : more_flag);
    if (ends) return false;
  }
  return true;
}

// The lowest free number, or a negated errno.
std::int32_t RingState::install(std::shared_ptr<Socket> socket, bool direct) {
  if (!direct) return kernel().open_socket(std::move(socket));
  const auto free = std::ranges::find(direct_, nullptr);
  if (free == direct_.end()) {
    // The connection had been taken off the queue by then, and is dropped (io_uring/net.c).
    socket->cut();
    return -ENFILE;
  }
  *free = std::move(socket);
  return static_cast<std::int32_t>(free - direct_.begin());
}

bool RingState::attempt_poll(Operation& operation) {
  SimulatedKernel& k = kernel();
  if (!k.signalled(operation.descriptor.number)) return true;
  const bool ends = k.faults().strikes(Fault::multishot_ends);
  post(operation.tag, POLLIN, ends ? 0 : more_flag);
  if (ends) k.watch(operation.descriptor.number, nullptr);
  return !ends;
}

// --- The rest ------------------------------------------------------------------------------------

void RingState::start_close(const Operation& operation) {
  const std::shared_ptr<Socket> socket = find(operation.descriptor);
  if (socket == nullptr) {
    kernel().record().violation(
        checks::resources,
        fmt::format("a descriptor that is not open was closed: {}", operation.descriptor.number));
    post(operation.tag, -EBADF);
    return;
  }
  kernel().record().trace("close", socket->client(), socket->number());
  if (operation.descriptor.direct)
    direct_[static_cast<std::size_t>(operation.descriptor.number)] = nullptr;
  else
    kernel().close(operation.descriptor.number);
}

// A worker thread does it, sooner or later, and looks the descriptor up only then.
void RingState::start_shutdown(const Operation& operation) {
  SimulatedKernel& k = kernel();
  SimulatedNs delay = k.random().below(50 * us);
  const std::shared_ptr<Socket> meant = find(operation.descriptor);
  const unsigned client = meant != nullptr ? meant->client() : Faults::everybody;
  if (k.faults().strikes(Fault::late_shutdown, client))
    delay += k.faults().random(Fault::late_shutdown).below(300 * ms);
  const std::uint64_t number = next_operation_++;
  operations_.emplace(number, operation);
  k.after_in_process(
      delay, [self = shared_from_this(), number, operation, wanted = std::weak_ptr<Socket>(meant)] {
        if (self->destroyed_) return;
        const std::shared_ptr<Socket> found = self->find(operation.descriptor);
        if (found != nullptr && found != wanted.lock())
          kernel().record().violation(
              checks::resources, "a shutdown hit another connection: its number was used again");
        if (found != nullptr) found->shutdown_write();
        self->operations_.erase(number);
        self->post(operation.tag, found == nullptr ? -EBADF : 0);
        if (self->waiting_fiber_ != 0)
          kernel().wake(std::exchange(self->waiting_fiber_, 0), 1 * us);
      });
}

void RingState::start_cancel(const Operation& operation) {
  SimulatedKernel& k = kernel();
  const auto found = std::ranges::find_if(operations_, [&](const auto& each) {
    return each.second.tag.pack() == operation.target.pack() && !each.second.cancelled &&
           each.second.kind != Kind::shutdown;
  });
  if (found == operations_.end()) {
    post(operation.tag, -ENOENT);
    return;
  }
  Operation& target = found->second;
  target.cancelled = true;
  end_socket_watch(target);
  const std::uint64_t number = found->first;
  const unsigned client = target.socket != nullptr ? target.socket->client() : Faults::everybody;
  if (!k.faults().strikes(Fault::late_cancel, client)) {
    make_ready(number);
    return;
  }
  k.after_in_process(k.faults().random(Fault::late_cancel).below(5 * ms),
                     [self = shared_from_this(), number] { self->make_ready(number); });
}

void RingState::vanish() {
  for (const auto& socket : direct_)
    if (socket != nullptr) socket->vanish();
  for (const auto& [number, operation] : operations_)
    if (operation.socket != nullptr) operation.socket->vanish();
}

void RingState::destroy() {
  destroyed_ = true;
  submissions_.clear();
  completions_.clear();
  while (!operations_.empty()) {
    const auto place = operations_.begin();
    if (place->second.kind == Kind::poll && kernel().process_alive())
      kernel().watch(place->second.descriptor.number, nullptr);
    end_operation(place);
  }
  direct_.clear();
  groups_.clear();
}

void RingState::count(SimulatedRing::Load& load) const {
  for (const auto& [number, operation] : operations_) {
    if (operation.kind == Kind::timeout)
      ++load.timeouts;
    else if (operation.kind != Kind::accept && operation.kind != Kind::poll)
      ++load.operations;
  }
  load.direct_descriptors +=
      direct_.size() - static_cast<std::size_t>(std::ranges::count(direct_, nullptr));
}

}  // namespace gatepost::simulation
