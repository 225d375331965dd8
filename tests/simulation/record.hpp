// What happened in a run: the last events, for the reader of a failure, and what was found wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/verdicts.hpp"

namespace gatepost::simulation {

// The numbers of further checks beside those in verdicts.hpp.
namespace checks {
constexpr int invariant = 0;  // a GP_CHECK of the code under test, or of a sink's contract
constexpr int resources = 5;  // buffers, slots, descriptors and timers come back; memory is bounded
constexpr int progress = 6;   // sessions end in time; nobody waits for another's slowness
}  // namespace checks

class Record final : public Verdicts {
 public:
  struct Violation {
    int check;
    std::string text;
    std::uint64_t event;  // number of the event in which it was found
  };

  // what: a constant. Cheap: nothing is formatted before it is shown.
  void trace(const char* what, std::uint64_t a = 0, std::uint64_t b = 0,
             std::string_view text = {});
  void violation(int check, std::string text) override;

  const std::vector<Violation>& violations() const { return violations_; }
  bool failed() const { return !violations_.empty(); }
  // The last events as lines, oldest first.
  std::string last_events() const;
  // Everything that happened in one number: two runs of a seed have the same.
  std::uint64_t digest() const { return digest_; }

  // Kept up to date by the kernel.
  std::uint64_t now_ns = 0;
  std::uint64_t event = 0;
  // Print every event as it happens.
  bool verbose = false;

 private:
  struct Entry {
    std::uint64_t now_ns;
    std::uint64_t event;
    const char* what;
    std::uint64_t a;
    std::uint64_t b;
    std::string text;
  };
  static std::string line(const Entry& entry);

  static constexpr std::size_t kept_max = 60;
  std::deque<Entry> entries_;
  std::vector<Violation> violations_;
  std::uint64_t digest_ = 0xcbf29ce484222325u;
};

}  // namespace gatepost::simulation
