#include "simulation/ledger.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace gatepost::simulation {

void Attempt::add_recipient(AcceptedRecipient recipient) {
  if (recipient.identity.empty()) recipient.identity = recipient.mailbox;
  for (const AcceptedRecipient& other : recipients)
    if (other.identity == recipient.identity) return;
  recipients.push_back(std::move(recipient));
}

bool Attempt::has_mailbox(std::string_view mailbox) const {
  auto is_it = [&](const AcceptedRecipient& recipient) { return recipient.mailbox == mailbox; };
  return std::ranges::any_of(recipients, is_it) ||
         std::ranges::any_of(unanswered_recipients, is_it);
}

std::vector<std::string_view> Attempt::mailboxes() const {
  std::vector<std::string_view> result;
  for (const AcceptedRecipient& recipient : recipients)
    if (std::ranges::find(result, recipient.mailbox) == result.end())
      result.push_back(recipient.mailbox);
  return result;
}

Attempt& Ledger::begin(unsigned client, SimulatedUs now_us) {
  Attempt& attempt = attempts_.emplace_back();
  attempt.number = attempts_.size() - 1;
  attempt.client = client;
  attempt.begun_us = now_us;
  return attempt;
}

std::uint64_t Ledger::count(Attempt::State state) const {
  return static_cast<std::uint64_t>(std::ranges::count(attempts_, state, &Attempt::state));
}

}  // namespace gatepost::simulation
