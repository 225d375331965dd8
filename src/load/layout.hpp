// Where the mailbox of an address is below the directory that `verify` looks at.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gatepost::load {

// The layout with which a message may be in any mailbox.
constexpr std::string_view any_layout = "any";

// Whether `layout` is "any" or a relative path that tells mailboxes apart: {local-part} or
// {address} must be in it, {domain} may. The error says what is allowed.
Result<Done> check_layout(std::string_view layout);

// The path of an address's maildir, with the octets of its parts written as the maildir sink writes
// them.
std::string mailbox_path(std::string layout, std::string_view address);

// user@example.org for user+tag@example.org; an address without a tag as it is.
std::string without_tag(std::string_view address);

}  // namespace gatepost::load
