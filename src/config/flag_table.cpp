#include <fmt/format.h>

#include <array>

#include "base/bounds.hpp"
#include "config/flag_kinds.hpp"
#include "config/flags.hpp"
#include "config/values.hpp"
#include "sink/sink_uri.hpp"
#include "smtp/path.hpp"

namespace gatepost::config {

namespace {

constexpr std::string_view receiving = "Receiving";
constexpr std::string_view recipients = "Recipients";
constexpr std::string_view limits = "Limits and timeouts";
constexpr std::string_view delivery = "Delivery";
constexpr std::string_view performance = "Performance";
constexpr std::string_view logging = "Logging and metrics";

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t gib = 1024 * mib;
constexpr std::uint64_t second_ms = 1000;
constexpr std::uint64_t hour_ms = 3600 * second_ms;
constexpr std::uint64_t count_max = 1'000'000'000;

// --- Flags with a form of their own ----------------------------------------------------------

Flag listen_flag() {
  return {
      .name = "listen",
      .kind = FlagKind::list,
      .topic = receiving,
      .value_name = "ADDR:PORT",
      .help =
          "Where to take connections: 192.0.2.1:25, [2001:db8::1]:25, or *:25 for every address. "
          "Beyond loopback only together with --accept-domain.",
      .apply = [](Config& config, std::string_view text) -> Result<Done> {
        auto address = parse_listen(text);
        if (!address) return Error{address.error()};
        for (const ListenAddress& other : config.listen) {
          if (other == address.value())
            return Error{"is given twice; each address is allowed once"};
        }
        config.listen.push_back(address.value());
        return Done{};
      },
      .show =
          [](const Config& config) {
            std::string shown;
            for (const ListenAddress& address : config.listen)
              shown += (shown.empty() ? "" : ", ") + to_text(address);
            return shown;
          },
      .clear = [](Config& config) { config.listen.clear(); }};
}

Flag hostname_flag() {
  return {
      .name = "hostname",
      .kind = FlagKind::value,
      .topic = receiving,
      .value_name = "NAME",
      .help =
          "The name to greet with and to write into Received fields. It should be the one that the "
          "MX record and the address's reverse record have.",
      .apply = [](Config& config, std::string_view text) -> Result<Done> {
        if (!smtp::valid_domain(text, false) || text.find('.') == std::string_view::npos)
          return Error{"allowed is a fully qualified domain name such as mx1.example.org"};
        config.hostname = text;
        return Done{};
      },
      .show = [](const Config& config) { return config.hostname; },
      .default_note = "this machine's full name if it has a dot, else localhost.localdomain"};
}

Flag accept_domain_flag() {
  return {
      .name = "accept-domain",
      .kind = FlagKind::list,
      .topic = recipients,
      .value_name = "DOMAIN",
      .help =
          "A domain to take mail for; a subdomain is another domain. @FILE: those listed there, "
          "one "
          "a line, read again on SIGHUP. Mail for any other domain is refused (550 5.7.1).",
      .apply = [](Config& config, std::string_view text) -> Result<Done> {
        if (text.starts_with('@')) {
          if (text.size() == 1) return Error{"allowed is a domain, or @ and the path of a file"};
          config.recipients.accept_domain_files.emplace_back(text.substr(1));
          return Done{};
        }
        std::array<char, bounds::domain_length_max + 1> canonical;
        if (!smtp::valid_domain(text, true) || smtp::canonical_domain(text, canonical) == 0)
          return Error{"allowed is a domain such as example.org, or @FILE with one domain a line"};
        config.recipients.accept_domains.emplace_back(text);
        return Done{};
      },
      .show =
          [](const Config& config) {
            std::string shown;
            for (const std::string& domain : config.recipients.accept_domains)
              shown += (shown.empty() ? "" : ", ") + domain;
            for (const std::string& file : config.recipients.accept_domain_files)
              shown += (shown.empty() ? "@" : ", @") + file;
            return shown;
          },
      .clear =
          [](Config& config) {
            config.recipients.accept_domains.clear();
            config.recipients.accept_domain_files.clear();
          }};
}

Flag recipients_flag() {
  return {.name = "recipients",
          .kind = FlagKind::value,
          .topic = recipients,
          .value_name = "FILE",
          .help =
              "The recipients there are, one address or @domain a line, read again on SIGHUP. "
              "Others are "
              "refused (550 5.1.1). postmaster is always taken.",
          .apply = [](Config& config, std::string_view text) -> Result<Done> {
            if (text.empty()) return Error{"allowed is the path of a file"};
            config.recipients.recipients_file = text;
            return Done{};
          },
          .show = [](const Config& config) { return config.recipients.recipients_file; },
          .default_note = "every local part of the accepted domains"};
}

Flag recipient_delimiter_flag() {
  return {.name = "recipient-delimiter",
          .kind = FlagKind::value,
          .topic = recipients,
          .value_name = "CHARS",
          .help =
              "Each of these characters ends the user's name: user+list@ is taken where user@ is, "
              "and keeps a mailbox of its own. Empty: none does.",
          .apply = [](Config& config, std::string_view text) -> Result<Done> {
            bool fine = text.size() <= 8;
            for (char c : text) fine &= c > ' ' && c <= '~' && c != '@' && c != '"' && c != '\\';
            if (!fine)
              return Error{
                  "allowed are up to 8 printable characters other than @, \" and \\, or nothing"};
            config.recipients.recipient_delimiter = text;
            return Done{};
          },
          .show = [](const Config& config) { return config.recipients.recipient_delimiter; }};
}

Flag sink_flag() {
  return {.name = "sink",
          .kind = FlagKind::value,
          .topic = delivery,
          .value_name = "URI",
          .help =
              "Where mail goes. maildir:TEMPLATE writes maildirs, one per recipient; the template "
              "may hold "
              "{domain}, {local-part} and {address}. discard: throws all mail away, for measuring "
              "only.",
          .apply = [](Config& config, std::string_view text) -> Result<Done> {
            if (auto sink = parse_sink_uri(text); !sink) {
              // It repeats the URI, which stands in front of it here.
              std::string_view wrong = sink.error();
              std::string prefix = fmt::format("\"{}\": ", text);
              if (wrong.starts_with(prefix)) wrong.remove_prefix(prefix.size());
              return Error{std::string(wrong)};
            }
            config.sink = text;
            return Done{};
          },
          .show = [](const Config& config) { return config.sink; }};
}

Flag pin_flag() {
  return {.name = "pin",
          .kind = FlagKind::on_off,
          .topic = performance,
          .value_name = "",
          .help = "Keep each shard on a core of its own.",
          .apply = [](Config& config, std::string_view text) -> Result<Done> {
            if (text != "true" && text != "false") return Error{"allowed is true or false"};
            config.pin = text == "true" ? Choice::on : Choice::off;
            return Done{};
          },
          .show = [](const Config& config) { return config.pin == Choice::on ? "true" : "false"; },
          .default_note = "when there are as many shards as cores, and more than one"};
}

Flag buffer_size_flag() {
  Flag flag = size_flag("buffer-size", performance, &Config::buffer_size_bytes,
                        {bounds::receive_buffer_size_min, bounds::receive_buffer_size_max},
                        "Size of one receive buffer: a power of two.");
  flag.apply = [parse = flag.apply](Config& config, std::string_view text) -> Result<Done> {
    Config tried;
    if (!parse(tried, text) || (tried.buffer_size_bytes & (tried.buffer_size_bytes - 1)) != 0)
      return Error{"allowed is a power of two from 4K to 1M"};
    config.buffer_size_bytes = tried.buffer_size_bytes;
    return Done{};
  };
  return flag;
}

Flag metrics_listen_flag() {
  return {.name = "metrics-listen",
          .kind = FlagKind::value,
          .topic = logging,
          .value_name = "ADDR:PORT",
          .help =
              "Serve /metrics (Prometheus), /healthz and /readyz there over HTTP, for example on "
              "127.0.0.1:9125. It has no access control.",
          .apply = [](Config& config, std::string_view text) -> Result<Done> {
            auto address = parse_listen(text);
            if (!address) return Error{address.error()};
            config.metrics_listen = address.value();
            return Done{};
          },
          .show =
              [](const Config& config) {
                return config.metrics_listen ? to_text(*config.metrics_listen) : std::string();
              },
          .default_note = "off"};
}

// --- By topic --------------------------------------------------------------------------------

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
                            {kib, 1024 * gib}, "The largest message to take (552 5.3.4 beyond)."));
  flags.push_back(size_flag("header-size-limit", limits, &Config::header_size_limit_bytes,
                            {kib, gib}, "The largest header section of a message."));
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
                            {0, 1024 * gib},
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
      "debug."));
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
