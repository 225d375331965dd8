// Turns one recorded event into its lines. Used by the log thread only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "observe/event_record.hpp"

namespace gatepost::observe {

// "2026-11-23T23:34:01.123Z"; the part up to the seconds is kept from event to event.
class TimeStamp {
 public:
  void append(std::string& out, WallUs time);

 private:
  std::uint64_t second_ = ~std::uint64_t{0};
  char prefix_[20] = {};  // "2026-11-23T23:34:01."
};

struct LineContext {
  TimeStamp& time_stamp;
  std::span<const std::string_view> verb_names;
  int shard;  // -1: the process
};

// Each appends complete lines with their line ends.
void append_text_lines(std::string& out, const std::uint8_t* record, LineContext context);
void append_json_lines(std::string& out, const std::uint8_t* record, LineContext context);

}  // namespace gatepost::observe
