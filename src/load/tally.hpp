// What one thread counted, and the sum over all threads.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "load/histogram.hpp"
#include "load/mix.hpp"

namespace gatepost::load {

// Why a connection or a message did not end as it should.
enum class Fault : std::uint8_t {
  connect_refused,
  connect_failed,  // any other errno of socket(2), bind(2), connect(2)
  no_local_port,   // EADDRNOTAVAIL
  lost,            // closed or reset by the server
  server_closing,  // 421
  greeting_refused,
  helo_refused,
  malformed_reply,
  unexpected_reply,
  timeout,
  unfinished,         // underway when the run's grace was over
  refused,            // the message got 4yz or 5yz
  recipient_refused,  // one of the recipients of a message that was taken for others
};
constexpr std::size_t fault_count = 13;
constexpr std::array<std::string_view, fault_count> fault_names = {
    "connection refused",
    "connection failed",
    "no local port left (try --sources)",
    "connection lost",
    "server closing (421)",
    "greeting refused",
    "EHLO and HELO refused",
    "malformed reply",
    "reply without a command",
    "timeout",
    "unfinished at the end",
    "message refused",
    "recipient refused"};
// Whether a fault is the connection's, which --reconnect and --tolerate-disconnect forgive.
constexpr bool is_connection_fault(Fault fault) {
  return fault != Fault::refused && fault != Fault::recipient_refused &&
         fault != Fault::malformed_reply && fault != Fault::unexpected_reply;
}

struct Tally {
  std::uint64_t started = 0;  // attempts of every kind
  std::uint64_t acknowledged = 0;
  std::uint64_t recipients = 0;  // of the acknowledged
  std::uint64_t octets = 0;      // their content, with CRLF
  std::uint64_t in_doubt = 0;
  std::uint64_t unstarted = 0;  // due at the rate asked for, never begun
  std::uint64_t connections = 0;
  std::uint64_t completions = 0, ring_enters = 0;
  std::array<std::uint64_t, kind_count> by_kind{};  // attempts that are not normal
  std::array<std::uint64_t, 600> replies{};         // by code
  std::array<std::uint64_t, fault_count> faults{};
  std::map<std::string, std::uint64_t> refusals;  // first kinds of texts, bounded
  Histogram connect, end_of_data, transaction;    // nanoseconds, of normal clients only
  Histogram slow_transaction;                     // as slow as they like, so not in the others
  std::uint64_t late_max_ns = 0;                  // open loop: longest wait between due and begun
  bool ledger_failed = false;
  bool gave_up = false;  // no connection was left to go on with, and messages were

  static constexpr std::size_t refusals_kept = 8;

  void add(const Tally& other);
  std::uint64_t fault(Fault kind) const { return faults[static_cast<std::size_t>(kind)]; }
  void count(Fault kind) { ++faults[static_cast<std::size_t>(kind)]; }
  void keep_refusal(const std::string& text) {
    if (refusals.size() < refusals_kept || refusals.contains(text)) ++refusals[text];
  }
};

// What a running thread shows of itself to the progress line.
struct Progress {
  std::atomic<std::uint64_t> started{0}, acknowledged{0}, octets{0}, faults{0}, connected{0};
};

}  // namespace gatepost::load
