// The server's replies, out of octets that come in any pieces (RFC 5321 §4.2).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "load/limits.hpp"

namespace gatepost::load {

// One line of a reply. `text` is what follows the code and its separator, without the line end;
// valid during the call that passes it.
struct ReplyLine {
  int code = 0;  // 200..599
  bool last = false;
  std::string_view text;
};

// One per connection. Bounded: a line is never longer than limits::reply_line_length_max, a reply
// never has more than limits::reply_lines_max lines.
class ReplyParser {
 public:
  void reset() { held_ = 0, code_ = 0, lines_ = 0; }

  // Takes octets off the front of `octets` up to and with the first line end. Returns `line` when a
  // line was completed, `more` when all octets are taken and more are needed, `malformed` when
  // this is not SMTP; then the connection is of no use any more.
  enum class Outcome : std::uint8_t { line, more, malformed };
  Outcome next(std::string_view& octets, ReplyLine& line) {
    const void* end = std::memchr(octets.data(), '\n', octets.size());
    if (end == nullptr || held_ > 0) return next_in_parts(octets, line, end);
    auto length = static_cast<std::size_t>(static_cast<const char*>(end) - octets.data());
    std::string_view text = octets.substr(0, length);
    octets.remove_prefix(length + 1);
    return parse(text, line);
  }

 private:
  Outcome next_in_parts(std::string_view& octets, ReplyLine& line, const void* end);
  Outcome parse(std::string_view text, ReplyLine& line);

  int code_ = 0;  // of the reply whose lines are being read; 0 between replies
  unsigned lines_ = 0;
  std::size_t held_ = 0;
  std::array<char, limits::reply_line_length_max>
      hold_;  // the front of a line whose end is still to come
};

}  // namespace gatepost::load
