// The content algorithm, for inclusion in kernel files only (see kernel.hpp for why it is in an
// unnamed namespace in a header).
//
// Theory of operation. take_octet() is the specification: a state machine over `Place` that takes
// one octet at a time. Almost all octets of real mail need nothing of it: they stand in lines that
// end in CRLF and do not begin with a dot. A kernel offers two loops over such clean content,
//
//   skip_clean     looks only and moves nothing,
//   compact_clean  drops the CR of each CRLF on the way,
//
// both of which look at pairs of neighbouring octets: a pair where exactly one of "first is CR" and
// "second is LF" holds has a bare CR or LF; a pair LF, dot has a dot at a line start. Either stops
// the loop in front of it. What remains, a few octets in most cases, is taken by
// take_octet(), and then the loops go on. The scalar kernel has no such loops.
#pragma once

#include <cstring>

#include "scan/kernel.hpp"
#include "scan/octets.hpp"

namespace gatepost::scan {
namespace {

// Moved at a time when a dot was dropped earlier in the input.
constexpr std::size_t move_piece = 8192;
// After a shorter run than this the octets that follow are taken one by one for as long, so that
// content which stops the loops all the time does not cost a start of them for each octet.
constexpr std::size_t worthwhile_run = 32;

template <typename Loops>
class ContentPass {
 public:
  ContentPass(ContentState& state, std::uint8_t* data, std::size_t size)
      : state_(state), data_(data), size_(size) {}

  Content run(bool last) {
    while (in_ < size_ && !content_.append_crlf && !content_.end_of_data) {
      if (at_clean_octet()) {
        if constexpr (Loops::vectorised) {
          if (in_ >= retry_at_) {
            take_clean();  // Moves retry_at_ on, whether it took anything or not.
            continue;
          }
        }
        take_plain_run();
        if (in_ == size_) break;
      }
      take_octet(data_[in_]);
      ++in_;
    }
    if (last && state_.place == Place::after_cr) {
      resolve_bare_cr(!cr_given_at_once());
      state_.place = Place::mid_line;
    }
    content_.consumed = in_;
    content_.produced = out_;
    if (in_ > 0) state_.bare_dot_line = bare_dot_line_end_ == in_;
    state_.octets += out_ + shrunk_ + content_.leading_cr + content_.leading_space +
                     (content_.append_crlf ? 2 : 0);
    return content_;
  }

 private:
  // Neither form needs to know what follows a CR in order to pass it on unchanged.
  bool cr_given_at_once() const { return !state_.to_lf && !state_.normalize; }

  void put(std::uint8_t octet) {
    if (out_ != in_) data_[out_] = octet;
    ++out_;
  }

  // A CR of which only the octet behind it shows that it was bare. When it came in an earlier call,
  // there is no place for it in data_.
  void resolve_bare_cr(bool withheld) {
    state_.findings |= bare_cr;
    if (!withheld) return;
    if (in_ == 0) {
      (state_.normalize ? content_.leading_space : content_.leading_cr) = true;
      return;
    }
    data_[out_++] = state_.normalize ? std::uint8_t{' '} : cr_octet;
  }

  // The LF of a CRLF.
  void take_line_end() {
    if (state_.to_lf) {
      ++shrunk_;
    } else if (state_.normalize) {
      if (in_ == 0)
        content_.leading_cr = true;
      else
        data_[out_++] = cr_octet;
    }
    put(lf_octet);
    state_.place = Place::line_start;
  }

  void take_octet(std::uint8_t octet) {
    switch (state_.place) {
      case Place::after_cr:
      case Place::after_bare_dot_cr:
        if (octet == lf_octet) {
          if (state_.place == Place::after_bare_dot_cr) bare_dot_line_end_ = in_ + 1;
          take_line_end();
          return;
        }
        resolve_bare_cr(!cr_given_at_once());
        state_.place = Place::mid_line;
        break;
      case Place::after_dot_cr:
        if (octet == lf_octet) {
          // RFC 5321 §4.1.1.4: CRLF.CRLF, of which the first CRLF ends the last line of content.
          content_.end_of_data = true;
          state_.place = Place::ended;
          return;
        }
        resolve_bare_cr(true);
        state_.place = Place::mid_line;
        break;
      default:
        break;
    }
    if (octet == cr_octet)
      take_cr();
    else if (octet == lf_octet)
      take_bare_lf();
    else if (octet == '.' && state_.dots)
      take_dot();
    else {
      state_.findings |= octet_classes.of[octet];
      put(octet);
      state_.place = Place::mid_line;
    }
  }

