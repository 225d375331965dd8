// Message ids: 16 letters and digits, ordered by time, unique over shards and restarts of one host.
//
// Layout, base 36, upper case, most significant digit first:
//   10 digits  microseconds since 1970 (good until the year 2085)
//    2 digits  shard number (0..1295)
//    4 digits  sequence, counted on over the life of the process
// Ids of one shard strictly increase even when the wall clock is set back: the generator never goes
// below the last time it used.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bounds.hpp"
#include "base/clock.hpp"

namespace gatepost {

struct MessageId {
  std::array<char, bounds::message_id_length> text{};
  std::string_view view() const { return {text.data(), text.size()}; }
  friend bool operator==(const MessageId&, const MessageId&) = default;
};

// One per shard; used on its thread only.
class MessageIdGenerator {
 public:
  // shard: 0..1295.
  explicit MessageIdGenerator(unsigned shard);
  // The next id for a message that arrives at `now`.
  MessageId next(WallUs now);

 private:
  unsigned shard_;
  WallUs last_us_ = 0;
  std::uint32_t sequence_ = 0;
};

}  // namespace gatepost
