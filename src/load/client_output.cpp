// What a ClientSession sends: commands, and content by reference.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/check.hpp"
#include "load/client_session.hpp"
#include "load/limits.hpp"

namespace gatepost::load {

void ClientSession::clear_output() {
  text_.clear();
  segments_.clear();
  chunk_ends_.clear();
  next_segment_ = window_end_ = octets_left_ = 0;
}

void ClientSession::append_command(std::string_view command) {
  text_ += command;
}

void ClientSession::send_command(std::string_view command, Awaiting awaiting) {
  clear_output();
  append_command(command);
  flush_text();
  ends_message_ = false;
  awaiting_ = awaiting;
}

// MAIL, or the next RCPT; all of them and DATA when they are to go out as one group. Paths never
// have source routes (RFC 5321 §3.3), SIZE= only where it was offered (§4.1.1.3).
void ClientSession::append_envelope(bool all) {
  auto out = std::back_inserter(text_);
  if (all || awaiting_ == Awaiting::none) {
    fmt::format_to(out, "MAIL FROM:<{}>", settings_->from);
    if (size_) fmt::format_to(out, " SIZE={}", message_.content.size);
    append_command("\r\n");
    if (!all) return;
  }
  auto append_recipient = [&](std::uint32_t mailbox) {
    append_command("RCPT TO:<");
    append_command(settings_->mailboxes[mailbox]);
    append_command(">\r\n");
  };
  if (!all) return append_recipient(message_.recipients[recipient_]);
  for (std::uint32_t mailbox : message_.recipients) append_recipient(mailbox);
  // BDAT waits for the recipients' replies: content for nobody would be wasted on both sides.
  if (!chunking_) append_command("DATA\r\n");
}

// Makes text_ the output. It must not grow any more until clear_output().
void ClientSession::flush_text() {
  segments_.push_back({text_.data(), text_.size()});
  octets_left_ += text_.size();
  window_end_ = segments_.size();
}

// Appends the content in `form`, but no more than `most` octets of it.
void ClientSession::compose_content(Form form, std::uint64_t most) {
  auto append = [&](std::string_view piece) {
    std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), most));
    if (size == 0) return;
    segments_.push_back({piece.data(), size});
    octets_left_ += size;
    most -= size;
  };
  append(message_.content.header);
  settings_->text->for_each_piece(message_.content.body, form, append);
  content_started_ = true;
}

void ClientSession::compose_data() {
  clear_output();
  awaiting_ = Awaiting::content;
  cutting_ = cuts_content(message_.kind);
  if (cutting_) {
    compose_content(Form::stuffed, message_.content.size / 2);
  } else {
    compose_content(Form::stuffed, ~std::uint64_t{0});
    segments_.push_back({end_of_data.data(), end_of_data.size()});
    octets_left_ += end_of_data.size();
    ends_message_ = true;
  }
  window_end_ = segments_.size();
}

// All chunks at once where commands may be pipelined; else the window moves on with each reply
// (RFC 3030 §2). A broken client announces everything in one chunk and sends half of it.
void ClientSession::compose_chunks() {
  clear_output();
  awaiting_ = Awaiting::bdat;
  cutting_ = cuts_content(message_.kind);
  std::uint64_t size = message_.content.size;
  std::uint64_t chunk_size = settings_->chunk_size == 0 || cutting_ ? size : settings_->chunk_size;
  chunk_size = std::max(chunk_size, (size + limits::chunks_max - 1) / limits::chunks_max);
  auto chunks = static_cast<std::size_t>((size + chunk_size - 1) / chunk_size);

  // The chunks' commands first, so that text_ stays where it is.
  std::vector<std::size_t> command_ends;
  for (std::size_t i = 0; i < chunks; ++i) {
    bool last = i + 1 == chunks;
    fmt::format_to(std::back_inserter(text_), "BDAT {}{}\r\n",
                   last ? size - i * chunk_size : chunk_size, last ? " LAST" : "");
    command_ends.push_back(text_.size());
  }
  std::size_t chunk = 0;
  std::uint64_t room = 0;
  auto open_chunk = [&] {
    std::size_t begin = chunk == 0 ? 0 : command_ends[chunk - 1];
    segments_.push_back({text_.data() + begin, command_ends[chunk] - begin});
    octets_left_ += command_ends[chunk] - begin;
    room = chunk_size;
    ++chunk;
  };
  std::uint64_t left = cutting_ ? size / 2 : size;
  auto append = [&](std::string_view piece) {
    while (!piece.empty() && left > 0) {
      if (room == 0) {
        if (chunk > 0) chunk_ends_.push_back(segments_.size());
        open_chunk();
      }
      auto take = static_cast<std::size_t>(std::min({std::uint64_t{piece.size()}, room, left}));
      segments_.push_back({piece.data(), take});
      octets_left_ += take;
      room -= take;
      left -= take;
      piece.remove_prefix(take);
    }
  };
  append(message_.content.header);
  settings_->text->for_each_piece(message_.content.body, Form::plain, append);
  chunk_ends_.push_back(segments_.size());
  GP_CHECK(chunk_ends_.size() == chunks);
  content_started_ = true;
  ends_message_ = !cutting_;
  chunk_replies_left_ = chunks;
  chunks_sent_ = 0;
  window_end_ = pipelined_ ? segments_.size() : chunk_ends_[0];
}

void ClientSession::consume(std::size_t octets) {
  octets_left_ -= octets;
  while (octets > 0) {
    GP_CHECK(next_segment_ < window_end_);
    Segment& segment = segments_[next_segment_];
    std::size_t take = std::min(octets, segment.size);
    segment.data += take;
    segment.size -= take;
    octets -= take;
    if (segment.size == 0) ++next_segment_;
  }
}

}  // namespace gatepost::load
