// Replies to sockets.
//
// All replies of a loop to one peer go out with one send that completes only when it fails. When
// the socket has no room the rest is kept aside, sent with one that waits, and nothing more is read
// from that peer until it is out (PIPE-15, E10).

#include <algorithm>
#include <cerrno>

#include "shard/shard.hpp"

namespace gatepost::shard {
namespace {

// What a send occupies of a socket's buffer at least, however few octets it has (sk_buff
// and its page), and what fits into the smallest buffer that sockets have by default (tcp_wmem in
// tcp(7)) even when the peer has acknowledged nothing: a short session closes without asking.
constexpr std::uint32_t send_cost_min = 1280;
constexpr std::uint32_t fits_for_certain = 14 * 1024;

}  // namespace

void Shard::put(Connection& connection, std::string_view octets) {
  connection.reply = arenas_[arena_].append(connection.reply, connection.reply_size, octets);
  connection.reply_size += static_cast<std::uint32_t>(octets.size());
  want_flush(connection);
}

void Shard::want_flush(Connection& connection) {
  if (connection.flush_due) return;
  connection.flush_due = true;
  flush_list_.push_back(&connection);
}

void Shard::want_resume(Connection& connection) {
  if (connection.resume_due) return;
  connection.resume_due = true;
  resume_list_.push_back(&connection);
}

// Its replies go out in this loop; only then it goes on.
void Shard::resume_in_next_loop(Connection& connection) {
  if (connection.resume_due) return;
  connection.resume_due = true;
  resume_next_.push_back(&connection);
}

void Shard::flush_replies() {
  // Flushing may end connections, and their last words may add to the list: by index, not iterator.
  for (std::size_t i = 0; i < flush_list_.size(); ++i) {
    flush_list_[i]->flush_due = false;
    flush(*flush_list_[i]);
  }
  flush_list_.clear();
  // What was sent from the other arena was submitted with the last loop.
  arena_ ^= 1;
  arenas_[arena_].clear();
}

void Shard::flush(Connection& connection) {
  if (connection.stage == Stage::free || connection.stage == Stage::closing) return;
  bool may_fail = false;
  if (connection.reply_size > 0 && !connection.broken) {
    if ((connection.blocked & (blocked_sleep | blocked_output)) != 0) {
      stall(connection, connection.reply, connection.reply_size);
    } else {
      ring_->send_now(connection.descriptor, connection.reply, connection.reply_size,
                      tag(op_send, connection));
      connection.sent = connection.reply;
      connection.sent_size = connection.reply_size;
      flushed_.push_back(&connection);
      connection.output_cost += std::max(connection.reply_size, send_cost_min);
      may_fail = connection.output_cost > fits_for_certain;
    }
  }
  connection.reply = nullptr;
  connection.reply_size = 0;
  if (connection.close_due && (connection.blocked & (blocked_output | blocked_sleep)) == 0) {
    // That a send did not get everything out shows in the next loop. Until then the socket stays.
    if (may_fail) {
      closing_.push_back(&connection);
      return;
    }
    connection.close_due = false;
    linger(connection);
  }
}

// Keeps octets that can't be sent now behind those that are kept already.
void Shard::stall(Connection& connection, const char* octets, std::size_t size) {
  if (connection.stalled == nullptr) connection.stalled = std::make_unique<StalledReplies>();
  connection.stalled->waiting.append(octets, size);
}

void Shard::send_stalled(Connection& connection) {
  StalledReplies& stalled = *connection.stalled;
  GP_CHECK(stalled.sending.empty());
  stalled.sending.swap(stalled.waiting);
  if ((connection.blocked & blocked_output) == 0) connection.waiting_since_ms = now_ms_;
  connection.blocked |= blocked_output;
  ++connection.operations;
  ring_->send_all(connection.descriptor, stalled.sending.data(), stalled.sending.size(),
                  tag(op_send_all, connection));
  set_blocked_deadline(connection);
}

// A send_now that did not get everything out.
void Shard::on_send(Connection& connection, const ring::Completion& completion) {
  if (connection.stage == Stage::closing) return;
  std::size_t done = completion.result > 0 ? static_cast<std::size_t>(completion.result) : 0;
  if (completion.result < 0 && completion.result != -EAGAIN) {
    lost(connection, "lost connection");
    return;
  }
  if (connection.sent == nullptr || done > connection.sent_size) {
    // Told too late (the completion queue had overflowed): the octets are gone.
    lost(connection, "lost connection");
    return;
  }
  counters_.send_stalls.add();
  stall(connection, connection.sent + done, connection.sent_size - done);
  send_stalled(connection);
}

void Shard::on_send_all(Connection& connection, const ring::Completion& completion) {
  GP_CHECK(connection.operations > 0);
  --connection.operations;
  if (connection.stage == Stage::closing) {
    finish_close(connection);
    return;
  }
  if (completion.result < 0 ||
      static_cast<std::size_t>(completion.result) < connection.stalled->sending.size()) {
    lost(connection, "lost connection");
    return;
  }
  connection.stalled->sending.clear();
  if (!connection.stalled->waiting.empty()) {
    send_stalled(connection);
    return;
  }
  connection.stalled.reset();
  want_flush(connection);
  unblock(connection, blocked_output);
}

}  // namespace gatepost::shard
