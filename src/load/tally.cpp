#include "load/tally.hpp"

#include <algorithm>

namespace gatepost::load {

void Tally::add(const Tally& other) {
  started += other.started;
  acknowledged += other.acknowledged;
  recipients += other.recipients;
  octets += other.octets;
  in_doubt += other.in_doubt;
  unstarted += other.unstarted;
  connections += other.connections;
  completions += other.completions;
  ring_enters += other.ring_enters;
  for (std::size_t i = 0; i < by_kind.size(); ++i) by_kind[i] += other.by_kind[i];
  for (std::size_t i = 0; i < replies.size(); ++i) replies[i] += other.replies[i];
  for (std::size_t i = 0; i < faults.size(); ++i) faults[i] += other.faults[i];
  for (const auto& [text, count] : other.refusals)
    if (refusals.size() < refusals_kept || refusals.contains(text)) refusals[text] += count;
  connect.add(other.connect);
  end_of_data.add(other.end_of_data);
  transaction.add(other.transaction);
  slow_transaction.add(other.slow_transaction);
  late_max_ns = std::max(late_max_ns, other.late_max_ns);
  gave_up = gave_up || other.gave_up;
  ledger_failed = ledger_failed || other.ledger_failed;
}

}  // namespace gatepost::load
