#include "simulation/coverage.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "fmt/format.h"

namespace gatepost::simulation {
namespace {

constexpr std::array<std::string_view, phase_count> phase_names{
    "connecting", "greeted", "ready",      "mail",  "recipients",
    "content",    "chunks",  "committing", "ending"};

bool take_number(std::string_view& text, std::uint64_t& number) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

std::string_view name_of(ClientPhase phase) {
  return phase_names[static_cast<std::size_t>(phase)];
}

void Coverage::add(const Coverage& other) {
  for (std::size_t phase = 0; phase < phase_count; ++phase)
    for (std::size_t fault = 0; fault < fault_count; ++fault)
      pairs_[phase][fault] += other.pairs_[phase][fault];
  for (const auto& [code, count] : other.replies_) replies_[code] += count;
}

std::size_t Coverage::pairs_reached() const {
  std::size_t reached = 0;
  for (const auto& row : pairs_)
    reached += static_cast<std::size_t>(
        std::ranges::count_if(row, [](std::uint64_t count) { return count > 0; }));
  return reached;
}

std::string Coverage::table() const {
  std::string out = fmt::format("{:<20}", "fault \\ state");
  for (const std::string_view name : phase_names) out += fmt::format("{:>11}", name);
  out += '\n';
  for (std::size_t fault = 0; fault < fault_count; ++fault) {
    out += fmt::format("{:<20}", name_of(static_cast<Fault>(fault)));
    for (std::size_t phase = 0; phase < phase_count; ++phase) {
      const std::uint64_t count = pairs_[phase][fault];
      out += count == 0 ? fmt::format("{:>11}", "-") : fmt::format("{:>11}", count);
    }
    out += '\n';
  }
  out +=
      fmt::format("{} of {} pairs reached\n\nreplies:", pairs_reached(), phase_count * fault_count);
  for (const auto& [code, count] : replies_) out += fmt::format("  {} x {}", code, count);
  return out + '\n';
}

std::string Coverage::serialized() const {
  std::string out;
  for (const auto& row : pairs_)
    for (const std::uint64_t count : row) fmt::format_to(std::back_inserter(out), "{} ", count);
  for (const auto& [code, count] : replies_)
    fmt::format_to(std::back_inserter(out), "{} {} ", code, count);
  return out;
}

bool Coverage::add_serialized(std::string_view text) {
  Coverage other;
  for (auto& row : other.pairs_)
    for (std::uint64_t& count : row)
      if (!take_number(text, count)) return false;
  std::uint64_t code = 0;
  std::uint64_t count = 0;
  while (take_number(text, code) && take_number(text, count))
    other.replies_[static_cast<std::uint16_t>(code)] += count;
  add(other);
  return true;
}

}  // namespace gatepost::simulation
