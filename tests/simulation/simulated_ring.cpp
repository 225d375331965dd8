#include "simulation/simulated_ring.hpp"

#include <algorithm>
#include <cerrno>

#include "simulation/ring_state.hpp"

namespace gatepost::simulation {
namespace {

std::vector<std::shared_ptr<RingState>>& rings() {
  static std::vector<std::shared_ptr<RingState>> all;
  return all;
}

std::uint32_t submission_limit = 0;

}  // namespace

Result<std::unique_ptr<SimulatedRing>> SimulatedRing::create(const Options& options) {
  std::shared_ptr<RingState> state;
  {
    const HeapScope scope(nullptr);
    Options limited = options;
    if (submission_limit > 0)
      limited.submission_entries = std::min(limited.submission_entries, submission_limit);
    state = std::make_shared<RingState>(limited);
    rings().push_back(state);
  }
  return std::unique_ptr<SimulatedRing>(new SimulatedRing(std::move(state)));
}

SimulatedRing::~SimulatedRing() {
  const HeapScope scope(nullptr);
  state_->destroy();
  std::erase(rings(), state_);
}

void SimulatedRing::vanish_all() {
  for (const auto& ring : rings()) ring->vanish();
}

void SimulatedRing::destroy_all() {
  for (const auto& ring : rings()) ring->destroy();
  rings().clear();
}

SimulatedRing::Load SimulatedRing::load() {
  Load load;
  for (const auto& ring : rings()) ring->count(load);
  return load;
}

void SimulatedRing::limit_submissions(std::uint32_t entries) {
  submission_limit = entries;
}

void SimulatedRing::accept_multishot(int listener, bool direct, Tag tag) {
  RingState::Operation operation{RingState::Kind::accept, tag, {listener, false}};
  operation.flag = direct;
  state_->add(std::move(operation));
}

void SimulatedRing::recv_multishot(Descriptor socket, std::uint16_t buffer_group, bool bundle,
                                   Tag tag) {
  RingState::Operation operation{RingState::Kind::recv, tag, socket};
  operation.buffer_group = buffer_group;
  operation.flag = bundle;
  state_->add(std::move(operation));
}

void SimulatedRing::send_now(Descriptor socket, const void* data, std::size_t size, Tag tag) {
  state_->add({RingState::Kind::send_now, tag, socket, data, size});
}

void SimulatedRing::send_all(Descriptor socket, const void* data, std::size_t size, Tag tag) {
  state_->add({RingState::Kind::send_all, tag, socket, data, size});
}

void SimulatedRing::close(Descriptor descriptor, Tag tag) {
  state_->add({RingState::Kind::close, tag, descriptor});
}

void SimulatedRing::shutdown(Descriptor socket, int how, Tag tag) {
  GP_CHECK(how == SHUT_WR);
  state_->add({RingState::Kind::shutdown, tag, socket});
}

void SimulatedRing::cancel(Tag target, Tag tag) {
  RingState::Operation operation{RingState::Kind::cancel, tag, {}};
  operation.target = target;
  state_->add(std::move(operation));
}

void SimulatedRing::peer_name(Descriptor socket, sockaddr_storage* address,
                              std::uint32_t address_length, Tag tag) {
  RingState::Operation operation{RingState::Kind::peer_name, tag, socket};
  operation.address = address;
  operation.size = address_length;
  state_->add(std::move(operation));
}

void SimulatedRing::timeout(const __kernel_timespec* duration, Tag tag) {
  RingState::Operation operation{RingState::Kind::timeout, tag, {}};
  operation.duration = static_cast<SimulatedNs>(duration->tv_sec) * second +
                       static_cast<SimulatedNs>(duration->tv_nsec);
  state_->add(std::move(operation));
}

void SimulatedRing::poll_multishot(int fd, Tag tag) {
  state_->add({RingState::Kind::poll, tag, {fd, false}});
}

bool SimulatedRing::submitted_all() const {
  return state_->submitted_all();
}

int SimulatedRing::register_buffers(io_uring_buf_reg& registration) {
  const HeapScope scope(nullptr);
  return state_->register_buffers(registration);
}

void SimulatedRing::unregister_buffers(std::uint16_t group) {
  const HeapScope scope(nullptr);
  state_->unregister_buffers(group);
}

bool SimulatedRing::peer_of(int socket, sockaddr_storage& address) {
  const std::shared_ptr<Socket> found = kernel().socket(socket);
  if (found == nullptr || !found->connected()) return false;
  address = found->address();
  return true;
}

void SimulatedRing::stop_listening(int listener) {
  const HeapScope scope(nullptr);
  kernel().network().stop(*kernel().listener(listener));
}

void SimulatedRing::enter(bool wait) {
  ++enter_count_;
  const HeapScope scope(nullptr);
  state_->enter(wait);
}

bool SimulatedRing::next_completion(Completion& completion) {
  const HeapScope scope(nullptr);
  return state_->next_completion(completion);
}

}  // namespace gatepost::simulation
