// Constants and layouts of kernels newer than Debian 12's headers (include/uapi/linux/io_uring.h).
// They are part of the kernel's stable interface; whether the running kernel knows them is found
// out by trying.
#pragma once

#include <liburing.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

namespace gatepost::ring::abi {

constexpr unsigned recvsend_bundle = 1u << 4;        // IORING_RECVSEND_BUNDLE, 6.10
constexpr unsigned feat_recvsend_bundle = 1u << 14;  // IORING_FEAT_RECVSEND_BUNDLE, 6.10
constexpr unsigned pbuf_ring_inc = 2;                // IOU_PBUF_RING_INC, 6.12
constexpr unsigned socket_op_getsockopt = 2;         // SOCKET_URING_OP_GETSOCKOPT, 6.7

// Fills `sqe` for getsockopt(2) by IORING_OP_URING_CMD. In the submission entry the option's level
// and name stand where `addr` is (offset 16), its length where `file_index` is (44), its place
// where `addr3` is (48).
inline void prepare_getsockopt(io_uring_sqe* sqe, int fd, std::uint32_t level, std::uint32_t name,
                               void* value, std::uint32_t length) {
  static_assert(offsetof(io_uring_sqe, addr) == 16);
  static_assert(offsetof(io_uring_sqe, file_index) == 44);
  static_assert(offsetof(io_uring_sqe, addr3) == 48);
  io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, nullptr, 0, 0);
  sqe->cmd_op = socket_op_getsockopt;
  sqe->addr = level | (std::uint64_t{name} << 32);
  sqe->file_index = length;
  sqe->addr3 = reinterpret_cast<std::uint64_t>(value);
}

}  // namespace gatepost::ring::abi
