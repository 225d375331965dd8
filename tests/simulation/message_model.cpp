#include "simulation/message_model.hpp"

#include <algorithm>
#include <utility>

#include "simulation/message_maker.hpp"

namespace gatepost::simulation {
namespace {

constexpr std::uint64_t overrun_factor = 10;  // SIZE-12
constexpr std::size_t name_space_max = 4;     // in front of a field's colon
constexpr std::string_view token_begin = "tok-";

bool is_space(char c) {
  return c == ' ' || c == '\t';
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

// The name of the field that the line begins, without the white space in front of its colon; empty
// when the line is no field. space: that white space, in octets.
std::string_view field_name(std::string_view line, std::size_t& space) {
  std::size_t size = 0;
  while (size < line.size() && line[size] > 32 && line[size] < 127 && line[size] != ':') ++size;
  std::size_t colon = size;
  while (colon < line.size() && is_space(line[colon])) ++colon;
  space = colon - size;
  if (size == 0 || colon == line.size() || line[colon] != ':') return {};
  return line.substr(0, size);
}

bool any_bare_newline(std::string_view content) {
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (content[i] == '\r' && (i + 1 == content.size() || content[i + 1] != '\n')) return true;
    if (content[i] == '\n' && (i == 0 || content[i - 1] != '\r')) return true;
  }
  return false;
}

// What the mode normalize makes of it: a bare LF is a line end, a bare CR a space; with_dots: a dot
// behind a bare LF goes, for the sender took it for one at the beginning of a line.
std::string normalized(std::string_view content, bool with_dots) {
  std::string out;
  out.reserve(content.size() + 16);
  bool after_bare_lf = false;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const char c = content[i];
    const bool was_bare_lf = std::exchange(after_bare_lf, false);
    if (c == '\r') {
      if (i + 1 < content.size() && content[i + 1] == '\n') {
        out += "\r\n";
        ++i;
      } else {
        out += ' ';
      }
    } else if (c == '\n') {
      out += "\r\n";
      after_bare_lf = true;
    } else if (c != '.' || !was_bare_lf || !with_dots) {
      out += c;
    }
  }
  return out;
}

}  // namespace

MessageModel MessageModel::make(Random& random, const MessageProfile& profile,
                                const MessageRules& rules, std::uint64_t number, bool chunked,
                                bool only_harmless) {
  MessageMaker maker(random, profile, rules, number, chunked);
  if (only_harmless)
    maker.make_harmless();
  else
    maker.make();
  MessageModel model = of(std::move(maker.content), rules, number, !chunked);
  model.token_ = std::move(maker.token);
  model.features_ = std::move(maker.features);
  model.lone_dots_ = std::move(maker.lone_dots);
  return model;
}

MessageModel MessageModel::of(std::string content, const MessageRules& rules, std::uint64_t number,
                              bool for_data) {
  MessageModel model;
  model.content_ = std::move(content);
  model.number_ = number;
  model.for_data_ = for_data;
  model.judge(rules);
  return model;
}

void MessageModel::judge(const MessageRules& rules) {
  has_bare_newline_ = any_bare_newline(content_);
  normalized_ = has_bare_newline_ && rules.bare_newline == BareNewlineMode::normalize;
  // Whether a bare LF in DATA counts as it came or as the line end that it becomes is the server's
  // affair; BDAT says its count itself.
  const std::uint64_t octets = content_.size();
  const std::uint64_t octets_then =
      normalized_ && for_data_ ? normalized(content_, true).size() : octets;
  size_in_doubt_ = octets <= rules.size_limit && octets_then > rules.size_limit;
  unsigned hops = 0;
  look_at_header(rules.final_delivery, hops);
  if (has_bare_newline_ && !normalized_) faults_.push_back(Fault::bare_newline);
  if (octets > rules.size_limit) faults_.push_back(Fault::over_limit);
  if (hops > rules.hop_limit) faults_.push_back(Fault::too_many_hops);
  far_over_limit_ = octets_then > rules.size_limit * overrun_factor;
}

