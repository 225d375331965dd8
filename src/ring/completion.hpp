// What goes into a ring and comes out of it, whoever runs the ring.
#pragma once

#include <liburing.h>

#include <cstdint>

namespace gatepost::ring {

// What the running kernel offers; found out once at start by trying.
struct Features {
  bool recv_bundle = false;          // one completion for several buffers (Linux 6.10)
  bool incremental_buffers = false;  // several completions from one buffer (Linux 6.12)
  bool socket_commands =
      false;  // getsockopt through the ring (Linux 6.7): peers of direct descriptors
  bool multishot_timeout = false;  // Linux 6.4
};

// A socket or file as the ring names it: a number of the process, or one of the ring's own table.
struct Descriptor {
  std::int32_t number = -1;
  bool direct = false;
};

// 64 bits that name an operation: what it is, for which slot, and which user of the slot.
struct Tag {
  std::uint8_t operation = 0;
  std::uint32_t generation = 0;  // 24 bits
  std::uint32_t slot = 0;

  std::uint64_t pack() const {
    return (std::uint64_t{operation} << 56) | (std::uint64_t{generation & 0xffffff} << 32) | slot;
  }
  static Tag unpack(std::uint64_t value) {
    return {static_cast<std::uint8_t>(value >> 56),
            static_cast<std::uint32_t>(value >> 32) & 0xffffff, static_cast<std::uint32_t>(value)};
  }
};

struct Completion {
  Tag tag;
  std::int32_t result = 0;  // >= 0, or a negated errno
  std::uint32_t flags = 0;
  bool more() const { return (flags & IORING_CQE_F_MORE) != 0; }  // a multishot goes on
  // More octets were in the socket than the receive took.
  bool socket_not_empty() const { return (flags & IORING_CQE_F_SOCK_NONEMPTY) != 0; }
  bool has_buffer() const { return (flags & IORING_CQE_F_BUFFER) != 0; }
  std::uint16_t buffer_id() const {
    return static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
  }
};

}  // namespace gatepost::ring
