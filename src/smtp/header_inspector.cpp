#include "smtp/header_inspector.hpp"

#include <cstring>
#include <string_view>

#include "smtp/octets.hpp"

namespace gatepost::smtp {
namespace {

constexpr std::string_view received_name = "received";
constexpr std::string_view return_path_name = "return-path";
constexpr std::size_t name_space_max = HeaderInspector::undecided_max - return_path_name.size();
// RFC 5322 §2.1.1 allows a line 998 octets, so no field name can be longer. Without this a body
// without a line end would be taken for a name as long as it is.
constexpr std::size_t name_size_max = 998;

bool is_space(std::uint8_t octet) {
  return octet == ' ' || octet == '\t';
}

}  // namespace

void HeaderInspector::begin(LineEnd line_end) {
  *this = HeaderInspector();
  line_end_ = line_end;
  state_ = State::line_start;
}

void HeaderInspector::end_header() {
  state_ = State::body;
  line_octets_ = 0;
}

void HeaderInspector::take_name_octet(std::uint8_t octet) {
  const char c = octets::lower(static_cast<char>(octet));
  like_received_ &= name_size_ < received_name.size() && received_name[name_size_] == c;
  like_return_path_ &= name_size_ < return_path_name.size() && return_path_name[name_size_] == c;
  ++name_size_;
  ++line_octets_;
}

// Takes the rest of a line up to its end, or all of the content. Returns how much that was.
std::size_t HeaderInspector::take_value(std::span<const std::uint8_t> content) {
  std::size_t at = 0;
  while (at < content.size()) {
    const void* found = std::memchr(content.data() + at, '\n', content.size() - at);
    if (found == nullptr) break;
    const auto end =
        static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - content.data());
    at = end + 1;
    if (line_end_ == LineEnd::crlf && !(end > 0 ? content[end - 1] == '\r' : cr_)) continue;
    finished_octets_ += line_octets_ + at + (line_end_ == LineEnd::lf ? 1 : 0);
    line_octets_ = 0;
    state_ = State::line_start;
    return at;
  }
  line_octets_ += content.size();
  cr_ = content.back() == '\r';
  return content.size();
}

bool HeaderInspector::line_may_begin_with(std::uint8_t octet) const {
  if (is_space(octet)) return after_field_;
  return octets::is(static_cast<char>(octet), octets::field_name);
}

// A Return-Path field is known at its colon; until then the line, from `line` on in this content,
// is part of the run only when it began the run, and otherwise ends it before itself and is looked
// at again.
HeaderInspector::Step HeaderInspector::next(std::span<const std::uint8_t> content) {
  Step step{content.size(), dropping_ ? Verdict::drop : Verdict::keep, false, false};
  std::size_t line = 0;  // where the line at hand begins, if in this content
  auto cut_before_line = [&] {
    step.size = line;
    state_ = State::line_start;
    line_octets_ = 0;
    return step;
  };
  auto decide = [&](bool keep) {
    if (held_ == 0) return;
    step.resolved = true;
    step.keep_held = keep;
    held_ = 0;
  };

  for (std::size_t at = 0; at < content.size();) {
    const std::uint8_t octet = content[at];
    switch (state_) {
      case State::line_start:
        line = at;
        if (is_space(octet) && after_field_) {
          state_ = State::value;
          cr_ = false;
          break;
        }
        if (dropping_) {
          if (at > 0) return cut_before_line();
          dropping_ = false;
          step.verdict = Verdict::keep;
        }
        if (!line_may_begin_with(octet)) {
          end_header();
          return step;
        }
        name_size_ = 0;
        name_space_ = 0;
        like_received_ = like_return_path_ = true;
        state_ = State::name;
        break;

      case State::name:
      case State::name_space:
        if (octet == ':' && name_size_ > 0) {
          received_count_ += like_received_ && name_size_ == received_name.size() ? 1 : 0;
          const bool drops = may_be_return_path() && name_size_ == return_path_name.size();
          if (drops && line > 0) return cut_before_line();
          decide(!drops);
          if (drops) {
            dropping_ = true;
            step.verdict = Verdict::drop;
          }
          after_field_ = true;
          state_ = State::value;
          cr_ = false;
          break;
        }
        if (is_space(octet)) {
          state_ = State::name_space;
          if (name_space_ <= name_space_max) ++name_space_;
          ++line_octets_;
        } else if (state_ == State::name && name_size_ < name_size_max &&
                   octets::is(static_cast<char>(octet), octets::field_name)) {
          take_name_octet(octet);
        } else {
          decide(true);
          end_header();
          return step;
        }
        if (!may_be_return_path()) decide(true);
        ++at;
        break;

      case State::value:
        at += take_value(content.subspan(at));
        break;

      case State::body:
        return step;
    }
  }

  if ((state_ == State::name || state_ == State::name_space) && may_be_return_path()) {
    if (line > 0) return cut_before_line();
    step.verdict = Verdict::undecided;
    held_ = static_cast<std::uint8_t>(held_ + content.size());
  }
  return step;
}

bool HeaderInspector::may_be_return_path() const {
  if (!like_return_path_ || name_space_ > name_space_max) return false;
  return state_ == State::name || name_size_ == return_path_name.size();
}

}  // namespace gatepost::smtp
