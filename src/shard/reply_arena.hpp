// Where the replies of one loop are written: each connection's stand in one piece, so that they go
// out with one send, and all of it is free again once the submission has returned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "base/bounds.hpp"
#include "base/check.hpp"

namespace gatepost::shard {

class ReplyArena {
 public:
  // `piece` was returned by an earlier append since the last clear (nullptr: nothing yet) and holds
  // `size` octets. Returns where the piece with `more` behind it stands now.
  char* append(char* piece, std::size_t size, std::string_view more) {
    if (piece != nullptr && piece + size == chunk_end() && more.size() <= room()) {
      std::memcpy(chunk_end(), more.data(), more.size());
      used_ += more.size();
      return piece;
    }
    if (size + more.size() > room()) next_chunk(size + more.size());
    char* moved = chunk_end();
    if (piece != nullptr) std::memcpy(moved, piece, size);
    std::memcpy(moved + size, more.data(), more.size());
    used_ += size + more.size();
    return moved;
  }
  void clear() {
    current_ = 0;
    used_ = 0;
  }

 private:
  static constexpr std::size_t chunk_size = 256 * 1024;
  static_assert(chunk_size > bounds::pending_reply_bytes_max + 2 * bounds::reply_line_length_max);

  char* chunk_end() { return chunks_.empty() ? nullptr : chunks_[current_].get() + used_; }
  std::size_t room() const { return chunks_.empty() ? 0 : chunk_size - used_; }
  void next_chunk(std::size_t needed) {
    GP_CHECK(needed <= chunk_size);
    if (!chunks_.empty()) ++current_;
    if (current_ == chunks_.size()) chunks_.push_back(std::make_unique<char[]>(chunk_size));
    used_ = 0;
  }

  std::vector<std::unique_ptr<char[]>> chunks_;
  std::size_t current_ = 0;
  std::size_t used_ = 0;
};

}  // namespace gatepost::shard
