// io_uring behind a narrow front: what a shard submits and what comes back (io_uring(7)).
//
// One Ring per thread (SINGLE_ISSUER, DEFER_TASKRUN): created and used on the thread that waits on
// it. Submissions gather and go to the kernel with the next wait(). Each carries a Tag that comes
// back with its completions.
#pragma once

#include <liburing.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "ring/completion.hpp"

namespace gatepost::ring {

class Ring {
 public:
  struct Options {
    std::uint32_t submission_entries = 4096;
    std::uint32_t completion_entries = 32768;
    std::uint32_t direct_descriptors = 0;  // size of the ring's own table; 0: none
  };

  // Fails with one sentence that names the remedy (kernel too old, seccomp, io_uring_disabled,
  // RLIMIT_MEMLOCK, RLIMIT_NOFILE).
  static Result<std::unique_ptr<Ring>> create(const Options& options);
  // Tries the features on a ring of its own. Any thread.
  static Result<Features> probe();

  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // --- Submissions. Each names what completes it. ---
  // A completion per connection: the new descriptor (number of the process or of the table).
  void accept_multishot(int listener, bool direct, Tag tag);
  // A completion per arrival: octets and buffer. Ends (no more()) with 0 at the peer's FIN, with an
  // error, or with -ENOBUFS when the buffer ring is empty.
  void recv_multishot(Descriptor socket, std::uint16_t buffer_group, bool bundle, Tag tag);
  // Sends what fits at once. Completes only when not all of it did: with the octets sent or
  // with -EAGAIN or another error. `data` is not read any more once a wait() has returned.
  void send_now(Descriptor socket, const void* data, std::size_t size, Tag tag);
  // Sends all of it, waiting for room. Completes once; `data` must stay until then.
  void send_all(Descriptor socket, const void* data, std::size_t size, Tag tag);
  // The same for octets in several places (sendmsg(2)). `message` and all that it points to must
  // stay until the completion.
  void send_vector(Descriptor socket, const msghdr* message, Tag tag);
  // Completes only on error.
  void close(Descriptor descriptor, Tag tag);
  // Completes once. A kernel worker does it, and looks the descriptor up only then: it must not be
  // closed, and its number not be used again, before the completion.
  void shutdown(Descriptor socket, int how, Tag tag);
  // Cancels what was submitted with `target`; that operation completes with -ECANCELED. The cancel
  // itself completes only when there was nothing to cancel.
  void cancel(Tag target, Tag tag);
  // The peer of a connected socket into `address`; completes with its length. address_length: exact
  // size for the listener's family (sockaddr_in or sockaddr_in6).
  void peer_name(Descriptor socket, sockaddr_storage* address, std::uint32_t address_length,
                 Tag tag);
  void connect(Descriptor socket, const sockaddr* address, socklen_t length, Tag tag);
  // `duration` must stay until the completion (-ETIME).
  void timeout(const __kernel_timespec* duration, Tag tag);
  // Completes whenever fd is readable.
  void poll_multishot(int fd, Tag tag);

  // Hands over what gathered, and, when `wait` is set, waits for one completion at least. Then
  // calls handle(Completion) for each completion there is, at most `most` of them. Returns how
  // many, or a negated errno (not -EINTR, which counts as zero).
  template <class Handle>
  int wait(bool wait, unsigned most, Handle&& handle) {
    int result = enter(wait);
    if (result < 0) return result;
    unsigned handled = 0;
    unsigned head;
    io_uring_cqe* cqe;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      Completion completion{Tag::unpack(cqe->user_data), cqe->res, cqe->flags};
      ++handled;
      handle(completion);
      if (handled == most) break;
    }
    io_uring_cq_advance(&ring_, handled);
    return static_cast<int>(handled);
  }
  // Whether everything submitted has reached the kernel (so that buffers of send_now are free).
  bool submitted_all() const { return io_uring_sq_ready(&ring_) == 0; }

  // Makes the octets at `registration` known as a provided buffer ring, or takes it back
  // (io_uring_register_buf_ring(3)). Returns 0 or a negated errno.
  int register_buffers(io_uring_buf_reg& registration) {
    return io_uring_register_buf_ring(&ring_, &registration, 0);
  }
  void unregister_buffers(std::uint16_t group) { io_uring_unregister_buf_ring(&ring_, group); }

  // --- System calls on sockets that are never waited for, so that they need no submission ---
  // The peer of a connected socket of the process (getpeername(2)). False: it is gone already.
  static bool peer_of(int socket, sockaddr_storage& address) {
    socklen_t length = sizeof address;
    return getpeername(socket, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  }
  // From now on the kernel refuses whoever connects (shutdown(2) of a listening socket).
  static void stop_listening(int listener) { ::shutdown(listener, SHUT_RDWR); }

  int descriptor() const { return ring_.ring_fd; }
  io_uring* native() { return &ring_; }
  std::uint64_t enter_count() const { return enter_count_; }
  // Completions that the kernel had neither room nor memory for, and lost.
  std::uint64_t overflow_count() const;

 private:
  Ring() = default;
  int enter(bool wait);
  io_uring_sqe* next();

  io_uring ring_{};
  bool created_ = false;
  std::uint64_t enter_count_ = 0;
};

}  // namespace gatepost::ring
