#include <fmt/format.h>

#include <array>

#include "base/bounds.hpp"
#include "config/flag_kinds.hpp"
#include "config/flags.hpp"
#include "config/own_flags.hpp"
#include "config/values.hpp"

namespace gatepost::config {

using namespace topics;

namespace {

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t gib = 1024 * mib;
constexpr std::uint64_t second_ms = 1000;
constexpr std::uint64_t hour_ms = 3600 * second_ms;
constexpr std::uint64_t count_max = 1'000'000'000;

void add_receiving(std::vector<Flag>& flags) {
  flags.push_back(listen_flag());
  flags.push_back(hostname_flag());
  flags.push_back(reply_text_flag("banner-text", receiving, &Config::banner_text,
                                  "What follows the host name in the greeting."));
  flags.push_back(
      on_off_flag("banner-name", receiving, &Config::banner_name,
                  "Tell the software's name: in the greeting, in HELP and in Received fields."));
  flags.push_back(
      word_flag<BareNewline>("bare-newline", receiving, "WHAT", &Config::bare_newline,
                             std::array{Word<BareNewline>{"reject", BareNewline::reject},
                                        Word<BareNewline>{"normalize", BareNewline::normalize}},
                             "A CR or LF alone in a message: reject the message (550 5.6.0), or "
                             "normalize it. Neither ever ends a "
                             "message, so that none can be smuggled in."));
  flags.push_back(
      network_list_flag("bare-newline-exceptions", receiving, &Config::bare_newline_exceptions,
                        "Clients whose bare newlines are normalized where others are rejected."));
  flags.push_back(
      on_off_flag("strict-mail-syntax", receiving, &Config::strict_mail_syntax,
                  "Refuse a space behind the colon, as in \"MAIL FROM: <a@b>\" (501)."));
  flags.push_back(
      word_flag<EarlyTalkers>("early-talkers", receiving, "WHAT", &Config::early_talkers,
                              std::array{Word<EarlyTalkers>{"reject", EarlyTalkers::reject},
                                         Word<EarlyTalkers>{"allow", EarlyTalkers::allow}},
                              "Clients that send before their turn (before the greeting, behind "
                              "EHLO or DATA): reject them (554 "
                              "5.5.0), or answer in order."));
  flags.push_back(on_off_flag("chunking", receiving, &Config::chunking, "Offer BDAT (RFC 3030)."));
  flags.push_back(on_off_flag("binarymime", receiving, &Config::binarymime,
                              "Offer BINARYMIME (RFC 3030); needs --chunking."));
  flags.push_back(on_off_flag("smtputf8", receiving, &Config::smtputf8,
                              "Offer internationalized addresses (RFC 6531)."));
  flags.push_back(word_flag<std::uint16_t>(
      "refuse-all", receiving, "CODE", &Config::refuse_all,
      std::array{Word<std::uint16_t>{"off", 0}, Word<std::uint16_t>{"554", 554},
                 Word<std::uint16_t>{"521", 521}},
      "Greet every client with this code instead of 220: 554 (no service for you), 521 (no mail "
      "here, RFC "
      "7504)."));
  flags.push_back(reply_text_flag("refuse-text", receiving, &Config::refuse_text,
                                  "The text behind the code of --refuse-all and --deny-client."));
  flags.push_back(network_list_flag("deny-client", receiving, &Config::deny_client,
                                    "Clients to greet with 554: a network such as 192.0.2.0/24."));
}

void add_recipients(std::vector<Flag>& flags) {
  flags.push_back(accept_domain_flag());
  flags.push_back(recipients_flag());
  flags.push_back(recipient_delimiter_flag());
}

void add_limits(std::vector<Flag>& flags) {
  flags.push_back(size_flag("message-size-limit", limits, &Config::message_size_limit_bytes,
                            {1, 1024 * gib}, "The largest message to take (552 5.3.4 beyond)."));
  flags.push_back(size_flag("header-size-limit", limits, &Config::header_size_limit_bytes, {1, gib},
                            "The largest header section of a message."));
  flags.push_back(count_flag(
      "recipient-limit", limits, &Config::recipient_limit, {bounds::recipients_min, 100'000},
      "Recipients of one message; more get 452 4.5.3. RFC 5321 wants 100 at least."));
  flags.push_back(count_flag("recipient-overshoot-limit", limits,
                             &Config::recipient_overshoot_limit, {0, count_max},
                             "Recipients beyond the limit that are not yet counted as errors."));
  flags.push_back(count_flag(
      "hopcount-limit", limits, &Config::hopcount_limit, {1, 10'000},
      "Received fields that a message may have; with more it is taken to loop (554 5.4.6)."));
  flags.push_back(
      duration_flag("timeout", limits, &Config::timeout_ms, {second_ms, 24 * hour_ms},
                    "How long a client may be silent: before, in and between commands, in "
                    "message content. RFC 5321 wants 5 minutes."));
  flags.push_back(
      number_flag("min-data-rate", limits, "BYTES", &Config::min_data_rate_bytes_per_second,
                  {0, gib}, parse_size, size_text,
                  "Bytes per second that message content must come with on the whole; 0: any."));
  flags.push_back(
      count_flag("soft-error-limit", limits, &Config::soft_error_limit, {1, count_max},
                 "Errors of a session after which each further one is answered with a delay."));
  flags.push_back(count_flag("hard-error-limit", limits, &Config::hard_error_limit, {1, count_max},
                             "Errors after which the session is closed (421 4.7.0)."));
  flags.push_back(duration_flag("error-sleep-time", limits, &Config::error_sleep_time_ms,
                                {0, 60 * second_ms}, "The delay of --soft-error-limit."));
  flags.push_back(count_flag("junk-command-limit", limits, &Config::junk_command_limit,
                             {1, count_max},
                             "RSET, NOOP, VRFY and the like that are not yet counted as errors."));
  flags.push_back(count_flag("max-connections", limits, &Config::max_connections, {1, 4'000'000},
                             "Connections of the whole process; more get 421 4.3.2."));
  flags.push_back(count_flag("max-connections-per-ip", limits, &Config::max_connections_per_ip,
                             {0, count_max}, "Connections of one client; 0: no limit."));
  flags.push_back(count_flag("client-ipv6-prefix-length", limits, &Config::client_ipv6_prefix_bits,
                             {1, 128},
                             "Leading bits of an IPv6 address that make one client for "
                             "--max-connections-per-ip."));
  flags.push_back(
      duration_flag("drain-timeout", limits, &Config::drain_timeout_ms, {0, 24 * hour_ms},
                    "How long running transactions may take when Gatepost is told to stop."));
  flags.push_back(
      duration_flag("commit-timeout", limits, &Config::commit_timeout_ms, {second_ms, hour_ms},
                    "How long the sink may take to make a message durable (451 beyond)."));
}

void add_delivery(std::vector<Flag>& flags) {
  flags.push_back(sink_flag());
  flags.push_back(
      word_flag<MaildirSync>("maildir-sync", delivery, "HOW", &Config::maildir_sync,
                             std::array{Word<MaildirSync>{"auto", MaildirSync::automatic},
                                        Word<MaildirSync>{"portable", MaildirSync::portable},
                                        Word<MaildirSync>{"batched", MaildirSync::batched}},
                             "The order of durable writes: portable holds on any file system; "
                             "batched is cheaper and holds on ext4 "
                             "and xfs; auto picks by file system."));
  flags.push_back(auto_count_flag("maildir-threads", delivery, &Config::maildir_threads, 64,
                                  "Threads per shard that write files.", {}));
  flags.push_back(size_flag("min-free-space", delivery, &Config::min_free_space_bytes,
                            {0, 1024 * 1024 * gib},
                            "Refuse mail for the time being (452 4.3.1) when the disk has less."));
}

void add_performance(std::vector<Flag>& flags) {
  flags.push_back(auto_count_flag("shards", performance, &Config::shards, 1024,
                                  "Threads that serve connections.", "one for each core"));
  flags.push_back(pin_flag());
  using Kernel = std::optional<scan::Kernel>;
  flags.push_back(word_flag<Kernel>(
      "simd", performance, "SET", &Config::simd,
      std::array{
          Word<Kernel>{"auto", {}}, Word<Kernel>{"scalar", scan::Kernel::scalar},
          Word<Kernel>{"sse42", scan::Kernel::sse42}, Word<Kernel>{"avx2", scan::Kernel::avx2},
          Word<Kernel>{"avx512", scan::Kernel::avx512}, Word<Kernel>{"neon", scan::Kernel::neon}},
      "Instruction set of the scanner: auto, scalar, sse42, avx2, avx512 or neon."));
  using Mode = std::optional<ring::BufferMode>;
  flags.push_back(word_flag<Mode>(
      "buffer-mode", performance, "MODE", &Config::buffer_mode,
      std::array{Word<Mode>{"auto", {}}, Word<Mode>{"single", ring::BufferMode::single},
                 Word<Mode>{"bundle", ring::BufferMode::bundle},
                 Word<Mode>{"incremental", ring::BufferMode::incremental}},
      "How the kernel fills receive buffers: single, bundle (Linux 6.10), incremental (6.12), or "
      "auto."));
  flags.push_back(buffer_size_flag());
  flags.push_back(size_flag("buffer-memory", performance, &Config::buffer_memory_bytes,
                            {256 * kib, 32 * gib}, "Memory for receive buffers, per shard."));
  flags.push_back(word_flag<Choice>(
      "direct-descriptors", performance, "WHEN", &Config::direct_descriptors,
      std::array{Word<Choice>{"auto", Choice::automatic}, Word<Choice>{"on", Choice::on},
                 Word<Choice>{"off", Choice::off}},
      "Keep sockets in the ring's own table instead of the process's: auto, on or off."));
}

void add_logging(std::vector<Flag>& flags) {
  using observe::LogFormat;
  using observe::LogLevel;
  flags.push_back(word_flag<LogLevel>(
      "log-level", logging, "LEVEL", &Config::log_level,
      std::array{Word<LogLevel>{"error", LogLevel::error}, Word<LogLevel>{"warn", LogLevel::warn},
                 Word<LogLevel>{"info", LogLevel::info}, Word<LogLevel>{"debug", LogLevel::debug}},
      "How much to log to stderr: error, warn, info (a line per connection, message and reject) or "
      "debug; debug adds every command and reply."));
  flags.push_back(
      word_flag<LogFormat>("log-format", logging, "FORMAT", &Config::log_format,
                           std::array{Word<LogFormat>{"text", LogFormat::text},
                                      Word<LogFormat>{"json", LogFormat::json}},
                           "text: lines shaped like Postfix's; json: an object a line."));
  flags.push_back(metrics_listen_flag());
}

}  // namespace

std::span<const Flag> all_flags() {
  static const std::vector<Flag> flags = [] {
    std::vector<Flag> made;
    add_receiving(made);
    add_recipients(made);
    add_limits(made);
    add_delivery(made);
    add_performance(made);
    add_logging(made);
    return made;
  }();
  return flags;
}

}  // namespace gatepost::config
