// What somebody meant who wrote a name that there is not.
#pragma once

#include <span>
#include <string_view>

namespace gatepost {

// The one of `names` that `name` is a slip of the pen for: spelled nearly the same, or containing
// it. Empty where there is none, or where `name` is empty or longer than any name.
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> names);

}  // namespace gatepost
