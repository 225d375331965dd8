// How an event lies in a writer's ring. Private to the log: written by event_writer.cpp, read by
// event_lines.cpp.
//
// A record is a RecordHeader, `number_count` numbers of 8 octets, then `string_count` strings, each
// a length of 2 octets (top bit: the string was cut) and its octets. Records begin at multiples of
// 8 and never wrap around the ring's end: a record of kind `padding` fills what is left there.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/check.hpp"
#include "observe/event_log.hpp"

namespace gatepost::observe {

enum class EventKind : std::uint8_t {
  padding,
  connect,
  refuse,
  disconnect,
  message,
  reject,
  note,
  session_note
};

// All that is sure to be there of a padding record, which may be as short as this.
struct RecordStart {
  std::uint32_t size = 0;  // of the whole record, a multiple of 8
  EventKind kind = EventKind::padding;
  LogLevel level = LogLevel::info;
  std::uint8_t number_count = 0;
  std::uint8_t string_count = 0;
};
static_assert(sizeof(RecordStart) == 8);

struct RecordHeader : RecordStart {
  std::uint64_t time_us = 0;
};
static_assert(sizeof(RecordHeader) == 16);

constexpr std::uint16_t cut_flag = 0x8000;
static_assert(logged_string_length_max < cut_flag);

struct RecordString {
  std::string_view text;
  bool cut = false;
};

// Walks through one record. Asking for more numbers or strings than there are gives 0 and "".
class RecordReader {
 public:
  explicit RecordReader(const std::uint8_t* record) {
    std::memcpy(&header_, record, sizeof header_);
    numbers_ = record + sizeof header_;
    strings_ = numbers_ + 8u * header_.number_count;
  }

  const RecordHeader& header() const { return header_; }
  unsigned numbers_left() const { return header_.number_count - numbers_taken_; }
  unsigned strings_left() const { return header_.string_count - strings_taken_; }

  std::uint64_t number() {
    std::uint64_t value = 0;
    if (numbers_left() == 0) return value;
    std::memcpy(&value, numbers_ + 8u * numbers_taken_++, sizeof value);
    return value;
  }
  RecordString string() {
    if (strings_left() == 0) return {};
    ++strings_taken_;
    std::uint16_t length;
    std::memcpy(&length, strings_, sizeof length);
    RecordString result{{reinterpret_cast<const char*>(strings_ + sizeof length),
                         static_cast<std::size_t>(length & ~cut_flag)},
                        (length & cut_flag) != 0};
    strings_ += sizeof length + result.text.size();
    return result;
  }

 private:
  RecordHeader header_;
  const std::uint8_t* numbers_;
  const std::uint8_t* strings_;
  unsigned numbers_taken_ = 0;
  unsigned strings_taken_ = 0;
};

// What one writer has recorded and its reader has not yet taken. The reader's thread.
class EventCursor {
 public:
  explicit EventCursor(EventWriter& writer)
      : writer_(&writer),
        head_(writer.head_.load(std::memory_order_relaxed)),
        tail_(writer.tail_.load(std::memory_order_acquire)) {}

  EventWriter& writer() const { return *writer_; }
  // Goes on to the next record that had been there when the cursor was made, and gives the room of
  // those before it back to the writer. False: there is none.
  bool next() {
    for (;;) {
      head_ += size_;
      writer_->head_.store(head_, std::memory_order_release);
      size_ = 0;
      if (head_ == tail_) return false;
      RecordStart start;
      std::memcpy(&start, record(), sizeof start);
      GP_CHECK(start.size >= 8 && start.size % 8 == 0 && start.size <= tail_ - head_);
      size_ = start.size;
      if (start.kind == EventKind::padding) continue;
      time_us_ = RecordReader(record()).header().time_us;
      return true;
    }
  }
  // After next() was true.
  const std::uint8_t* record() const {
    return writer_->ring_.get() + (head_ & (writer_->capacity_ - 1));
  }
  WallUs time_us() const { return time_us_; }

 private:
  EventWriter* writer_;
  std::uint64_t head_;
  std::uint64_t tail_;
  std::uint32_t size_ = 0;  // of the record at head_
  WallUs time_us_ = 0;
};

}  // namespace gatepost::observe
