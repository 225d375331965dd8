// How a simulated ring receives and sends.

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ring/kernel_abi.hpp"
#include "simulation/ring_state.hpp"

namespace gatepost::simulation {
namespace {

constexpr std::uint32_t buffer_more_flag = 1u << 4;  // IORING_CQE_F_BUF_MORE

}  // namespace

// --- Receiving -----------------------------------------------------------------------------------

int RingState::register_buffers(const io_uring_buf_reg& registration) {
  BufferGroup group;
  group.shared = reinterpret_cast<io_uring_buf_ring*>(registration.ring_addr);
  group.entries = static_cast<std::uint16_t>(registration.ring_entries);
  group.incremental = (registration.pad & ring::abi::pbuf_ring_inc) != 0;
  groups_[registration.bgid] = group;
  return 0;
}

void RingState::unregister_buffers(std::uint16_t group) {
  groups_.erase(group);
}

std::size_t RingState::provided(const BufferGroup& group) const {
  return static_cast<std::uint16_t>(group.shared->tail - group.head);
}

// Whoever still uses the octets of a buffer that was given to the kernel finds out.
void RingState::scribble(BufferGroup& group) const {
  for (; group.seen_tail != group.shared->tail; ++group.seen_tail) {
    const io_uring_buf& buffer = group.shared->bufs[group.seen_tail & (group.entries - 1)];
    std::memset(reinterpret_cast<void*>(buffer.addr), '~', buffer.len);
  }
}

// Takes octets into the next buffer, or several of them. Returns how many; sets the buffer's flags.
std::size_t RingState::fill(BufferGroup& group, Socket& socket, bool bundle, std::uint32_t& flags) {
  Faults& faults = kernel().faults();
  std::size_t wanted = socket.received();
  if (faults.strikes(Fault::split_read, socket.client()))
    wanted = faults.random(Fault::split_read).between(1, wanted);
  io_uring_buf* buffer = &group.shared->bufs[group.head & (group.entries - 1)];
  flags |= IORING_CQE_F_BUFFER | (std::uint32_t{buffer->bid} << IORING_CQE_BUFFER_SHIFT);
  std::size_t taken = 0;
  do {
    buffer = &group.shared->bufs[group.head & (group.entries - 1)];
    const std::size_t size = std::min<std::size_t>(wanted - taken, buffer->len);
    socket.take(reinterpret_cast<std::uint8_t*>(buffer->addr), size);
    taken += size;
    if (group.incremental) {
      buffer->addr += size;
      buffer->len -= static_cast<std::uint32_t>(size);
      if (buffer->len > 0) {
        flags |= buffer_more_flag;
        return taken;
      }
    }
    ++group.head;
  } while (bundle && taken < wanted && provided(group) > 0);
  return taken;
}

bool RingState::attempt_recv(Operation& operation) {
  SimulatedKernel& k = kernel();
  Socket& socket = *operation.socket;
  for (unsigned count = 0; count < completions_at_once; ++count) {
    if (socket.received() == 0) {
      if (socket.error() != 0) {
        k.record().trace("recv error", socket.client(), socket.number());
        post(operation.tag, -socket.error());
        return false;
      }
      if (socket.ended()) {
        k.record().trace("recv end", socket.client(), socket.number());
        post(operation.tag, 0);
        return false;
      }
      return true;
    }
    BufferGroup& group = groups_.at(operation.buffer_group);
    scribble(group);
    if (provided(group) == 0 || k.faults().strikes(Fault::no_buffers, socket.client())) {
      k.record().trace("recv no buffer", socket.client(), socket.number());
      socket.excuse();
      post(operation.tag, -ENOBUFS);
      return false;
    }
    std::uint32_t flags = more_flag;
    const std::size_t there = socket.received();
    const std::size_t taken = fill(group, socket, operation.flag, flags);
    if (taken < there) socket.excuse();  // no answer is due before the rest has come
    if (socket.received() > 0 || socket.ended()) flags |= IORING_CQE_F_SOCK_NONEMPTY;
    const bool ends = k.faults().strikes(Fault::multishot_ends, socket.client());
    if (ends) flags &= ~more_flag;
    k.record().trace("received", socket.client(), taken);
    socket.handed(loop_);
    post(operation.tag, static_cast<std::int32_t>(taken), flags);
    if (ends) return false;
  }
  return true;
}

// --- Sending -------------------------------------------------------------------------------------

void RingState::start_send_now(const Operation& operation) {
  const std::shared_ptr<Socket> socket = find(operation.descriptor);
  if (socket == nullptr) {
    post(operation.tag, -EBADF);
    return;
  }
  if (loop_ <= refused_until_loop_) socket->excuse();
  socket->answered(loop_, loops_borne);
  const std::ptrdiff_t sent = socket->send(operation.data, operation.size);
  // Completes only when not all of it went out.
  if (sent == static_cast<std::ptrdiff_t>(operation.size)) return;
  kernel().record().trace("send short", socket->client(), static_cast<std::uint64_t>(sent));
  post(operation.tag, static_cast<std::int32_t>(sent));
}

bool RingState::attempt_send(Operation& operation) {
  while (operation.sent < operation.size) {
    const std::ptrdiff_t sent =
        operation.socket->send(static_cast<const std::uint8_t*>(operation.data) + operation.sent,
                               operation.size - operation.sent);
    if (sent == -EAGAIN) return true;
    if (sent < 0) {
      post(operation.tag, operation.sent > 0 ? static_cast<std::int32_t>(operation.sent)
                                             : static_cast<std::int32_t>(sent));
      return false;
    }
    operation.sent += static_cast<std::size_t>(sent);
  }
  post(operation.tag, static_cast<std::int32_t>(operation.sent));
  return false;
}

}  // namespace gatepost::simulation
