// One run: a gateway on a simulated kernel, its clients, what goes wrong, and what is checked.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "simulation/canary.hpp"
#include "simulation/client_driver.hpp"
#include "simulation/coverage.hpp"
#include "simulation/gateway.hpp"
#include "simulation/ledger.hpp"
#include "simulation/profile.hpp"

namespace gatepost::simulation {

struct RunOptions {
  std::uint64_t seed = 1;
  std::string profile;            // empty: the seed decides
  std::uint64_t steps_max = 0;    // events after which faults and clients end; 0: no limit
  std::vector<unsigned> clients;  // only these; empty: all
  std::vector<Fault> without;     // faults left out
  bool verbose = false;
};

struct RunResult {
  std::string profile;
  std::vector<Record::Violation> violations;
  std::string last_events;
  std::uint64_t events = 0;
  std::uint64_t digest = 0;
  double simulated_seconds = 0;
  std::uint64_t attempts = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  std::uint64_t unanswered = 0;
  std::uint64_t stored = 0;
  std::uint32_t processes = 0;
  unsigned client_count = 0;
  std::vector<Fault> faults_struck;
  bool failed() const { return !violations.empty(); }
};

// directory: of recipients (recipient_directory() in run.hpp). coverage: added to.
RunResult run_world(const RunOptions& options, const policy::RecipientDirectory& directory,
                    Coverage& coverage);

}  // namespace gatepost::simulation
