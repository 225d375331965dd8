// io_uring as far as a shard uses it, over the simulated network: the interface of ring::Ring.
//
// Faithful where a shard could trip: submissions take effect with the next wait (or when the queue
// is full), work is done only inside of wait() (DEFER_TASKRUN), octets of send_now are read at
// submission and those of send_all later, a shutdown looks its descriptor up only when a worker
// comes to it, sockets live on while an operation holds them, and the kernel may write into a
// provided buffer from the moment it stands in the buffer ring.
#pragma once

#include <liburing.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "ring/completion.hpp"

namespace gatepost::simulation {

class RingState;

class SimulatedRing {
 public:
  using Tag = ring::Tag;
  using Descriptor = ring::Descriptor;
  using Completion = ring::Completion;

  struct Options {
    std::uint32_t submission_entries = 4096;
    std::uint32_t completion_entries = 32768;
    std::uint32_t direct_descriptors = 0;
  };

  static Result<std::unique_ptr<SimulatedRing>> create(const Options& options);
  ~SimulatedRing();
  SimulatedRing(const SimulatedRing&) = delete;
  SimulatedRing& operator=(const SimulatedRing&) = delete;

  void accept_multishot(int listener, bool direct, Tag tag);
  void recv_multishot(Descriptor socket, std::uint16_t buffer_group, bool bundle, Tag tag);
  void send_now(Descriptor socket, const void* data, std::size_t size, Tag tag);
  void send_all(Descriptor socket, const void* data, std::size_t size, Tag tag);
  void close(Descriptor descriptor, Tag tag);
  void shutdown(Descriptor socket, int how, Tag tag);
  void cancel(Tag target, Tag tag);
  void peer_name(Descriptor socket, sockaddr_storage* address, std::uint32_t address_length,
                 Tag tag);
  void timeout(const __kernel_timespec* duration, Tag tag);
  void poll_multishot(int fd, Tag tag);

  template <class Handle>
  int wait(bool wait, unsigned most, Handle&& handle) {
    enter(wait);
    unsigned handled = 0;
    Completion completion;
    while (handled < most && next_completion(completion)) {
      ++handled;
      handle(completion);
    }
    return static_cast<int>(handled);
  }
  bool submitted_all() const;

  int register_buffers(io_uring_buf_reg& registration);
  void unregister_buffers(std::uint16_t group);
  static bool peer_of(int socket, sockaddr_storage& address);
  static void stop_listening(int listener);
  std::uint64_t enter_count() const { return enter_count_; }
  std::uint64_t overflow_count() const { return 0; }  // the queue takes all there can be

  // --- For the kernel, when the process goes ---
  // Peers of sockets that only rings hold are not told.
  static void vanish_all();
  static void destroy_all();

  // --- For the simulator's checks ---
  // Of all rings of the process.
  struct Load {
    std::size_t operations = 0;  // in flight, but for accepts and polls
    std::size_t timeouts = 0;
    std::size_t direct_descriptors = 0;
  };
  static Load load();
  // How many submission entries rings that are made from now on have; 0: what they ask for.
  static void limit_submissions(std::uint32_t entries);

 private:
  explicit SimulatedRing(std::shared_ptr<RingState> state) : state_(std::move(state)) {}
  void enter(bool wait);
  bool next_completion(Completion& completion);

  std::shared_ptr<RingState> state_;
  std::uint64_t enter_count_ = 0;
};

}  // namespace gatepost::simulation
