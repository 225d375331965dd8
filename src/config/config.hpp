// Everything the operator can choose, validated, as plain values that never change after start.
//
// The initial values are the defaults of the flags. A name is the flag's name with its unit behind
// it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "observe/event_log.hpp"
#include "policy/admission.hpp"
#include "policy/recipients.hpp"
#include "ring/buffer_ring.hpp"
#include "scan/scanner.hpp"

namespace gatepost::config {

// Where to listen. host: a numeric IPv4 or IPv6 address without brackets, or "*" for every address
// of both families (a socket on :: with IPV6_V6ONLY off, or on 0.0.0.0 where the machine has no
// IPv6).
struct ListenAddress {
  std::string host;
  std::uint16_t port = 0;
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};
// As it is written: "192.0.2.1:25", "[::1]:25", "*:25".
std::string to_text(const ListenAddress& address);
bool is_loopback(const ListenAddress& address);
// Whether one socket takes what the other is for: the same address and port, however it is written,
// or every address of its family.
bool overlap(const ListenAddress& a, const ListenAddress& b);

enum class BareNewline : std::uint8_t { reject, normalize };
enum class EarlyTalkers : std::uint8_t { reject, allow };
enum class MaildirSync : std::uint8_t { automatic, portable, batched };
enum class Choice : std::uint8_t { automatic, on, off };

struct Config {
  // Receiving.
  std::vector<ListenAddress> listen{{"127.0.0.1", 2525}};
  std::string hostname = "localhost.localdomain";  // else the host's own name, when it has a dot
  // Behind the hostname in the 220. "ESMTP" without --banner-name, unless --banner-text is given.
  std::string banner_text = "ESMTP Gatepost";
  bool banner_name =
      true;  // false: the software's name stands nowhere, also not in HELP and Received
  BareNewline bare_newline = BareNewline::reject;
  std::vector<policy::Network> bare_newline_exceptions;  // clients for whom normalize holds
  bool strict_mail_syntax = false;                       // refuse "MAIL FROM: <a@b>"
  EarlyTalkers early_talkers = EarlyTalkers::reject;
  bool chunking = true;
  bool binarymime = false;
  bool smtputf8 = true;
  std::uint16_t refuse_all = 0;  // 554 or 521: every connection is greeted with it; 0: off
  std::string refuse_text = "No mail service here";
  std::vector<policy::Network> deny_client;

  // Recipients: --accept-domain (names, and the files behind "@"), --recipients,
  // --recipient-delimiter.
  policy::RecipientSettings recipients{.accept_domains = {"localhost", "example.org"},
                                       .accept_domain_files = {},
                                       .recipients_file = {},
                                       .recipient_delimiter = "+"};

  // Limits and timeouts.
  std::uint64_t message_size_limit_bytes = 52'428'800;
  std::uint64_t header_size_limit_bytes = 1'048'576;
  std::uint32_t recipient_limit = 1000;
  std::uint32_t recipient_overshoot_limit = 1000;
  std::uint32_t hopcount_limit = 100;
  std::uint64_t timeout_ms = 300'000;
  std::uint64_t min_data_rate_bytes_per_second = 500;  // 0: off
  std::uint32_t soft_error_limit = 10;
  std::uint32_t hard_error_limit = 20;
  std::uint64_t error_sleep_time_ms = 1000;
  std::uint32_t junk_command_limit = 100;
  std::uint32_t max_connections = 10'000;      // of the whole process
  std::uint32_t max_connections_per_ip = 50;   // 0: no limit
  std::uint32_t client_ipv6_prefix_bits = 84;  // what of an IPv6 address is one client
  std::uint64_t drain_timeout_ms = 30'000;
  std::uint64_t commit_timeout_ms = 60'000;

  // Delivery.
  std::string sink = "maildir:./var/mail/{domain}/{local-part}";
  MaildirSync maildir_sync = MaildirSync::automatic;
  std::uint32_t maildir_threads = 0;  // per shard; 0: auto
  std::uint64_t min_free_space_bytes = 104'857'600;

  // Performance.
  std::uint32_t shards = 0;                     // 0 is auto; parsing puts the number there
  Choice pin = Choice::automatic;               // parsing makes it on or off
  std::optional<scan::Kernel> simd;             // none: the best one
  std::optional<ring::BufferMode> buffer_mode;  // none: what the kernel has
  std::uint32_t buffer_size_bytes = 16'384;
  std::uint64_t buffer_memory_bytes = 67'108'864;  // per shard
  Choice direct_descriptors = Choice::automatic;

  // Logging and metrics.
  observe::LogLevel log_level = observe::LogLevel::info;
  observe::LogFormat log_format = observe::LogFormat::text;
  std::optional<ListenAddress> metrics_listen;

  // General.
  std::string config_file;        // empty: none
  bool embedded_default = false;  // no domains were given: the example's are in use

  // Receive buffers per shard: a power of two.
  std::uint32_t buffer_count() const;
};

}  // namespace gatepost::config
