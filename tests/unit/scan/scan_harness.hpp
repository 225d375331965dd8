// Runs scanners over input in pieces, and says what ought to come out.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "scan/scanner.hpp"

namespace gatepost::scan {

// How the content is wanted.
struct Form {
  LineEnd line_end;
  BareNewline bare_newline;
};

inline constexpr Form keep_crlf{LineEnd::crlf, BareNewline::keep};
inline constexpr Form keep_lf{LineEnd::lf, BareNewline::keep};
inline constexpr Form normalize_crlf{LineEnd::crlf, BareNewline::normalize};
inline constexpr Form normalize_lf{LineEnd::lf, BareNewline::normalize};
inline constexpr Form all_forms[] = {keep_crlf, keep_lf, normalize_crlf, normalize_lf};

inline std::string form_name(const Form& form) {
  return std::string(form.bare_newline == BareNewline::keep ? "keep" : "normalize") +
         (form.line_end == LineEnd::crlf ? ", crlf" : ", lf");
}

inline std::vector<Kernel> available_kernels() {
  std::vector<Kernel> kernels;
  for (Kernel kernel : {Kernel::scalar, Kernel::sse42, Kernel::avx2, Kernel::avx512, Kernel::neon})
    if (kernel_available(kernel)) kernels.push_back(kernel);
  return kernels;
}

// Control characters made visible, for failure messages.
inline std::string shown(std::string_view octets) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (char c : octets) {
    auto octet = static_cast<std::uint8_t>(c);
    if (c == '\r')
      text += "<CR>";
    else if (c == '\n')
      text += "<LF>";
    else if (octet < 32 || octet > 126)
      text += {'<', digits[octet >> 4], digits[octet & 15], '>'};
    else
      text += c;
  }
  return text;
}

// All that can be seen of a scan from outside.
struct Outcome {
  std::string content;
  std::size_t consumed = 0;
  bool end_of_data = false;
  Findings findings = 0;
  std::uint64_t content_octets = 0;
  bool after_bare_dot_line = false;
  bool at_line_start = false;

  bool operator==(const Outcome&) const = default;
};

inline void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << '"' << shown(outcome.content) << "\" consumed " << outcome.consumed << " end "
       << outcome.end_of_data << " findings " << int{outcome.findings} << " octets "
       << outcome.content_octets << " bare dot " << outcome.after_bare_dot_line << " line start "
       << outcome.at_line_start;
}

// A piece of input between guard octets, at an odd address.
class GuardedPiece {
 public:
  explicit GuardedPiece(std::string_view octets)
      : size_(octets.size()), memory_(size_ + 2 * guard_size, guard) {
    std::copy(octets.begin(), octets.end(), memory_.begin() + guard_size);
  }

  std::uint8_t* data() { return memory_.data() + guard_size; }
  std::size_t size() const { return size_; }
  std::string_view from(std::size_t at, std::size_t count) {
    return {reinterpret_cast<const char*>(data() + at), count};
  }
  bool guards_intact() const {
    auto intact = [](std::uint8_t octet) { return octet == guard; };
    return std::all_of(memory_.begin(), memory_.begin() + guard_size, intact) &&
           std::all_of(memory_.end() - guard_size, memory_.end(), intact);
  }

 private:
  static constexpr std::size_t guard_size = 67;
  static constexpr std::uint8_t guard = 0xa5;
  std::size_t size_;
  std::vector<std::uint8_t> memory_;
};

// Calls `scan` on the piece until it is taken or the content has ended. Returns false when ended.
template <typename Scan>
bool feed(std::string_view octets, Form form, Outcome& outcome, Scan scan) {
  GuardedPiece piece(octets);
  std::size_t at = 0;
  do {
    std::string behind(piece.from(at, piece.size() - at));
    Content content = scan(piece.data() + at, piece.size() - at);
    EXPECT_TRUE(piece.guards_intact()) << shown(octets);
    EXPECT_LE(content.produced, content.consumed);
    EXPECT_LE(content.consumed, piece.size() - at);
    EXPECT_FALSE(content.leading_cr && content.leading_space);
    EXPECT_TRUE(form.bare_newline == BareNewline::normalize ||
                (!content.leading_space && !content.append_crlf));
    EXPECT_TRUE(form.line_end == LineEnd::crlf || !content.append_crlf);
    // What was not consumed belongs to the next command: it must not have been written to.
    EXPECT_EQ(piece.from(at + content.consumed, piece.size() - at - content.consumed),
              std::string_view(behind).substr(content.consumed));
    if (content.leading_cr) outcome.content += '\r';
    if (content.leading_space) outcome.content += ' ';
    outcome.content += piece.from(at, content.produced);
    if (content.append_crlf) outcome.content += "\r\n";
    outcome.consumed += content.consumed;
    at += content.consumed;
    if (content.end_of_data) {
      outcome.end_of_data = true;
      return false;
    }
    EXPECT_TRUE(at == piece.size() || content.append_crlf);
    if (content.consumed == 0 && at < piece.size()) {
      ADD_FAILURE() << "no progress in " << shown(octets);
      return false;
    }
  } while (at < piece.size());
  return true;
}

// `cuts`: ascending offsets at which the input is split.
inline Outcome run_data(std::string_view input, Form form, const std::vector<std::size_t>& cuts) {
  DataScanner scanner;
  scanner.begin(form.line_end, form.bare_newline);
  Outcome outcome;
  std::size_t from = 0;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    std::size_t to = i < cuts.size() ? cuts[i] : input.size();
    bool more =
        feed(input.substr(from, to - from), form, outcome,
             [&](std::uint8_t* data, std::size_t size) { return scanner.scan(data, size); });
    if (!more) break;
    from = to;
  }
  outcome.findings = scanner.findings();
  outcome.content_octets = scanner.content_octets();
  outcome.after_bare_dot_line = !outcome.end_of_data && scanner.after_bare_dot_line();
  return outcome;
}

inline Outcome run_chunks(std::string_view input, Form form, bool binary, bool last,
                          const std::vector<std::size_t>& cuts) {
  ChunkScanner scanner;
  scanner.begin(form.line_end, form.bare_newline, binary);
  Outcome outcome;
  std::size_t from = 0;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    std::size_t to = i < cuts.size() ? cuts[i] : input.size();
    bool last_piece = last && i == cuts.size();
    feed(input.substr(from, to - from), form, outcome, [&](std::uint8_t* data, std::size_t size) {
      return scanner.scan(data, size, last_piece);
    });
    from = to;
  }
  outcome.findings = scanner.findings();
  outcome.content_octets = scanner.content_octets();
  outcome.at_line_start = scanner.at_line_start();
  return outcome;
}

inline std::vector<std::size_t> every_octet(std::string_view input) {
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i < input.size(); ++i) cuts.push_back(i);
  return cuts;
}

// What DATA content must become, by looking at the whole message at once and at what is in front of
// each octet: written without regard to how the scanner works.
Outcome expected_data(std::string_view input, Form form);
// The same for BDAT, as a message that is whole.
Outcome expected_chunks(std::string_view input, Form form);
// Whether `input` ends in a line that is just a dot next to a bare LF.
bool ends_in_bare_dot_line(std::string_view input);

}  // namespace gatepost::scan
