// What messages are made of: a header of their own and a run of lines out of one shared text.
//
// The text is made once, in the three forms that are needed: as it travels with DATA (CRLF, leading
// dots doubled), as it travels with BDAT (CRLF), and as a maildir stores it (LF). A message's body
// is a run of whole lines that begins at a random one and goes round, so that sending it means
// pointing at it. What is missing to the exact size stands in a padding field of the header.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "load/random.hpp"

namespace gatepost::load {

// `stuffed` and `plain` have CRLF, `stored` has LF. Sizes of content are those of `plain`, as
// RFC 1870 §5 counts them.
enum class Form : std::uint8_t { stuffed, plain, stored };

class BodyText {
 public:
  struct Run {
    std::uint32_t first = 0;   // line
    std::uint64_t lines = 0;   // goes on at line 0 after the last one
    std::uint64_t octets = 0;  // in Form::plain
  };

  // The same seed gives the same text. Read-only afterwards: threads share one.
  explicit BodyText(std::uint64_t seed);

  std::uint32_t line_count() const { return static_cast<std::uint32_t>(starts_[0].size() - 1); }
  // The longest run from `first` on that has at most `octets`. What stays below `octets` is less
  // than line_octets_max.
  Run fit(std::uint32_t first, std::uint64_t octets) const;
  // Calls visit(std::string_view) for each contiguous piece of the run, in order.
  template <class Visit>
  void for_each_piece(const Run& run, Form form, Visit&& visit) const {
    const auto& starts = starts_[static_cast<std::size_t>(form)];
    std::string_view text = text_[static_cast<std::size_t>(form)];
    std::uint64_t left = run.lines;
    std::uint32_t line = run.first;
    while (left > 0) {
      auto take = static_cast<std::uint32_t>(
          left < line_count() - line ? left : std::uint64_t{line_count()} - line);
      visit(text.substr(starts[line], starts[line + take] - starts[line]));
      left -= take;
      line = 0;
    }
  }

  static constexpr std::size_t line_octets_max = 78 + 2;  // RFC 5322 §2.1.1, and CRLF

 private:
  // Large enough that bodies differ, small enough to stay in a core's second-level cache.
  static constexpr std::size_t text_octets = 192 * 1024;
  void add_line(std::string_view line);

  std::array<std::string, 3> text_;
  std::array<std::vector<std::uint32_t>, 3> starts_;  // of each line, and the end
};

// One message's content. Refers to nothing; the text is needed to read it.
struct Content {
  std::string id;      // as in the header field that names it
  std::string header;  // with CRLF and the empty line behind it; no line begins with a dot
  BodyText::Run body;
  std::uint64_t size = 0;  // octets in Form::plain, header and all
};

// The field that opens every header made here. `verify` looks for it.
constexpr std::string_view id_field = "X-Gatepost-Load: ";

// The parts of a header whose lengths are the same in all runs.
constexpr std::string_view message_host = "load.invalid";  // RFC 2606 §2
constexpr std::size_t run_name_length = 19;
constexpr std::size_t date_length = 31;

// Octets of the smallest message, header and all, from this sender in a run whose name and date
// have those lengths.
std::uint64_t least_size(std::string_view from);

// Composes messages, each with an id that no other has: one per thread.
class Composer {
 public:
  // run: letters and digits that tell this run from all others. host: for Message-ID; from: for
  // From. date: an RFC 5322 date-time.
  Composer(const BodyText& text, std::string_view run, unsigned thread, std::string_view host,
           std::string_view from, std::string_view date, std::uint64_t seed);

  // Makes the next message, of `size` octets, or of least_size() when that is more. Reuses what
  // `content` holds.
  void compose(std::uint64_t size, Content& content);

 private:
  const BodyText& text_;
  Random random_;
  std::string header_;        // up to the padding
  std::string id_;            // its counter is patched for each message
  std::size_t id_places_[2];  // where the id stands in header_
  std::uint64_t counter_ = 0;
};

// XXH3-128 over the content in Form::stored, as 32 hex digits: what a maildir holds below the trace
// fields.
std::string content_hash(const BodyText& text, const Content& content);

}  // namespace gatepost::load
