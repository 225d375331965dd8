#include "base/bounds.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "base/message_id.hpp"

namespace gatepost::bounds {
namespace {

// A bound that is not a constant expression would not compile as the size of an array: memory is
// sized by bounds before the first peer connects.
template <std::size_t... bounds>
constexpr bool all_static = (... && (sizeof(std::array<char, bounds>) == bounds));

TEST(Bounds, are_static) {
  static_assert(all_static<local_part_length_max, domain_length_max, domain_label_length_max,
                           path_length_max, reply_line_length_max, recipients_min,
                           command_line_length_max, discarded_line_length_max, esmtp_parameters_max,
                           pending_reply_bytes_max, receive_buffer_size_min,
                           receive_buffer_size_max, receive_buffers_max, message_id_length>);
}

TEST(Bounds, no_bound_is_below_what_the_rfc_obliges_to_take) {
  static_assert(local_part_length_max >= 64);     // §4.5.3.1.1
  static_assert(domain_length_max >= 255);        // §4.5.3.1.2
  static_assert(path_length_max >= 256);          // §4.5.3.1.3
  static_assert(command_line_length_max >= 512);  // §4.5.3.1.4
  static_assert(recipients_min >= 100);           // §4.5.3.1.8
  static_assert(domain_label_length_max == 63);   // RFC 1035 §2.3.4
  static_assert(domain_label_length_max < domain_length_max);
}

// Here the RFC bounds what we send, not what we take.
TEST(Bounds, R5321_4_5_3_1_5_01_replies_are_no_longer_than_512_octets) {
  static_assert(reply_line_length_max <= 512);
}

// io_uring numbers the buffers of a ring by 16 bits and wants their count to be a power of two
// (io_uring_register_buf_ring(3)); their sizes have 32 bits.
TEST(Bounds, receive_buffers_are_what_a_buffer_ring_can_hold) {
  static_assert(receive_buffers_max - 1 <= std::numeric_limits<std::uint16_t>::max());
  static_assert((receive_buffers_max & (receive_buffers_max - 1)) == 0);
  static_assert(receive_buffer_size_min <= receive_buffer_size_max);
  static_assert(receive_buffer_size_max <= std::numeric_limits<std::uint32_t>::max());
}

TEST(Bounds, a_message_id_holds_as_many_characters_as_its_bound_says) {
  static_assert(sizeof(MessageId) == message_id_length);
  EXPECT_EQ(MessageId{}.view().size(), message_id_length);
}

}  // namespace
}  // namespace gatepost::bounds