  void take_cr() {
    if (state_.place == Place::after_dot) {
      state_.place = Place::after_dot_cr;
      return;
    }
    state_.place =
        state_.place == Place::after_bare_dot ? Place::after_bare_dot_cr : Place::after_cr;
    if (cr_given_at_once()) put(cr_octet);
  }

  void take_bare_lf() {
    state_.findings |= bare_lf;
    if (state_.place == Place::after_dot || state_.place == Place::after_bare_dot)
      bare_dot_line_end_ = in_ + 1;
    state_.place = Place::after_bare_lf;
    if (state_.normalize && !state_.to_lf) {
      content_.append_crlf = true;
      return;
    }
    if (state_.normalize) ++shrunk_;
    put(lf_octet);
  }

  void take_dot() {
    if (state_.place == Place::line_start) {
      state_.place = Place::after_dot;
      return;
    }
    if (state_.place == Place::after_bare_lf) {
      state_.place = Place::after_bare_dot;
      // RFC 5321 §4.5.2 knows no line start after a bare LF. Once that LF is made a line end, the
      // dot must not stand at its line's start for the next hop to take for an end of data.
      if (!state_.normalize) put('.');
      return;
    }
    put('.');
    state_.place = Place::mid_line;
  }

  // Whether the next octet may begin clean content: it is not the second of a pair that says more.
  bool at_clean_octet() const {
    if (state_.place == Place::mid_line) return data_[in_] != lf_octet;
    if (state_.place == Place::line_start)
      return data_[in_] != lf_octet && !(data_[in_] == '.' && state_.dots);
    return false;
  }

  // Octets up to the next CR or LF.
  void take_plain_run() {
    std::size_t end = in_;
    std::uint8_t seen = 0;
    while (end < size_) {
      std::uint8_t octet_class = octet_classes.of[data_[end]];
      if (octet_class == newline_class) break;
      seen |= octet_class;
      ++end;
    }
    if (end == in_) return;
    state_.findings |= seen;
    if (out_ != in_) std::memmove(data_ + out_, data_ + in_, end - in_);
    out_ += end - in_;
    in_ = end;
    state_.place = Place::mid_line;
  }

  void take_clean() {
    const std::uint8_t dot = state_.dots ? std::uint8_t{'.'} : lf_octet;
    const std::size_t left = size_ - in_;
    CleanRun run;
    if (state_.to_lf) {
      run = Loops::compact_clean(data_ + out_, data_ + in_, left, dot);
    } else if (out_ == in_) {
      run = Loops::skip_clean(data_ + in_, left, dot);
    } else {
      // A piece at a time, so that what was looked at is moved while it is in the first-level
      // cache.
      run = Loops::skip_clean(data_ + in_, left < move_piece ? left : move_piece, dot);
      std::memmove(data_ + out_, data_ + in_, run.taken);
    }
    retry_at_ = in_ + run.stop + 1;
    if (run.taken < worthwhile_run && retry_at_ < in_ + worthwhile_run)
      retry_at_ = in_ + worthwhile_run;
    if (run.taken == 0) return;
    state_.findings |= run.findings;
    in_ += run.taken;
    out_ += run.produced;
    shrunk_ += run.taken - run.produced;
    // The pair across the run's end is clean too: LF here means that the run ends in CR.
    if (data_[in_] == lf_octet) {
      put(lf_octet);
      ++in_;
      state_.place = Place::line_start;
    } else {
      state_.place = data_[out_ - 1] == lf_octet ? Place::line_start : Place::mid_line;
    }
  }

  ContentState& state_;
  std::uint8_t* data_;
  std::size_t size_;
  std::size_t in_ = 0;      // octets of data_ taken
  std::size_t out_ = 0;     // octets of content made of them; never more than in_
  std::size_t shrunk_ = 0;  // line ends given as one octet that count as two
  std::size_t retry_at_ = 0;
  std::size_t bare_dot_line_end_ = 0;
  Content content_{};
};

}  // namespace
}  // namespace gatepost::scan
