// Recipients from a pattern: user{1-50}@example.org stands for fifty mailboxes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gatepost::load {

// Whether `address` can be sent as <address> without quoting: one @, a dot-atom local-part (RFC
// 5321 §4.1.2), a domain of letters, digits, hyphens and dots or a literal in brackets. So neither
// a source route (§3.3), nor an octet that would need escaping in a ledger line.
bool is_plain_address(std::string_view address);

// Adds the mailboxes that `pattern` stands for to `mailboxes`. At most one {FIRST-LAST}, in the
// local-part or the domain. Fails on anything else than plain addresses, and beyond
// limits::mailboxes_max in all.
Result<Done> expand_addresses(std::string_view pattern, std::vector<std::string>& mailboxes);

}  // namespace gatepost::load
