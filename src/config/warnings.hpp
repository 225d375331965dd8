// What an operator should hear about settings that are allowed and perhaps not meant.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "observe/event_log.hpp"
#include "policy/recipients.hpp"

namespace gatepost::config {

struct Warning {
  // error where mail is lost or the set-up is a trial's: nobody shall miss that by --log-level.
  observe::LogLevel level = observe::LogLevel::warn;
  std::string text;  // one line
};

// Of the flags alone.
std::vector<Warning> flag_warnings(const Config& config);
// Of what the files of domains and recipients say, so after each reload again.
std::vector<Warning> recipient_warnings(const Config& config, const policy::RecipientTable& table);

// How much there is in the table: "12,034 addresses, 3 domains".
std::string recipients_text(const Config& config, const policy::RecipientTable& table);

}  // namespace gatepost::config
