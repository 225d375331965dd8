#include "base/message_id.hpp"

#include "base/check.hpp"

namespace gatepost {
namespace {

constexpr char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::uint32_t sequence_count = 36 * 36 * 36 * 36;
constexpr unsigned shards_max = 36 * 36;

void write_base36(char* first, std::size_t length, std::uint64_t value) {
  for (std::size_t i = length; i-- > 0; value /= 36) first[i] = digits[value % 36];
}

}  // namespace

MessageIdGenerator::MessageIdGenerator(unsigned shard) : shard_(shard) {
  GP_CHECK(shard < shards_max);
}

MessageId MessageIdGenerator::next(WallUs now) {
  if (now > last_us_) last_us_ = now;
  if (++sequence_ == sequence_count) {
    // The order must hold over the wrap: the sequence is less significant than the time, so the
    // time moves on.
    sequence_ = 0;
    ++last_us_;
  }
  MessageId id;
  write_base36(id.text.data(), 10, last_us_);
  write_base36(id.text.data() + 10, 2, shard_);
  write_base36(id.text.data() + 12, 4, sequence_);
  return id;
}

}  // namespace gatepost
