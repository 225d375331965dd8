#include "sink/maildir_message.hpp"

#include <algorithm>
#include <cstring>

namespace gatepost {
namespace {

// What a recycled message may keep allocated.
constexpr std::size_t vectors_kept_max = 64;
constexpr std::size_t targets_kept_max = 16;

}  // namespace

void MessageContent::append(Slice slice) {
  if (slice.empty()) return;
  if (!slice.pooled() || slice.size() <= copied_size_max) {
    append_copy({reinterpret_cast<const char*>(slice.data()), slice.size()});
    return;
  }
  size_ += slice.size();
  vectors_.push_back({slice.data(), slice.size()});
  slices_.push_back(std::move(slice));
}

void MessageContent::append_copy(std::string_view octets) {
  size_ += octets.size();
  while (!octets.empty()) {
    if (chunk_used_ == chunk_size) {
      chunks_.push_back(std::make_unique_for_overwrite<char[]>(chunk_size));
      chunk_used_ = 0;
    }
    char* const target = chunks_.back().get() + chunk_used_;
    const std::size_t size = std::min(octets.size(), chunk_size - chunk_used_);
    std::memcpy(target, octets.data(), size);
    if (!vectors_.empty() &&
        static_cast<char*>(vectors_.back().iov_base) + vectors_.back().iov_len == target) {
      vectors_.back().iov_len += size;
    } else {
      vectors_.push_back({target, size});
    }
    chunk_used_ += size;
    octets.remove_prefix(size);
  }
}

void MessageContent::clear() {
  size_ = 0;
  if (vectors_.capacity() > vectors_kept_max) {
    std::vector<iovec>().swap(vectors_);
    std::vector<Slice>().swap(slices_);
  }
  vectors_.clear();
  slices_.clear();
  if (chunks_.size() > 1) chunks_.resize(1);
  chunk_used_ = chunks_.empty() ? chunk_size : 0;
}

void MessageContent::swap(MessageContent& other) noexcept {
  vectors_.swap(other.vectors_);
  slices_.swap(other.slices_);
  chunks_.swap(other.chunks_);
  std::swap(chunk_used_, other.chunk_used_);
  std::swap(size_, other.size_);
}

void MaildirMessage::reset() {
  GP_CHECK(!file.valid());
  token = 0;
  side = Side::shard;
  committed = false;
  paused = false;
  gathered.clear();
  in_writing = 0;
  target_of_recipient.clear();
  aborted.store(false, std::memory_order_relaxed);
  next = nullptr;
  writing.clear();
  finish = false;
  finished = false;
  name.clear();
  if (targets.size() > targets_kept_max) std::vector<MaildirTarget>().swap(targets);
  targets.clear();
  file_size = 0;
  home = 0;
  home_mailbox.reset();
  temporary_name = false;
  linked_name.clear();
  streamed = false;
  failure = {};
  in_doubt = false;
}

}  // namespace gatepost
