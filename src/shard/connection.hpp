// What a shard keeps per TCP peer: one slot of a table that is laid out at start.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "buffer/buffer_pool.hpp"
#include "gatepost/sink.hpp"
#include "observe/event_log.hpp"
#include "policy/admission.hpp"
#include "ring/ring.hpp"
#include "smtp/session.hpp"

namespace gatepost::shard {

// Slices in order, in nodes that a shard recycles: a connection without any costs two pointers.
class SlicePool;
class SliceQueue {
 public:
  bool empty() const { return first_ == nullptr; }
  std::uint32_t count() const { return count_; }

 private:
  friend class SlicePool;
  struct Node {
    Slice slice;
    Node* next = nullptr;
  };
  Node* first_ = nullptr;
  Node* last_ = nullptr;
  std::uint32_t count_ = 0;
};

class SlicePool {
 public:
  void push_back(SliceQueue& queue, Slice slice);
  void push_front(SliceQueue& queue, Slice slice);
  Slice pop_front(SliceQueue& queue);
  void clear(SliceQueue& queue);

 private:
  SliceQueue::Node* take(Slice slice);
  std::vector<std::unique_ptr<SliceQueue::Node>> all_;
  std::vector<SliceQueue::Node*> idle_;
};

// Why a connection does not work on its input just now.
enum Blocked : std::uint8_t {
  blocked_commit = 1,  // the sink's receipt is awaited
  blocked_sleep = 2,   // an error reply is held back
  blocked_output = 4,  // the peer does not read its replies
  blocked_sink = 8     // the sink asked for a pause
};

enum class Stage : std::uint8_t {
  free,
  arriving,  // its peer's address is not known yet
  open,
  lingering,  // all said, our side shut; reads until the peer ends too
  closing     // the descriptor is being given up
};

// The message between open() and its reply.
struct MessageRecord {
  SinkMessage* sink_message = nullptr;
  MessageId id;
  MonotonicNs begun_ns = 0;
  MonotonicNs commit_ns = 0;
};

// Replies that did not fit into the socket, or wait for a delay.
struct StalledReplies {
  std::string sending;  // the kernel reads it: not to be touched before its completion
  std::string waiting;  // behind that
};

struct Connection {
  // --- One cache line that every completion touches ---
  ring::Descriptor descriptor;
  std::uint32_t generation = 0;
  Stage stage = Stage::free;
  std::uint8_t blocked = 0;
  bool recv_armed = false;
  bool recv_cancelled = false;
  bool peer_ended = false;  // its FIN was read
  bool broken = false;      // reset, or a send failed for good: nothing can be said any more
  bool close_due = false;   // close once the replies are out
  bool flush_due = false;   // stands in the shard's list
  bool resume_due = false;  // stands in the shard's list
  bool starved = false;     // waits for receive buffers
  bool counted = false;     // among the sessions
  bool said_quit = false;
  bool input_behind = false;  // octets were left in the socket when its last buffer was full
  bool shutting = false;      // a shutdown is in the kernel: the descriptor must stay until then
  bool close_behind = false;  // close when it is done
  bool retired = false;       // counted and logged as ended
  std::uint8_t last_verb = no_verb;
  std::uint8_t operations = 0;    // in the kernel, a recv not counted
  std::uint32_t output_cost = 0;  // of all sends so far (shard_output.cpp)
  std::uint32_t reply_size = 0;
  std::uint32_t sent_size = 0;
  char* reply = nullptr;    // this loop's, in the arena being filled
  char* sent = nullptr;     // the last loop's, in the other arena
  SliceQueue held;          // input not worked on yet
  SliceQueue held_content;  // content whose fate the session does not know yet
  std::unique_ptr<StalledReplies> stalled;
  std::uint64_t waiting_since_ms = 0;  // when blocked_output, or `starved`, came

  MessageRecord message;
  MonotonicNs accepted_ns = 0;
  std::uint64_t content_deadline_ms = 0;  // by the minimum data rate; 0: not looked at yet
  policy::Address address{};
  std::uint16_t port = 0;
  std::uint8_t address_text_size = 0;
  std::array<char, 46> address_text{};
  std::array<observe::VerbCount, smtp::verb_count> counts{};

  // Values of last_verb beside those of smtp::Verb.
  static constexpr std::uint8_t no_verb = 255;
  static constexpr std::uint8_t end_of_message = 254;

  std::string_view address_view() const { return {address_text.data(), address_text_size}; }

  // The dialogue, made in place when the peer is known.
  bool has_session = false;
  alignas(smtp::Session) std::byte session_memory[sizeof(smtp::Session)];
  smtp::Session& session() {
    return *std::launder(reinterpret_cast<smtp::Session*>(session_memory));
  }
};

// The whole slot of an idle connection must stay small: figures in README.
static_assert(sizeof(Connection) <= 1024);

// Slots 0 .. count-1. Memory is reserved at start and touched slot by slot.
class ConnectionTable {
 public:
  explicit ConnectionTable(std::uint32_t count);
  ~ConnectionTable();
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;

  std::uint32_t count() const { return count_; }
  std::uint32_t in_use() const { return in_use_; }
  // A free slot with a new generation, or nullptr when all are taken.
  Connection* take(std::uint32_t& slot);
  void give_back(std::uint32_t slot);
  Connection& at(std::uint32_t slot) {
    GP_CHECK(slot < count_);
    return slots_[slot];
  }
  // The slot's connection when it is still the one that `tag` was made for.
  Connection* find(const ring::Tag& tag) {
    if (tag.slot >= count_) return nullptr;
    Connection& connection = slots_[tag.slot];
    return connection.stage != Stage::free && connection.generation == tag.generation ? &connection
                                                                                      : nullptr;
  }
  std::uint32_t slot_of(const Connection& connection) const {
    return static_cast<std::uint32_t>(&connection - slots_);
  }
  // One past the highest slot ever used.
  std::uint32_t used_end() const { return fresh_; }

 private:
  std::uint32_t count_;
  std::uint32_t in_use_ = 0;
  std::uint32_t fresh_ = 0;  // slots from here on were never used
  Connection* slots_;
  std::vector<std::uint32_t> idle_;
};

}  // namespace gatepost::shard
