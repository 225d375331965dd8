// The hard caps of the load generator, in one place. No flag goes beyond them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatepost::load::limits {

constexpr std::uint64_t threads_max = 64;
constexpr std::uint64_t connections_max = 100'000;
constexpr std::uint64_t messages_max = 1'000'000'000;
constexpr std::uint64_t duration_seconds_max = 24 * 3600;
constexpr std::uint64_t rate_max = 10'000'000;
constexpr std::uint64_t message_size_max = 256u << 20;
constexpr std::uint64_t chunk_size_min = 1;
constexpr std::uint64_t chunks_max = 65'536;
constexpr std::uint64_t recipients_per_message_max = 1000;
constexpr std::uint64_t mailboxes_max = 1'000'000;
constexpr std::uint64_t source_addresses_max = 250;

// RFC 5321 §4.5.3.1.5 gives a reply line 512 octets; what is twice as long is not SMTP.
constexpr std::size_t reply_line_length_max = 1024;
// Lines of one reply: an EHLO answer has some twenty.
constexpr unsigned reply_lines_max = 256;

// What one sendmsg(2) carries at most. A body goes out in steps of this, so that the moment at
// which the end of data leaves is known, and progress is seen.
constexpr std::size_t send_octets_max = 256 * 1024;
constexpr std::size_t send_pieces_max = 16;

// Connections that wait for their greeting at a time, per thread: a listener's backlog is short.
constexpr std::uint32_t connecting_max = 128;

constexpr std::uint32_t receive_buffer_count = 1024;
constexpr std::uint32_t receive_buffer_size = 4096;

static_assert(receive_buffer_size >= 512);

}  // namespace gatepost::load::limits
