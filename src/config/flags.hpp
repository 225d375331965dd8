// The table of all flags: what each is called, means, allows, and where its value goes. The command
// line, the configuration file and --help are all read off this table.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/config.hpp"

namespace gatepost::config {

enum class FlagKind {
  value,   // given once: --timeout 300s, timeout = "300s"
  list,    // may be repeated: --listen A --listen B, listen = ["A", "B"]
  on_off,  // --chunking, --no-chunking, chunking = true
};

struct Flag {
  std::string_view name;  // without the dashes
  FlagKind kind;
  std::string_view topic;
  std::string_view value_name;  // "SIZE"; empty for on_off
  std::string_view help;
  // Takes one value ("true" or "false" for on_off). The error says what is allowed.
  std::function<Result<Done>(Config&, std::string_view)> apply;
  // The value as it would be written; for lists separated by ", ". Of a default Config: the
  // default.
  std::function<std::string(const Config&)> show;
  // list only: forgets the default before the first value is applied.
  std::function<void(Config&)> clear = {};
  // What --help says of the default where show() of a default Config says too little.
  std::string_view default_note = {};
};

// By topic, in the order of --help.
std::span<const Flag> all_flags();
// nullptr: no such flag.
const Flag* find_flag(std::string_view name);
// The flag that `name` was probably meant to be; empty when none is near.
std::string_view nearest_flag(std::string_view name);

}  // namespace gatepost::config
