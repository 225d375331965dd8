// Message content on its way from the wire to a sink, held against models that look at all of it at
// once: what the scanners make of DATA and BDAT, and what the header inspector finds in it.
//
// The first octet of the input chooses form, command and kernel, the second and third the lengths
// of the pieces in which the content comes, by turns; the rest is the content.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "scan/scanner.hpp"
#include "smtp/header_inspector.hpp"

namespace {

using gatepost::scan::BareNewline;
using gatepost::scan::ChunkScanner;
using gatepost::scan::Content;
using gatepost::scan::DataScanner;
using gatepost::scan::Findings;
using gatepost::scan::Kernel;
using gatepost::scan::LineEnd;
using gatepost::smtp::HeaderInspector;

struct Mode {
  bool lf;          // line ends are given as LF
  bool normalize;   // bare newlines are made line ends and spaces
  bool chunks;      // BDAT, and not DATA
  bool binary;      // BODY=BINARYMIME, with chunks
  bool empty_last;  // the chunks end with BDAT 0 LAST
};

// --- What ought to come out ------------------------------------------------------------------

// What the scanner has given of all that came so far.
struct Given {
  std::string content;
  std::uint64_t octets = 0;
  Findings findings = 0;
  bool end_of_data = false;
  std::size_t consumed = 0;
};

class ContentModel {
 public:
  explicit ContentModel(const Mode& mode) : mode_(mode) {}

  // whole: nothing comes behind `stream`.
  Given of(std::string_view stream, bool whole) {
    given_ = Given{};
    given_.consumed = stream.size();
    if (mode_.chunks && mode_.binary) {
      for (char octet : stream) take_octet(octet);
      return given_;
    }
    // RFC 5321 §2.3.8: CRLF ends a line, and nothing else does.
    std::string_view rest = stream;
    for (std::size_t end; (end = rest.find("\r\n")) != std::string_view::npos;) {
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end + 2);
      if (!mode_.chunks && line == ".") {  // RFC 5321 §4.1.1.4
        given_.end_of_data = true;
        given_.consumed = stream.size() - rest.size();
        return given_;
      }
      take_line(line);
      give_line_end();
    }
    take_open_line(rest, whole);
    return given_;
  }

 private:
  void give(std::string_view octets) {
    given_.content += octets;
    given_.octets += octets.size();
  }
  void give_line_end() {
    given_.content += mode_.lf ? "\n" : "\r\n";
    given_.octets += 2;
  }

  void take_octet(char octet) {
    if (octet == '\0') given_.findings |= gatepost::scan::nul;
    if (static_cast<unsigned char>(octet) > 127) given_.findings |= gatepost::scan::eight_bit;
    give({&octet, 1});
  }

  // `line` is without its CRLF, so that every CR and LF in it is bare.
  void take_line(std::string_view line) {
    if (!mode_.chunks && line.starts_with('.')) line.remove_prefix(1);  // RFC 5321 §4.5.2
    char before = '\0';
    for (char octet : line) {
      const bool dot_behind_lf = octet == '.' && before == '\n';
      before = octet;
      if (octet == '\r') {
        given_.findings |= gatepost::scan::bare_cr;
        give(mode_.normalize ? " " : "\r");
      } else if (octet == '\n') {
        given_.findings |= gatepost::scan::bare_lf;
        mode_.normalize ? give_line_end() : give("\n");
      } else if (!(dot_behind_lf && mode_.normalize && !mode_.chunks)) {
        take_octet(octet);
      }
    }
  }

  // The last line, the end of which has not come.
  void take_open_line(std::string_view line, bool whole) {
    if (whole) return take_line(line);
    if (!mode_.chunks && (line == "." || line == ".\r")) return;
    const bool cr = line.ends_with('\r');
    if (cr) line.remove_suffix(1);
    take_line(line);
    // Only where the CR stays whatever follows it, it is given at once.
    if (cr && !mode_.lf && !mode_.normalize) give("\r");
  }

  Mode mode_;
  Given given_;
};

// A line as a client sees it that takes LF alone for a line end: just a dot, and that LF, or the
// one in front of it, is bare. Not with CRLF on both sides, which is the end of data.
bool ends_in_bare_dot_line(std::string_view stream) {
  if (!stream.ends_with('\n')) return false;
  stream.remove_suffix(1);
  const std::size_t lf = stream.rfind('\n');
  const std::string_view line = lf == std::string_view::npos ? stream : stream.substr(lf + 1);
  if (line == ".") return true;
  if (line != ".\r" || lf == std::string_view::npos) return false;
  return lf == 0 || stream[lf - 1] != '\r';
}

