// What a run tells at its end, and its progress line.
#pragma once

#include <cstdint>
#include <string>

#include "load/options.hpp"
#include "load/tally.hpp"

namespace gatepost::load {

struct RunResult {
  Tally tally;
  double seconds = 0;      // from the first connection to the last reply
  double cpu_seconds = 0;  // this process, user and system (getrusage(2))
  double cpu_user_seconds = 0;
};

// 0: every message that should have been taken was. 1: not so; see OnDisconnect for what is
// forgiven. 3: they were, but not at the rate of the open loop. (2 is for what could not be run.)
int exit_code_of(const RunOptions& options, const RunResult& result);
// Open loop: whether messages could begin when they were due: 99 % of them at all, and none later
// than by a second and a hundred intervals.
bool rate_held(const RunOptions& options, const RunResult& result);

// A table for people.
std::string table(const RunOptions& options, const RunResult& result);
// One JSON object in one line. Latencies in milliseconds and of normal clients, but for
// slow_transaction; rates per second; sizes in octets.
std::string json(const RunOptions& options, const RunResult& result);

}  // namespace gatepost::load
