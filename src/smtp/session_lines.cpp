// How a session takes command lines from its input: whole ones in place, others pieced together.

#include <algorithm>
#include <cstring>

#include "base/check.hpp"
#include "smtp/session.hpp"

namespace gatepost::smtp {
PartialLine* SessionPools::take_line() {
  if (idle_lines_.empty()) {
    lines_.push_back(std::make_unique<PartialLine>());
    idle_lines_.push_back(lines_.back().get());
  }
  PartialLine* line = idle_lines_.back();
  idle_lines_.pop_back();
  line->size = 0;
  return line;
}

void SessionPools::give_back(PartialLine* line) {
  idle_lines_.push_back(line);
}

void Session::release_line() {
  line_ = {};
  if (!line_done_) return;
  line_done_ = false;
  pools_.give_back(partial_);
  partial_ = nullptr;
}

// Takes the next line off the input into line_. False: there is no whole line, all input was taken
// (or the session ended over it: phase_ is closed).
bool Session::take_line(std::span<std::uint8_t>& input) {
  if (discarded_ > 0) {
    discard_line(input);
    return false;
  }
  if (partial_ != nullptr) return take_line_pieces(input);
  scan::Line line = scan::find_line(input.data(), input.size());
  if (!line.complete) return take_line_pieces(input);
  if (line.size > bounds::command_line_length_max) {
    input = input.subspan(line.size);
    refuse_long_line(line.size);
    return false;
  }
  line_ = {reinterpret_cast<const char*>(input.data()), line.size - 2};
  line_findings_ = line.findings;
  input = input.subspan(line.size);
  return true;
}

bool Session::take_line_pieces(std::span<std::uint8_t>& input) {
  if (partial_ == nullptr) partial_ = pools_.take_line();
  std::uint32_t before = partial_->size;
  std::size_t taken = std::min(input.size(), partial_->octets.size() - before);
  std::memcpy(partial_->octets.data() + before, input.data(), taken);
  partial_->size += static_cast<std::uint32_t>(taken);
  if (begins_tls_record({reinterpret_cast<const char*>(partial_->octets.data()), partial_->size})) {
    command_ = {Verb::tls_record, {}};
    close_with(config_.texts.not_smtp, Ending::not_smtp);
    return false;
  }
  scan::Line line = scan::find_line(partial_->octets.data(), partial_->size);
  if (line.complete) {
    input = input.subspan(line.size - before);
    line_ = {reinterpret_cast<const char*>(partial_->octets.data()), line.size - 2};
    line_findings_ = line.findings;
    line_done_ = true;
    return true;
  }
  input = input.subspan(taken);
  if (partial_->size < partial_->octets.size()) return false;
  // The buffer is full and the line goes on: from here on it is only looked for its end.
  discarded_ = partial_->size;
  discard_cr_ = partial_->octets[partial_->size - 1] == '\r';
  pools_.give_back(partial_);
  partial_ = nullptr;
  discard_line(input);
  return false;
}

void Session::discard_line(std::span<std::uint8_t>& input) {
  if (input.empty()) return;
  std::size_t size;
  bool complete = true;
  if (discard_cr_ && input[0] == '\n') {
    size = 1;
  } else {
    scan::Line line = scan::find_line(input.data(), input.size());
    size = line.size;
    complete = line.complete;
  }
  discard_cr_ = input[size - 1] == '\r';
  input = input.subspan(size);
  std::size_t discarded = discarded_ + size;
  if (!complete && discarded <= bounds::discarded_line_length_max) {
    discarded_ = static_cast<std::uint32_t>(discarded);
    return;
  }
  discarded_ = 0;
  discard_cr_ = false;
  refuse_long_line(discarded);
}

// size: of the line, or of what came of it so far. The bound holds however it was segmented.
void Session::refuse_long_line(std::size_t size) {
  command_ = {};
  if (size > bounds::discarded_line_length_max)
    close_with(config_.texts.line_flood, Ending::endless_line);
  else if (errors_ >= config_.settings.hard_error_limit)
    close_with(config_.texts.too_many_errors, Ending::too_many_errors);
  else
    answer(replies::line_too_long);
}

// Octets that may not stand in the command (SMG-06, R5321-2.4-07). True: it was answered.
bool Session::line_refused(const Command& command) {
  const bool greeting = command.verb == Verb::ehlo || command.verb == Verb::helo;
  if ((line_findings_ & (scan::bare_cr | scan::bare_lf)) != 0) {
    answer(greeting ? std::string_view(config_.texts.bare_newline)
                    : replies::bare_newline_in_command.wire);
    return true;
  }
  // Paths say themselves what is wrong with octets that are not ASCII (RFC 6531 §3.5).
  const bool has_path = command.verb == Verb::mail || command.verb == Verb::rcpt ||
                        command.verb == Verb::vrfy || command.verb == Verb::expn;
  const bool bad =
      (line_findings_ & scan::nul) != 0 || ((line_findings_ & scan::eight_bit) != 0 && !has_path);
  if (!bad) return false;
  answer(greeting ? std::string_view(config_.texts.bad_greeting) : replies::bad_octet.wire);
  return true;
}

}  // namespace gatepost::smtp
