// The kernel's side of one simulated ring. Its functions are in ring_state.cpp (submissions, what
// waits, descriptors) and ring_transfer.cpp (receiving and sending).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "simulation/simulated_kernel.hpp"
#include "simulation/simulated_ring.hpp"

namespace gatepost::simulation {

// A multishot operation yields after so many completions (MULTISHOT_MAX_RETRY).
constexpr unsigned completions_at_once = 32;
constexpr std::uint32_t more_flag = IORING_CQE_F_MORE;
// How many loops a reply may take while nothing excuses it: the one in which its command came, and
// the next.
constexpr std::uint64_t loops_borne = 2;

class RingState final : public ReadinessWatcher,
                        public WakeupWatcher,
                        public std::enable_shared_from_this<RingState> {
 public:
  enum class Kind : std::uint8_t {
    accept,
    recv,
    send_now,
    send_all,
    close,
    shutdown,
    cancel,
    peer_name,
    timeout,
    poll
  };
  struct Operation {
    Kind kind;
    ring::Tag tag;
    ring::Descriptor descriptor{};
    const void* data = nullptr;
    std::size_t size = 0;
    std::size_t sent = 0;
    std::uint16_t buffer_group = 0;
    bool flag = false;   // accept: direct; recv: bundle
    ring::Tag target{};  // of a cancel
    sockaddr_storage* address = nullptr;
    SimulatedNs duration = 0;
    // Once submitted.
    std::shared_ptr<Socket> socket{};
    std::shared_ptr<Listener> listener{};
    bool cancelled = false;
    bool queued = false;  // for task work
  };

  explicit RingState(const SimulatedRing::Options& options);

  void add(Operation operation);
  void enter(bool wait);
  bool next_completion(ring::Completion& completion);
  bool submitted_all() const { return submissions_.empty(); }
  int register_buffers(const io_uring_buf_reg& registration);
  void unregister_buffers(std::uint16_t group);
  void vanish();
  // All operations are given up, as when the ring's descriptor is closed.
  void destroy();
  void count(SimulatedRing::Load& load) const;

  void readable(std::uint64_t operation) override { make_ready(operation); }
  void writable(std::uint64_t operation) override { make_ready(operation); }
  void signalled() override;

 private:
  struct BufferGroup {
    io_uring_buf_ring* shared = nullptr;
    std::uint16_t entries = 0;
    std::uint16_t head = 0;
    std::uint16_t seen_tail = 0;
    bool incremental = false;
  };
  using Operations = std::map<std::uint64_t, Operation>;

  void submit(bool all);
  void start(Operation operation);
  std::shared_ptr<Socket> find(ring::Descriptor descriptor) const;
  void make_ready(std::uint64_t operation);
  void run_task_work();
  bool attempt(std::uint64_t number, Operation& operation);
  bool attempt_accept(Operation& operation);
  bool attempt_recv(Operation& operation);
  bool attempt_send(Operation& operation);
  bool attempt_poll(Operation& operation);
  void start_send_now(const Operation& operation);
  void start_cancel(const Operation& operation);
  void start_shutdown(const Operation& operation);
  void start_close(const Operation& operation);
  void end_operation(Operations::iterator place);
  void end_socket_watch(const Operation& operation);
  std::int32_t install(std::shared_ptr<Socket> socket, bool direct);
  void post(ring::Tag tag, std::int32_t result, std::uint32_t flags = 0);
  void scribble(BufferGroup& group) const;
  std::size_t provided(const BufferGroup& group) const;
  std::size_t fill(BufferGroup& group, Socket& socket, bool bundle, std::uint32_t& flags);

  const std::uint32_t entries_;
  std::deque<Operation> submissions_;
  std::deque<ring::Completion> completions_;
  Operations operations_;
  std::uint64_t next_operation_ = 1;
  std::vector<std::uint64_t> ready_;
  std::map<std::uint16_t, BufferGroup> groups_;
  std::vector<std::shared_ptr<Socket>> direct_;
  std::uint64_t waiting_fiber_ = 0;
  std::uint64_t loop_ = 0;
  std::uint64_t refused_until_loop_ = 0;  // submissions were held up by the kernel
  bool destroyed_ = false;
};

}  // namespace gatepost::simulation