// Counts the Received fields of the header section, and finds the Return-Path fields, with the
// lines that continue them.
void MessageModel::look_at_header(bool final_delivery, unsigned& hops) {
  bool in_field = false;
  bool dropping = false;
  for (std::size_t at = 0; at < content_.size();) {
    const std::size_t found = content_.find("\r\n", at);
    const std::size_t line_end = found == std::string::npos ? content_.size() : found + 2;
    const std::string_view line =
        std::string_view(content_).substr(at, (found == std::string::npos ? line_end : found) - at);
    if (!line.empty() && is_space(line[0]) && in_field) {
      if (dropping) dropped_.back().size += line_end - at;
    } else {
      std::size_t space = 0;
      const std::string_view name = field_name(line, space);
      if (name.empty()) return;
      in_field = true;
      if (same_name(name, "Received")) ++hops;
      dropping = final_delivery && same_name(name, "Return-Path") && space <= name_space_max;
      if (dropping) dropped_.push_back({at, line_end - at});
    }
    at = line_end;
  }
}

std::string MessageModel::data_form() const {
  std::string wire;
  wire.reserve(content_.size() + content_.size() / 32 + 16);
  auto lone = lone_dots_.begin();
  std::size_t done = 0;
  // Line by line: only the beginning of one can need a dot.
  for (std::size_t at = 0; at <= content_.size();) {
    if (lone != lone_dots_.end() && *lone == at) {
      wire += '.';
      ++lone;
    } else if (at < content_.size() && content_[at] == '.') {
      wire += '.';
    }
    const std::size_t found = content_.find("\r\n", at);
    const std::size_t next = found == std::string::npos ? content_.size() : found + 2;
    wire.append(content_, done, next - done);
    done = next;
    if (found == std::string::npos || next == content_.size()) break;
    at = next;
  }
  wire += ".\r\n";
  return wire;
}

bool MessageModel::permits(std::uint16_t code) const {
  if (code == 552 && size_in_doubt_) return true;
  if (faults_.empty())
    return code == 250 || code == 450 || code == 451 || code == 452 || code == 554;
  for (const Fault fault : faults_) {
    if (fault == Fault::bare_newline && code == 550) return true;
    if (fault == Fault::over_limit && code == 552) return true;
    if (fault == Fault::too_many_hops && code == 554) return true;
  }
  return false;
}

bool MessageModel::permits(std::uint16_t code, std::string_view enhanced) const {
  if (!permits(code)) return false;
  if (code == 554) return (enhanced == "5.4.6") == !faults_.empty();
  if (code == 550) return enhanced == "5.6.0";
  if (code == 552) return enhanced == "5.3.4";
  return true;
}

std::string MessageModel::stored(StoredForm form) const {
  std::string text;
  std::size_t at = 0;
  for (const Range& range : dropped_) {
    text.append(content_, at, range.offset - at);
    at = range.offset + range.size;
  }
  text.append(content_, at);
  if (normalized_) text = normalized(text, for_data_);
  // An empty line keeps it from continuing the last field of the trace.
  if (!text.empty() && is_space(text[0])) text.insert(0, "\r\n");
  if (form == StoredForm::crlf) return text;
  std::size_t out = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    text[out++] = text[i];
  }
  text.resize(out);
  return text;
}

bool MessageModel::find_number(std::string_view octets, std::uint64_t& number) {
  for (std::size_t at = octets.find(token_begin); at != std::string_view::npos;
       at = octets.find(token_begin, at + 1)) {
    std::size_t digit = at + token_begin.size();
    std::uint64_t value = 0;
    const std::size_t first = digit;
    for (; digit < octets.size() && octets[digit] >= '0' && octets[digit] <= '9'; ++digit)
      value = value * 10 + static_cast<std::uint64_t>(octets[digit] - '0');
    if (digit == first || digit == octets.size() || octets[digit] != '-') continue;
    number = value;
    return true;
  }
  return false;
}

std::string MessageModel::description() const {
  std::string text = std::to_string(content_.size()) + " octets" + features_;
  for (const Fault fault : faults_)
    text += fault == Fault::bare_newline ? ", bare newline!"
            : fault == Fault::over_limit ? ", over the limit!"
                                         : ", too many hops!";
  return text;
}

}  // namespace gatepost::simulation
