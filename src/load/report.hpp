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

// 0: every message that should have been taken was. 1: not so. See OnDisconnect for what is
// forgiven.
int exit_code_of(const RunOptions& options, const RunResult& result);
// Open loop: whether messages could begin when they were due (99 % of them, none unstarted).
bool rate_held(const RunOptions& options, const RunResult& result);

// A table for people.
std::string table(const RunOptions& options, const RunResult& result);
// One JSON object in one line. Latencies in milliseconds, rates per second, sizes in octets.
std::string json(const RunOptions& options, const RunResult& result);

}  // namespace gatepost::load
