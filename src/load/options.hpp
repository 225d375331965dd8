// What one run shall do: the command line, checked, with all defaults filled in. Immutable.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "load/client_session.hpp"
#include "load/mix.hpp"
#include "load/size_distribution.hpp"
#include "load/verify.hpp"

namespace gatepost::load {

struct Target {
  sockaddr_storage address{};
  socklen_t length = 0;
  std::string text;
};

// How long to wait for what, in nanoseconds. Defaults: RFC 5321 §4.5.3.2.
struct Timeouts {
  std::uint64_t greeting = 300'000'000'000;
  std::uint64_t command = 300'000'000'000;  // EHLO, RSET, QUIT: the RFC is silent; as MAIL
  std::uint64_t mail = 300'000'000'000;
  std::uint64_t rcpt = 300'000'000'000;
  std::uint64_t data = 120'000'000'000;
  std::uint64_t block = 180'000'000'000;  // one step of the content to be taken
  std::uint64_t end_of_data = 600'000'000'000;
};

// What happens when a connection breaks or can't be made.
enum class OnDisconnect : std::uint8_t {
  fail,      // counts as a failure; goes on, but gives up when nothing works any more
  tolerate,  // no failure; the connection is not opened again
  reconnect  // no failure; tries again until the run is over
};

struct RunOptions {
  Target target;
  std::uint32_t threads = 1;
  std::uint32_t connections = 10;
  std::uint64_t messages = 0;                 // attempts in all
  std::uint64_t duration_ns = 0;              // no message is begun later
  std::uint64_t grace_ns = 0;                 // what is underway then has this long
  double rate = 0;                            // messages a second; 0: closed loop
  std::uint64_t messages_per_connection = 0;  // 0: all
  std::uint32_t recipients_per_message = 1;
  SizeDistribution sizes;
  Mix mix;
  std::uint64_t slow_octets = 16;
  std::uint64_t slow_interval_ns = 0;
  std::uint64_t silent_ns = 0;
  std::uint32_t source_addresses = 0;  // 0: the kernel chooses
  Timeouts timeouts;
  OnDisconnect on_disconnect = OnDisconnect::fail;
  std::string ledger;  // empty: none
  std::uint64_t seed = 1;
  bool json = false;
  bool progress = true;
  ClientSession::Settings session;  // `text` is set by main
};

struct CommandLine {
  // Exactly one of run and verify is set, unless the process is to end at once.
  std::optional<RunOptions> run;
  std::optional<VerifyOptions> verify;
  int exit_code = 0;    // when neither is set
  std::string message;  // to print then: to stdout for 0 (help, version), else one line to stderr
};

// Reads the command line. Never prints, never exits.
CommandLine parse_command_line(int argc, const char* const* argv);

// "127.0.0.1:2525", "[::1]:2525", "localhost:2525". Names are not looked up. Unless `allow_remote`,
// only loopback addresses (127.0.0.0/8, ::1) are taken.
Result<Target> parse_target(std::string_view text, bool allow_remote);

}  // namespace gatepost::load
