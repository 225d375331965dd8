#include "simulation/faults.hpp"

#include "simulation/process_heap.hpp"

namespace gatepost::simulation {
namespace {

constexpr std::array<std::string_view, fault_count> names{
    "split-read",         "short-send",       "no-buffers",       "multishot-ends",
    "late-cancel",        "late-shutdown",    "connection-reset", "lost-at-accept",
    "submission-refused", "interrupted-wait", "slow-network",     "preempted",
    "clock-jump",         "process-kill",     "power-failure",    "restart",
    "no-descriptor",      "disk-full",        "over-quota",       "call-fails",
    "writeback-fails",    "journal-fails",    "slow-disk",        "short-write",
    "maildir-removed",    "receipt-late",     "receipt-never",    "receipt-fails",
    "sink-pauses",        "sink-refuses"};

}  // namespace

std::string_view name_of(Fault fault) {
  return fault < Fault::count ? names[static_cast<std::size_t>(fault)] : "none";
}

Fault fault_named(std::string_view name) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<Fault>(i);
  return Fault::count;
}

Faults::Faults(std::uint64_t seed, const Rates& rates) : rates_(rates) {
  const Random source(seed);
  for (std::size_t i = 0; i < fault_count; ++i) streams_.push_back(source.fork(i));
}

bool Faults::strikes(Fault fault, unsigned client) {
  const auto index = static_cast<std::size_t>(fault);
  if (stopped_ || rates_[index] == 0 || !streams_[index].once_in(rates_[index])) return false;
  ++counts_[index];
  const HeapScope scope(nullptr);
  if (on_strike) on_strike(fault, client);
  return true;
}

}  // namespace gatepost::simulation