bool ends_in_line_end(std::string_view stream, const Mode& mode) {
  if (stream.empty() || stream.ends_with("\r\n")) return true;
  return stream.ends_with('\n') && mode.normalize && !mode.binary;
}

struct Header {
  std::string kept;     // all of the content but the fields that are dropped
  std::string dropped;  // Return-Path fields
  std::uint32_t received = 0;
  std::uint64_t octets = 0;
  bool open = true;  // the content may go on within the header section
};

enum class LineKind { field, body, unknown };

bool is_space(char octet) {
  return octet == ' ' || octet == '\t';
}

bool equals_lower(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

// RFC 5322 §2.2, and §4.5 for the white space in front of the colon. A line without an end is
// unknown for as long as its colon may still come.
LineKind kind_of(std::string_view line, std::string_view& name, std::size_t& spaces) {
  constexpr std::size_t name_size_max = 998;  // RFC 5322 §2.1.1
  const auto name_end = std::find_if(line.begin(), line.end(), [](char octet) {
    return octet < 33 || octet > 126 || octet == ':';
  });
  const auto colon = std::find_if_not(name_end, line.end(), is_space);
  name = {line.begin(), name_end};
  spaces = static_cast<std::size_t>(colon - name_end);
  if (name.empty() || name.size() > name_size_max) return LineKind::body;
  if (colon == line.end()) return LineKind::unknown;
  return *colon == ':' ? LineKind::field : LineKind::body;
}

Header expected_header(std::string_view content, bool lf) {
  const std::string_view line_end = lf ? "\n" : "\r\n";
  Header header;
  bool behind_field = false;
  bool dropping = false;
  while (!content.empty()) {
    const std::size_t end = content.find(line_end);
    const bool open = end == std::string_view::npos;
    const std::string_view line = open ? content : content.substr(0, end + line_end.size());
    if (!behind_field || !is_space(line[0])) {
      std::string_view name;
      std::size_t spaces = 0;
      const LineKind kind = kind_of(line, name, spaces);
      if (kind == LineKind::body) header.open = false;
      if (kind != LineKind::field) break;
      behind_field = true;
      header.received += equals_lower(name, "received") ? 1 : 0;
      dropping = equals_lower(name, "return-path") && spaces <= 4;
    }
    header.octets += open ? line.size() : end + 2;
    (dropping ? header.dropped : header.kept) += line;
    content.remove_prefix(line.size());
  }
  header.kept += content;
  return header;
}

// --- What does come out ----------------------------------------------------------------------

// The inspector behind a scanner. It does the caller's part too: holds what is undecided.
class Inspected {
 public:
  explicit Inspected(const Mode& mode) {
    inspector_.begin(mode.lf ? HeaderInspector::LineEnd::lf : HeaderInspector::LineEnd::crlf);
  }

  void take(std::string_view octets) {
    const std::vector<std::uint8_t> piece(octets.begin(), octets.end());
    std::size_t at = 0;
    inspector_.inspect(
        piece,
        [&](const HeaderInspector::Piece& part) {
          GP_CHECK(part.offset == at && part.size > 0 && part.size <= piece.size() - at);
          at += part.size;
          const bool undecided = part.verdict == HeaderInspector::Verdict::undecided;
          GP_CHECK(undecided ? at == piece.size() : held_.empty());
          std::string& to = undecided                                        ? held_
                            : part.verdict == HeaderInspector::Verdict::keep ? kept_
                                                                             : dropped_;
          to += octets.substr(part.offset, part.size);
          GP_CHECK(held_.size() <= HeaderInspector::undecided_max);
        },
        [&](bool keep) { resolve(keep); });
    GP_CHECK(at == piece.size());
  }

  void check_against(const Header& expected) const {
    GP_CHECK(kept_ + held_ == expected.kept);
    GP_CHECK(dropped_ == expected.dropped);
    GP_CHECK(inspector_.received_count() == expected.received);
    GP_CHECK(inspector_.header_octets() == expected.octets);
    GP_CHECK(inspector_.in_header() == expected.open);
  }

  void finish(const Header& expected) {
    inspector_.finish([&](bool keep) { resolve(keep); });
    GP_CHECK(held_.empty() && kept_ == expected.kept && dropped_ == expected.dropped);
  }

 private:
  void resolve(bool keep) {
    GP_CHECK(!held_.empty());
    (keep ? kept_ : dropped_) += held_;
    held_.clear();
  }

  HeaderInspector inspector_;
  std::string kept_, dropped_, held_;
};

// One message that comes in pieces, with the models asked after each of them.
class Run {
 public:
  Run(std::string_view stream, const Mode& mode)
      : stream_(stream), mode_(mode), model_(mode), inspected_(mode) {
    const LineEnd line_end = mode.lf ? LineEnd::lf : LineEnd::crlf;
    const BareNewline bare = mode.normalize ? BareNewline::normalize : BareNewline::keep;
    data_scanner_.begin(line_end, bare);
    chunk_scanner_.begin(line_end, bare, mode.binary);
  }

  void take_in_pieces(const std::array<std::size_t, 2>& sizes) {
    for (std::size_t i = 0; came_ < stream_.size() && !end_of_data_; ++i) {
      const std::size_t size = std::min(sizes[i % 2], stream_.size() - came_);
      take(size, came_ + size == stream_.size() && !mode_.empty_last);
    }
    if (mode_.chunks && (mode_.empty_last || stream_.empty())) take(0, true);
  }

 private:
  // The models take time by the square of what they are asked of, so that long messages are asked
  // of at their end only.
  static constexpr std::size_t asked_each_piece_max = 128;

  void take(std::size_t size, bool last) {
    // Memory of exactly that size, so that AddressSanitizer sees a read or write behind it.
    std::vector<std::uint8_t> piece(stream_.begin() + came_, stream_.begin() + came_ + size);
    std::size_t at = 0;
    do {
      const Content content = mode_.chunks ? chunk_scanner_.scan(piece.data() + at, size - at, last)
                                           : data_scanner_.scan(piece.data() + at, size - at);
      GP_CHECK(content.produced <= content.consumed && content.consumed <= size - at);
      GP_CHECK(content.consumed > 0 || at == size);
      give(content, reinterpret_cast<const char*>(piece.data()) + at);
      at += content.consumed;
      end_of_data_ = content.end_of_data;
      GP_CHECK(at == size || content.append_crlf || end_of_data_);
    } while (at < size && !end_of_data_);
    // What stands behind the end of data is the next command.
    GP_CHECK(std::equal(piece.begin() + at, piece.end(), stream_.begin() + came_ + at,
                        [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); }));
    came_ += at;
    const bool whole = end_of_data_ || (mode_.chunks && last);
    if (whole || came_ == stream_.size() || came_ <= asked_each_piece_max) check(whole);
  }

  void give(const Content& content, const char* data) {
    GP_CHECK(!content.leading_cr || !content.leading_space);
    auto take = [&](std::string_view octets) {
      content_ += octets;
      inspected_.take(octets);
    };
    if (content.leading_cr) take("\r");
    if (content.leading_space) take(" ");
    take({data, content.produced});
    if (content.append_crlf) take("\r\n");
  }

  void check(bool whole) {
    const std::string_view stream = stream_.substr(0, came_);
    const Given expected = model_.of(stream, whole);
    GP_CHECK(content_ == expected.content);
    GP_CHECK(end_of_data_ == expected.end_of_data && came_ == expected.consumed);
    if (mode_.chunks) {
      GP_CHECK(chunk_scanner_.content_octets() == expected.octets);
      GP_CHECK(chunk_scanner_.findings() == expected.findings);
      GP_CHECK(chunk_scanner_.at_line_start() == ends_in_line_end(stream, mode_));
    } else {
      GP_CHECK(data_scanner_.content_octets() == expected.octets);
      GP_CHECK(data_scanner_.findings() == expected.findings);
      GP_CHECK(end_of_data_ ||
               data_scanner_.after_bare_dot_line() == ends_in_bare_dot_line(stream));
    }
    const Header header = expected_header(content_, mode_.lf);
    inspected_.check_against(header);
    if (whole) inspected_.finish(header);
  }

  std::string_view stream_;
  Mode mode_;
  ContentModel model_;
  DataScanner data_scanner_;
  ChunkScanner chunk_scanner_;
  Inspected inspected_;
  std::size_t came_ = 0;
  bool end_of_data_ = false;
  std::string content_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::uint8_t choice = data[0];
  const Mode mode{.lf = (choice & 1) != 0,
                  .normalize = (choice & 2) != 0,
                  .chunks = (choice & 4) != 0,
                  .binary = (choice & 8) != 0,
                  .empty_last = (choice & 16) != 0};
  constexpr Kernel kernels[] = {Kernel::scalar, Kernel::sse42, Kernel::avx2, Kernel::avx512};
  const Kernel kernel = kernels[choice >> 5 & 3];
  select_kernel(kernel_available(kernel) ? kernel : gatepost::scan::best_kernel());

  const std::string_view stream(reinterpret_cast<const char*>(data) + 3, size - 3);
  Run(stream, mode).take_in_pieces({size, size});
  Run(stream, mode).take_in_pieces({1, 1});
  Run(stream, mode).take_in_pieces({std::size_t{1} + data[1], std::size_t{1} + data[2]});
  return 0;
}
