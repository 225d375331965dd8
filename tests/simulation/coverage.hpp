// Which faults struck in which states of a dialogue, and which replies were given: over many runs.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "simulation/client_model.hpp"
#include "simulation/faults.hpp"

namespace gatepost::simulation {

std::string_view name_of(ClientPhase phase);
constexpr std::size_t phase_count = static_cast<std::size_t>(ClientPhase::ending) + 1;

class Coverage {
 public:
  void count(ClientPhase phase, Fault fault) {
    ++pairs_[static_cast<std::size_t>(phase)][static_cast<std::size_t>(fault)];
  }
  void count_replies(std::uint16_t code, std::uint64_t count) { replies_[code] += count; }
  void add(const Coverage& other);
  // A table of states and faults, "-" for pairs that were never reached, and of replies.
  std::string table() const;
  std::size_t pairs_reached() const;
  // For passing it between processes.
  std::string serialized() const;
  bool add_serialized(std::string_view text);

 private:
  std::array<std::array<std::uint64_t, fault_count>, phase_count> pairs_{};
  std::map<std::uint16_t, std::uint64_t> replies_;
};

}  // namespace gatepost::simulation
