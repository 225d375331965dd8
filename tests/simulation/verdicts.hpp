// Where the oracles of the simulation report what must not be.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gatepost::simulation {

// Simulated microseconds since the run began.
using SimulatedUs = std::uint64_t;

// The numbers of the checks that this part makes.
namespace checks {
constexpr int durable = 1;         // every 250 is in the store exactly once, octet for octet
constexpr int not_stored = 2;      // what was refused, aborted or never answered is in no store
constexpr int replies = 3;         // replies in order, one each, permitted
constexpr int no_mixture = 4;      // nothing of one transaction in another
constexpr int nothing_hidden = 7;  // no command that lay in content was executed
}  // namespace checks

class Verdicts {
 public:
  // check: a number of `checks`. text: what happened, for the reader of a failed run.
  virtual void violation(int check, std::string text) = 0;

 protected:
  ~Verdicts() = default;
};

// Keeps them.
class CollectedVerdicts final : public Verdicts {
 public:
  struct Violation {
    int check;
    std::string text;
  };
  void violation(int check, std::string text) override {
    found.push_back({check, std::move(text)});
  }
  bool has(int check) const {
    for (const Violation& violation : found)
      if (violation.check == check) return true;
    return false;
  }
  std::vector<Violation> found;
};

}  // namespace gatepost::simulation
