#include "simulation/shrink.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace gatepost::simulation {
namespace {

// Beyond that the reader is better served by what was found so far.
constexpr unsigned tries_max = 400;

class Shrinker {
 public:
  Shrinker(const RunOptions& run, const RunResult& failed,
           const policy::RecipientDirectory& directory)
      : best_(run), result_(failed), directory_(directory) {
    best_.verbose = false;
    check_ = failed.violations.front().check;
  }

  void clients() {
    if (best_.clients.empty()) {
      best_.clients.resize(result_.client_count);
      std::iota(best_.clients.begin(), best_.clients.end(), 0u);
    }
    // Ever smaller parts are left out, while that works.
    for (std::size_t part = (best_.clients.size() + 1) / 2; part > 0; part /= 2) {
      for (std::size_t begin = 0; begin < best_.clients.size() && best_.clients.size() > 1;) {
        RunOptions smaller = best_;
        const std::size_t end = std::min(begin + part, smaller.clients.size());
        smaller.clients.erase(smaller.clients.begin() + static_cast<std::ptrdiff_t>(begin),
                              smaller.clients.begin() + static_cast<std::ptrdiff_t>(end));
        if (smaller.clients.empty() || !still_fails(smaller)) begin += part;
      }
    }
  }

  void faults() {
    const std::vector<Fault> struck = result_.faults_struck;
    for (const Fault fault : struck) {
      RunOptions smaller = best_;
      smaller.without.push_back(fault);
      still_fails(smaller);
    }
  }

  void steps() {
    std::uint64_t low = 1;
    std::uint64_t high = result_.events;
    while (low + 50 < high) {
      RunOptions smaller = best_;
      smaller.steps_max = (low + high) / 2;
      if (still_fails(smaller))
        high = smaller.steps_max;
      else
        low = smaller.steps_max;
    }
  }

  const RunOptions& best() const { return best_; }
  const RunResult& result() const { return result_; }

 private:
  bool still_fails(const RunOptions& smaller) {
    if (++tries_ > tries_max) return false;
    Coverage unused;
    RunResult result = run_world(smaller, directory_, unused);
    const bool same = result.failed() && result.violations.front().check == check_;
    if (!same) return false;
    best_ = smaller;
    result_ = std::move(result);
    std::printf("shrinking: %zu clients, %zu faults left out, %llu events\n", best_.clients.size(),
                best_.without.size(), static_cast<unsigned long long>(result_.events));
    return true;
  }

  RunOptions best_;
  RunResult result_;
  const policy::RecipientDirectory& directory_;
  int check_ = 0;
  unsigned tries_ = 0;
};

}  // namespace

void shrink(const RunOptions& run, const RunResult& failed,
            const policy::RecipientDirectory& directory,
            const std::function<std::string(const RunOptions&)>& command_for) {
  Shrinker shrinker(run, failed, directory);
  shrinker.clients();
  shrinker.faults();
  shrinker.steps();
  shrinker.clients();
  std::printf("\n%s\nsmallest: %llu events\n", shrinker.result().last_events.c_str(),
              static_cast<unsigned long long>(shrinker.result().events));
  for (const Record::Violation& violation : shrinker.result().violations)
    std::printf("  check %d: %s\n", violation.check, violation.text.c_str());
  std::printf("again: %s\n", command_for(shrinker.best()).c_str());
}

}  // namespace gatepost::simulation
