// The fields that stand on top of an accepted message: Received and Return-Path (RFC 5321 §4.4).
//
// Received: from client.test ([192.0.2.9])
//         by mx.example.org (Gatepost) with ESMTP id 0A1B2C3D4E5F6G7H
//         for <u@example.org>; Mon, 23 Nov 2026 23:12:36 +0000
//
// Lines are folded at 78 octets where a token allows it, and never reach 998 (RFC 5322 §2.1.1).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include "base/bounds.hpp"
#include "base/clock.hpp"
#include "smtp/path.hpp"

namespace gatepost::smtp {

// "Mon, 23 Nov 2026 23:12:36 +0000" (RFC 5322 §3.3).
constexpr std::size_t date_time_length = 31;

// The date of a moment in local time with its numeric zone (R5321-4.4-10). One per shard, on its
// thread: the zone is asked for once a second.
class DateTimeWriter {
 public:
  // Valid until the next call.
  std::string_view text(WallUs now);

 private:
  std::time_t second_ = -1;
  std::array<char, date_time_length> text_{};
};

// What one Received field tells. Views are used during the call only.
struct TraceFields {
  std::string_view helo;                        // GreetingArgument::name; not empty
  std::array<std::uint8_t, 16> peer_address{};  // of the socket; IPv4 as ::ffff:a.b.c.d
  std::string_view protocol;                    // "SMTP", "ESMTP", "UTF8SMTP", ... (RFC 3848)
  std::string_view id;                          // an atom
  // Canonical mailbox of the only recipient; empty when there are several (R5321-4.4-08,
  // R5321-7.6-01).
  std::string_view only_recipient;
  WallUs received_at = 0;
  bool smtputf8 =
      false;  // MAIL had SMTPUTF8: domains as U-labels; else nothing but ASCII (UTF8-13, UTF8-14)
};

constexpr std::size_t software_length_max = 64;
constexpr std::size_t trace_protocol_length_max = 16;
constexpr std::size_t trace_id_length_max = 64;

// The longest Received field: each token at its longest, and a fold in front of each.
constexpr std::size_t received_field_size_max =
    std::string_view("Received: from ").size() + bounds::domain_length_max +
    std::string_view("()").size() + address_literal_text_max +      //
    std::string_view("by ").size() + bounds::domain_length_max +    //
    std::string_view("()").size() + software_length_max +           //
    std::string_view("with ").size() + trace_protocol_length_max +  //
    std::string_view("id ").size() + trace_id_length_max +          //
    std::string_view("for <>;").size() + mailbox_length_max +       //
    date_time_length + 11 * std::string_view("\r\n\t").size();
constexpr std::size_t return_path_size_max =
    std::string_view("Return-Path: <>\r\n").size() + mailbox_length_max;
static_assert(received_field_size_max <= 1200);
static_assert(return_path_size_max < 998);

using ReceivedBuffer = std::array<char, received_field_size_max>;
using ReturnPathBuffer = std::array<char, return_path_size_max>;

// Writes trace fields for one shard, on its thread. Allocates only for an internationalised domain
// (libidn2).
class TraceWriter {
 public:
  // hostname: ours, an ASCII domain (checked). software: what the comment behind it says, at most
  // software_length_max printable ASCII octets without parentheses and backslash (checked); empty:
  // no comment.
  TraceWriter(std::string_view hostname, std::string_view software);

  // The whole Received field with its CRLF, in `buffer`. Lengths are checked: they are bounded by
  // what the session accepted.
  std::string_view write_received(const TraceFields& fields, ReceivedBuffer& buffer);

 private:
  std::string hostname_;
  std::string unicode_hostname_;
  std::string software_;
  DateTimeWriter date_;
};

// The whole Return-Path line with its CRLF, in `buffer`. reverse_path: canonical mailbox without
// angle brackets; empty for the null reverse-path.
std::string_view write_return_path(std::string_view reverse_path, ReturnPathBuffer& buffer);

// Writes `domain` in lower case with its A-labels as U-labels to `out`. Returns the length; or 0
// when it has none, when one is no valid A-label, or when the result would be longer than a domain
// may be.
std::size_t unicode_domain(std::string_view domain,
                           std::array<char, bounds::domain_length_max + 1>& out);

}  // namespace gatepost::smtp
