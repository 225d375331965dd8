#include "ring/ring.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ring/kernel_abi.hpp"

namespace gatepost::ring {
namespace {

// io_uring_setup(2): SINGLE_ISSUER and DEFER_TASKRUN run completions only inside our own wait(),
// which is what halves the cost of small exchanges. CLAMP takes what the kernel allows. SUBMIT_ALL
// goes on behind a submission that fails at once, so that one bad send never delays another
// connection.
constexpr unsigned setup_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL;

std::string setup_remedy(int error) {
  switch (error) {
    case ENOSYS:
      return "io_uring is missing from this kernel or hidden by a seccomp filter: Linux 6.1 or "
             "newer is needed; in a container allow io_uring_setup, io_uring_enter and "
             "io_uring_register";
    case EPERM:
    case EACCES:
      return "io_uring is forbidden here: set the sysctl kernel.io_uring_disabled to 0 (or 1 with "
             "this process in kernel.io_uring_group), and allow io_uring_setup, io_uring_enter and "
             "io_uring_register in the seccomp profile";
    case EINVAL:
      return "this kernel's io_uring is too old: Linux 6.1 or newer is needed";
    case ENOMEM:
      return "not enough locked memory for io_uring: raise RLIMIT_MEMLOCK (systemd: LimitMEMLOCK=)";
    case EMFILE:
    case ENFILE:
      return "no file descriptor is left for io_uring: raise RLIMIT_NOFILE (systemd: LimitNOFILE=)";
    default:
      return std::string("io_uring_setup: ") + std::strerror(error);
  }
}

void target(io_uring_sqe* sqe, Descriptor descriptor) {
  if (descriptor.direct) sqe->flags |= IOSQE_FIXED_FILE;
}

// Registers a one-buffer ring with `flags` and takes it away again.
bool buffer_ring_accepts(io_uring& native, unsigned flags) {
  void* memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (memory == MAP_FAILED) return false;
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
  registration.ring_entries = 1;
  registration.bgid = 9;
  registration.pad = static_cast<std::uint16_t>(flags);  // the field is named `flags` since 6.12
  bool accepted = io_uring_register_buf_ring(&native, &registration, 0) == 0;
  if (accepted) io_uring_unregister_buf_ring(&native, 9);
  munmap(memory, 4096);
  return accepted;
}

// IORING_FEAT_RECVSEND_BUNDLE tells of bundles (io_uring_setup(2), Linux 6.10).
bool has_bundles(const io_uring& native) {
  return (native.features & abi::feat_recvsend_bundle) != 0;
}

bool has_socket_commands(Ring& ring) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  int type = 0;
  io_uring_sqe* sqe = io_uring_get_sqe(ring.native());
  abi::prepare_getsockopt(sqe, fd, SOL_SOCKET, SO_TYPE, &type, sizeof type);
  bool works = false;
  ring.wait(true, 1, [&](const Completion& c) { works = c.result >= 0 && type == SOCK_STREAM; });
  ::close(fd);
  return works;
}

}  // namespace

Result<std::unique_ptr<Ring>> Ring::create(const Options& options) {
  std::unique_ptr<Ring> ring(new Ring);
  io_uring_params params{};
  params.flags = setup_flags;
  params.cq_entries = options.completion_entries;
  int result = io_uring_queue_init_params(options.submission_entries, &ring->ring_, &params);
  if (result < 0) return Error{setup_remedy(-result)};
  ring->created_ = true;
  io_uring_register_ring_fd(&ring->ring_);
  if (options.direct_descriptors > 0) {
    result = io_uring_register_files_sparse(&ring->ring_, options.direct_descriptors);
    if (result == -EMFILE)
      return Error{"a table of " + std::to_string(options.direct_descriptors) +
                   " direct descriptors is over RLIMIT_NOFILE: raise it (systemd: LimitNOFILE=) or "
                   "lower --max-connections"};
    if (result < 0) return Error{std::string("direct descriptors: ") + std::strerror(-result)};
  }
  return ring;
}

Result<Features> Ring::probe() {
  Options options;
  options.submission_entries = 8;
  options.completion_entries = 32;
  auto created = create(options);
  if (!created) return Error{created.error()};
  Ring& ring = *created.value();
  // A seccomp filter may let the set-up through and refuse what comes after it.
  io_uring_prep_nop(io_uring_get_sqe(&ring.ring_));
  if (const int waited = ring.wait(true, 1, [](const Completion&) {}); waited < 0)
    return Error{"io_uring_enter fails: " + setup_remedy(-waited)};
  if (const int registered = io_uring_register_files_sparse(&ring.ring_, 1); registered < 0)
    return Error{"io_uring_register fails: " + setup_remedy(-registered)};
  Features features;
  features.recv_bundle = has_bundles(ring.ring_);
  features.incremental_buffers = buffer_ring_accepts(ring.ring_, abi::pbuf_ring_inc);
  features.socket_commands = has_socket_commands(ring);
  return features;
}

Ring::~Ring() {
  if (created_) io_uring_queue_exit(&ring_);
}

