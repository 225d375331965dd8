// Looks into message content, as far as an MX has to: how many Received fields the header section
// holds (RFC 5321 §6.3), how long it is, and where its Return-Path fields stand, which a final
// delivery replaces by its own (§4.4, R5321-4.4-14). Nothing of the content is changed or kept.
//
// The header section ends at the first empty line, or before the first line that is neither a field
// ("name:") nor the continuation of one: from there on it is body, whatever it looks like.
// Received fields in the body do not count, and Return-Path fields there stay.
//
// Content comes in pieces of any size; the verdicts do not depend on how it is cut. One inspector
// belongs to one message on one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gatepost::smtp {

class HeaderInspector {
 public:
  // What ends a line of the content. The other of the two, and a CR or LF alone, is then an octet
  // like any other.
  enum class LineEnd : std::uint8_t { crlf, lf };

  enum class Verdict : std::uint8_t {
    keep,
    drop,      // of a Return-Path field, its folded lines and line ends included
    undecided  // may become a Return-Path field: hold it until the verdict on it comes
  };
  // content[offset, offset + size): consecutive, never empty, together all of the content given.
  struct Piece {
    std::size_t offset = 0;
    std::size_t size = 0;
    Verdict verdict = Verdict::keep;
  };

  // How many octets may be undecided at a time, over however many pieces: "Return-Path" and the
  // white space that obsolete syntax allows in front of the colon (RFC 5322 §4.5), of which 4
  // octets are taken.
  static constexpr std::size_t undecided_max = 15;

  // At the beginning of each message.
  void begin(LineEnd line_end);

  // Looks at the next part of the content. Calls, in this order and as often as needed:
  //   resolve(bool keep)  before any further piece: the verdict on all that is undecided so far;
  //   piece(const Piece&).
  // An undecided piece is always the last one of a call.
  template <class OnPiece, class OnResolve>
  void inspect(std::span<const std::uint8_t> content, OnPiece&& piece, OnResolve&& resolve) {
    for (std::size_t offset = 0; offset < content.size();) {
      const Step step = next(content.subspan(offset));
      if (step.resolved) resolve(step.keep_held);
      piece(Piece{offset, step.size, step.verdict});
      offset += step.size;
    }
  }

  // At the end of the content: what is still undecided never became a field, so resolve(true) is
  // called when there is such.
  template <class OnResolve>
  void finish(OnResolve&& resolve) {
    state_ = State::body;
    if (held_ == 0) return;
    held_ = 0;
    resolve(true);
  }

  // False once the header section has ended: the rest of the content needs no inspector.
  bool in_header() const { return state_ != State::body; }
  // Fields named Received so far; one counts when its colon has come.
  std::uint32_t received_count() const { return received_count_; }
  // Octets of the header section so far with each line end counted as CRLF, whatever its form here;
  // without the empty line that ends it. A line counts from its colon on: until then it may turn
  // out to be body, and to count it would make the sum depend on the cuts.
  std::uint64_t header_octets() const {
    const bool open_name = state_ == State::name || state_ == State::name_space;
    return finished_octets_ + (open_name ? 0 : line_octets_);
  }

 private:
  enum class State : std::uint8_t {
    line_start,
    name,        // of a field
    name_space,  // white space between name and colon
    value,       // the rest of a field's line, or of a continuation
    body
  };
  // One run of content that shares a verdict.
  struct Step {
    std::size_t size = 0;
    Verdict verdict = Verdict::keep;
    bool resolved = false;  // what was held is decided
    bool keep_held = false;
  };

  // The first run of `content`, which is not empty.
  Step next(std::span<const std::uint8_t> content);
  void take_name_octet(std::uint8_t octet);
  bool may_be_return_path() const;
  std::size_t take_value(std::span<const std::uint8_t> content);
  bool line_may_begin_with(std::uint8_t octet) const;
  void end_header();

  std::uint64_t finished_octets_ = 0;  // of whole lines
  std::uint64_t line_octets_ = 0;      // of the line at hand
  std::uint32_t received_count_ = 0;
  std::uint16_t name_size_ = 0;
  State state_ = State::body;
  LineEnd line_end_ = LineEnd::crlf;
  std::uint8_t held_ = 0;        // undecided octets given out in earlier calls
  std::uint8_t name_space_ = 0;  // octets of it, counted up to one more than is taken
  bool dropping_ = false;        // the field at hand is a Return-Path
  bool after_field_ = false;     // a continuation would have something to continue
  bool like_received_ = false;   // the name so far is the beginning of "Received"
  bool like_return_path_ = false;
  bool cr_ = false;  // the octet before this content was CR
};

static_assert(sizeof(HeaderInspector) <= 32);

}  // namespace gatepost::smtp
