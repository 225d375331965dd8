#include "simulation/reply_parser.hpp"

#include <algorithm>
#include <utility>

namespace gatepost::simulation {
namespace {

constexpr std::size_t reply_line_max = 512;  // with CRLF

bool digit(char c, char low, char high) {
  return c >= low && c <= high;
}

bool text_octet(char c) {
  return c == '\t' || (c >= ' ' && c <= '~');
}

// The enhanced code that a text begins with: class.subject.detail and a space (RFC 2034 §4).
std::string_view enhanced_code(std::string_view text) {
  const std::string_view word = text.substr(0, text.find(' '));
  std::size_t dots = 0;
  std::size_t digits = 0;
  for (const char c : word) {
    if (c == '.') {
      if (digits == 0) return {};
      ++dots;
      digits = 0;
    } else if (digit(c, '0', '9')) {
      ++digits;
    } else {
      return {};
    }
  }
  return dots == 2 && digits > 0 ? word : std::string_view();
}

}  // namespace

std::string_view Reply::text() const {
  std::string_view last = lines.back();
  if (!enhanced.empty()) last.remove_prefix(std::min(last.size(), enhanced.size() + 1));
  return last;
}

std::string Reply::shown() const {
  return "\"" + std::to_string(code) + " " + lines.back() + "\"";
}

std::string ReplyParser::take(std::string_view octets, std::vector<Reply>& replies) {
  for (const char octet : octets) {
    line_ += octet;
    if (line_.size() > reply_line_max) return "a reply line of more than 512 octets";
    if (octet != '\n') continue;
    if (!line_.ends_with("\r\n")) return "a reply line that does not end with CRLF";
    line_.resize(line_.size() - 2);
    if (std::string wrong = take_line(replies); !wrong.empty()) return wrong;
    line_.clear();
  }
  return {};
}

std::string ReplyParser::take_line(std::vector<Reply>& replies) {
  if (line_.size() < 4 || !digit(line_[0], '2', '5') || !digit(line_[1], '0', '5') ||
      !digit(line_[2], '0', '9') || (line_[3] != ' ' && line_[3] != '-'))
    return "a line that is no reply: \"" + line_ + "\"";
  if (!std::all_of(line_.begin(), line_.end(), text_octet))
    return "a reply with an octet that its text may not have";
  const auto code =
      static_cast<std::uint16_t>((line_[0] - '0') * 100 + (line_[1] - '0') * 10 + (line_[2] - '0'));
  const std::string_view text = std::string_view(line_).substr(4);
  const std::string_view enhanced = enhanced_code(text);
  if (reply_.lines.empty()) {
    reply_.code = code;
    reply_.enhanced = enhanced;
  } else if (reply_.code != code) {
    return "a reply of several lines whose codes differ";
  } else if (reply_.enhanced != enhanced) {
    return "a reply of several lines whose enhanced codes differ";
  }
  if (!enhanced.empty() && enhanced[0] != line_[0])
    return "an enhanced code of another class: \"" + line_ + "\"";
  reply_.lines.emplace_back(text);
  if (line_[3] == ' ') replies.push_back(std::exchange(reply_, {}));
  return {};
}

}  // namespace gatepost::simulation
