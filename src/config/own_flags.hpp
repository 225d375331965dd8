// Flags whose values have a form of their own: rows of the table in flag_table.cpp that are made
// with none of flag_kinds.hpp.
#pragma once

#include <string_view>

#include "config/flags.hpp"

namespace gatepost::config {

// The headings of --help.
namespace topics {
inline constexpr std::string_view receiving = "Receiving";
inline constexpr std::string_view recipients = "Recipients";
inline constexpr std::string_view limits = "Limits and timeouts";
inline constexpr std::string_view delivery = "Delivery";
inline constexpr std::string_view performance = "Performance";
inline constexpr std::string_view logging = "Logging and metrics";
}  // namespace topics

Flag listen_flag();
Flag hostname_flag();
Flag accept_domain_flag();
Flag recipients_flag();
Flag recipient_delimiter_flag();
Flag sink_flag();
Flag pin_flag();
Flag buffer_size_flag();
Flag metrics_listen_flag();

}  // namespace gatepost::config
