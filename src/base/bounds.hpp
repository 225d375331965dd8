// Every bound of the gateway that is not a flag, in one place, with the relations between them
// asserted. Flags (message size, connections, timeouts, ...) have their defaults in
// config/config.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatepost::bounds {

// RFC 5321 §4.5.3.1.
constexpr std::size_t local_part_length_max = 64;
constexpr std::size_t domain_length_max = 255;
constexpr std::size_t domain_label_length_max = 63;  // RFC 1035 §2.3.4
constexpr std::size_t path_length_max = 256;         // with its angle brackets
constexpr std::size_t reply_line_length_max = 512;   // with CRLF
constexpr std::size_t recipients_min = 100;          // no configuration may go below (§4.5.3.1.8)

// One command line with CRLF. The RFC asks for 512 plus what the extensions add (under 1,400 in
// all).
constexpr std::size_t command_line_length_max = 4096;
// A line without an end beyond this closes the connection (D06); below it the line is dropped up to
// its CRLF.
constexpr std::size_t discarded_line_length_max = 64 * 1024;
// Parameters looked at in one MAIL or RCPT; more are refused without reading on (D13).
constexpr std::size_t esmtp_parameters_max = 32;

// Replies that wait for a slow reader before its connection is no longer read (E10).
constexpr std::size_t pending_reply_bytes_max = 64 * 1024;

// What one receive buffer's content can be split into at most, per call of the session.
constexpr std::size_t receive_buffer_size_min = 4096;
constexpr std::size_t receive_buffer_size_max = 1024 * 1024;
constexpr std::size_t receive_buffers_max = 32768;  // the kernel's limit for one buffer ring

// Message ids are 16 characters (base/message_id.hpp).
constexpr std::size_t message_id_length = 16;

static_assert(path_length_max >= domain_length_max + 1);
static_assert(command_line_length_max >= 1400);
static_assert(command_line_length_max >= 2 * (path_length_max + domain_length_max));
static_assert(discarded_line_length_max > command_line_length_max);
static_assert(pending_reply_bytes_max >= reply_line_length_max);

}  // namespace gatepost::bounds
