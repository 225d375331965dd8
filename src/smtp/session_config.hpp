// What a session is configured with: values that are the same for all sessions of a process, and
// the replies that name the host, rendered once at start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace gatepost::smtp {

// How a connection is received.
enum class Greeting : std::uint8_t {
  welcome,  // 220
  refuse,   // 554, then 503 to all but QUIT (RFC 5321 §3.1)
  no_mail   // 521 and close (RFC 7504)
};

struct SessionSettings {
  std::string hostname = "localhost.localdomain";
  std::string banner_text = "ESMTP Gatepost";  // behind the host name in the 220; may be empty
  std::string software = "Gatepost";           // in HELP and the trace; may be empty
  std::string refuse_text = "No mail service for you here";
  std::uint64_t message_size_limit = 50u * 1024 * 1024;
  std::uint64_t header_size_limit = 1024 * 1024;
  std::uint32_t recipient_limit = 1000;
  std::uint32_t recipient_overshoot_limit = 1000;
  std::uint32_t hopcount_limit = 100;
  std::uint32_t soft_error_limit = 10;
  std::uint32_t hard_error_limit = 20;
  std::uint32_t junk_command_limit = 100;
  std::uint32_t error_sleep_ms = 1000;
  bool space_after_colon = true;
  bool reject_early_talkers = true;  // SMG-11
  bool chunking = true;
  bool binarymime = false;  // only together with chunking
  bool smtputf8 = true;
};

// Replies that depend on the settings. Whole lines with CRLF.
struct ServerTexts {
  explicit ServerTexts(const SessionSettings& settings);

  std::string welcome;       // 220 host ...
  std::string refuse;        // 554 host ...
  std::string no_mail;       // 521 host ...
  std::string early_talker;  // 554 in place of the banner, or of a reply to EHLO or HELO: no
                             // enhanced code
  std::string ehlo;          // 250-host, keywords
  std::string helo;          // 250 host
  // Replies to EHLO and HELO have no enhanced code, errors neither.
  std::string bad_greeting;       // 501
  std::string bare_newline;       // 500
  std::string no_service;         // 503
  std::string help;               // 214
  std::string quit;               // 221 2.0.0 host
  std::string too_many_errors;    // 421 4.7.0 host
  std::string not_smtp;           // 421 4.7.0 host: HTTP, TLS or message text as commands
  std::string line_flood;         // 421 4.7.0 host: a line without an end
  std::string timeout;            // 421 4.4.2 host
  std::string shutdown;           // 421 4.3.2 host
  std::string too_many_sessions;  // 421 4.3.2 host
};

// Both, built once and shared by every session of the process.
struct SessionConfig {
  explicit SessionConfig(SessionSettings values) : settings(std::move(values)), texts(settings) {}
  SessionSettings settings;
  ServerTexts texts;
};

}  // namespace gatepost::smtp