io_uring_sqe* Ring::next() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    // The queue is full: hand it over without waiting. Completions stay in their own queue.
    int result = io_uring_submit(&ring_);
    ++enter_count_;
    GP_CHECK(result >= 0 || result == -EINTR || result == -EBUSY || result == -EAGAIN);
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

int Ring::enter(bool wait) {
  ++enter_count_;
  // Not waiting still asks for events: with DEFER_TASKRUN that is what runs the gathered work.
  int result = wait ? io_uring_submit_and_wait(&ring_, 1) : io_uring_submit_and_get_events(&ring_);
  if (result < 0 && result != -EINTR && result != -EBUSY && result != -EAGAIN) return result;
  return 0;
}

std::uint64_t Ring::overflow_count() const {
  return *ring_.cq.koverflow;
}

void Ring::accept_multishot(int listener, bool direct, Tag tag) {
  io_uring_sqe* sqe = next();
  if (direct)
    io_uring_prep_multishot_accept_direct(sqe, listener, nullptr, nullptr, 0);
  else
    io_uring_prep_multishot_accept(sqe, listener, nullptr, nullptr, SOCK_CLOEXEC);
  io_uring_sqe_set_data64(sqe, tag.pack());
}

void Ring::recv_multishot(Descriptor socket, std::uint16_t buffer_group, bool bundle, Tag tag) {
  io_uring_sqe* sqe = next();
  io_uring_prep_recv_multishot(sqe, socket.number, nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = buffer_group;
  if (bundle) sqe->ioprio |= abi::recvsend_bundle;
  target(sqe, socket);
  io_uring_sqe_set_data64(sqe, tag.pack());
}

void Ring::send_now(Descriptor socket, const void* data, std::size_t size, Tag tag) {
  io_uring_sqe* sqe = next();
  // MSG_DONTWAIT: fails with -EAGAIN in place of waiting, so that the octets are free after the
  // submission whatever happens. MSG_WAITALL: a short send counts as a failure, so that
  // CQE_SKIP_SUCCESS hides only whole ones (io_uring_enter(2)).
  io_uring_prep_send(sqe, socket.number, data, size, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
  target(sqe, socket);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, tag.pack());
}

void Ring::send_all(Descriptor socket, const void* data, std::size_t size, Tag tag) {
  io_uring_sqe* sqe = next();
  io_uring_prep_send(sqe, socket.number, data, size, MSG_NOSIGNAL | MSG_WAITALL);
  target(sqe, socket);
  io_uring_sqe_set_data64(sqe, tag.pack());
}

void Ring::send_vector(Descriptor socket, const msghdr* message, Tag tag) {
  io_uring_sqe* sqe = next();
  io_uring_prep_sendmsg(sqe, socket.number, message, MSG_NOSIGNAL | MSG_WAITALL);
  target(sqe, socket);
  io_uring_sqe_set_data64(sqe, tag.pack());
}

void Ring::close(Descriptor descriptor, Tag tag) {
  io_uring_sqe* sqe = next();
  if (descriptor.direct)
    io_uring_prep_close_direct(sqe, static_cast<unsigned>(descriptor.number));
  else
    io_uring_prep_close(sqe, descriptor.number);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, tag.pack());
}

void Ring::shutdown(Descriptor socket, int how, Tag tag) {
  io_uring_sqe* sqe = next();
  io_uring_prep_shutdown(sqe, socket.number, how);
  target(sqe, socket);
  io_uring_sqe_set_data64(sqe, tag.pack());
}

void Ring::cancel(Tag cancelled, Tag tag) {
  io_uring_sqe* sqe = next();
  io_uring_prep_cancel64(sqe, cancelled.pack(), 0);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, tag.pack());
}

void Ring::peer_name(Descriptor socket, sockaddr_storage* address, std::uint32_t address_length,
                     Tag tag) {
  io_uring_sqe* sqe = next();
  abi::prepare_getsockopt(sqe, socket.number, SOL_SOCKET, SO_PEERNAME, address, address_length);
  target(sqe, socket);
  io_uring_sqe_set_data64(sqe, tag.pack());
}

void Ring::connect(Descriptor socket, const sockaddr* address, socklen_t length, Tag tag) {
  io_uring_sqe* sqe = next();
  io_uring_prep_connect(sqe, socket.number, address, length);
  target(sqe, socket);
  io_uring_sqe_set_data64(sqe, tag.pack());
}

void Ring::timeout(const __kernel_timespec* duration, Tag tag) {
  io_uring_sqe* sqe = next();
  io_uring_prep_timeout(sqe, const_cast<__kernel_timespec*>(duration), 0, 0);
  io_uring_sqe_set_data64(sqe, tag.pack());
}

void Ring::poll_multishot(int fd, Tag tag) {
  io_uring_sqe* sqe = next();
  io_uring_prep_poll_multishot(sqe, fd, POLLIN);
  io_uring_sqe_set_data64(sqe, tag.pack());
}

}  // namespace gatepost::ring
