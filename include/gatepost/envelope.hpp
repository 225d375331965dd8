// Who sends to whom, and where it came from: what a sink learns of a message beside its content.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/clock.hpp"
#include "base/message_id.hpp"

namespace gatepost {

enum class BodyType : std::uint8_t { unspecified, seven_bit, eight_bit_mime, binary_mime };

// One accepted RCPT. A mailbox that was given several times stands here once.
struct Recipient {
  // The mailbox in minimum quoting with its case kept, as a next hop would be told:
  // "MiXeD@example.org", "\"a b\"@example.org". The domain is as the client spelled it.
  std::string_view address;
  // The local-part without quoting: any octets but CR, LF and NUL. At most 64.
  std::string_view local_part;
  // The local-part of the mailbox that it belongs to, for whoever stores mail: as the recipients
  // file spells it, without what follows a delimiter ("joe" of "JOE+list"); "postmaster" for
  // postmaster in any case. Several recipients may belong to one mailbox.
  std::string_view mailbox;
  // The domain as it is compared: A-labels, lower case; an address literal keeps its brackets.
  std::string_view domain;
};

// Valid only during the call that passes it: a sink copies what it needs.
struct Envelope {
  MessageId id;
  std::string_view reverse_path;  // mailbox without angle brackets; empty is the null reverse-path
  std::span<const Recipient> recipients;  // at least one
  std::string_view client_address;        // "192.0.2.1" or "2001:db8::1"
  std::string_view helo;                  // as given to EHLO or HELO
  std::string_view protocol;              // "SMTP", "ESMTP", "UTF8SMTP" (RFC 3848)
  WallUs received_at = 0;                 // when the content began
  std::uint64_t declared_size = 0;        // MAIL SIZE=, 0 when there was none
  BodyType body = BodyType::unspecified;
  bool smtputf8 = false;
  // Complete "Received:" field, each line ended by CRLF, to stand on top of the content.
  std::string_view received_field;
  // Complete "Return-Path:" line with CRLF. For sinks that are a final delivery (RFC 5321 §4.4).
  std::string_view return_path_field;
};

}  // namespace gatepost
