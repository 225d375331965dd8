#include "load/reply_parser.hpp"

namespace gatepost::load {

ReplyParser::Outcome ReplyParser::next_in_parts(std::string_view& octets, ReplyLine& line,
                                                const void* end) {
  std::size_t take = end == nullptr
                         ? octets.size()
                         : static_cast<std::size_t>(static_cast<const char*>(end) - octets.data());
  if (take > hold_.size() - held_) return Outcome::malformed;
  std::memcpy(hold_.data() + held_, octets.data(), take);
  held_ += take;
  octets.remove_prefix(take);
  if (end == nullptr) return Outcome::more;
  octets.remove_prefix(1);
  std::string_view text(hold_.data(), held_);
  held_ = 0;
  return parse(text, line);
}

// Reply-line (RFC 5321 §4.2): three digits, of which the first is 2..5, then "-" when more lines
// follow, " " or nothing on the last one. All lines of a reply have the same code.
ReplyParser::Outcome ReplyParser::parse(std::string_view text, ReplyLine& line) {
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.size() > limits::reply_line_length_max || text.size() < 3) return Outcome::malformed;
  auto digit = [&](std::size_t i) { return text[i] - '0'; };
  if (digit(0) < 2 || digit(0) > 5 || digit(1) < 0 || digit(1) > 9 || digit(2) < 0 || digit(2) > 9)
    return Outcome::malformed;
  line.code = digit(0) * 100 + digit(1) * 10 + digit(2);
  if (text.size() > 3 && text[3] != ' ' && text[3] != '-') return Outcome::malformed;
  if (code_ != 0 && line.code != code_) return Outcome::malformed;
  line.last = text.size() == 3 || text[3] == ' ';
  line.text = text.size() > 4 ? text.substr(4) : std::string_view{};
  if (++lines_ > limits::reply_lines_max) return Outcome::malformed;
  code_ = line.last ? 0 : line.code;
  if (line.last) lines_ = 0;
  return Outcome::line;
}

}  // namespace gatepost::load
