// Finding structure in received octets: the end of a command line, and, in message content, line
// ends, the end of data, stuffed dots and octets that need a remark, in one pass.
//
// One generic algorithm per job, one thin file per instruction set; the scalar kernel is the
// specification and all others must agree with it on every input and every split of it.
//
// All functions are reentrant; a scanner object belongs to one session.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gatepost::scan {

enum class Kernel : std::uint8_t { scalar, sse42, avx2, avx512, neon };

std::string_view kernel_name(Kernel kernel);
// Whether this build has the kernel and this CPU can run it.
bool kernel_available(Kernel kernel);
// The fastest one available.
Kernel best_kernel();
// Makes `kernel` the one that all later calls use. Call once at start, before other threads; until
// then the best one is in use. kernel must be available (checked).
void select_kernel(Kernel kernel);
Kernel selected_kernel();

// What was seen in a line or in content so far, as a set of bits.
using Findings = std::uint8_t;
constexpr Findings bare_cr = 1;    // CR that is not followed by LF
constexpr Findings bare_lf = 2;    // LF that does not follow CR
constexpr Findings nul = 4;        // octet 0
constexpr Findings eight_bit = 8;  // an octet of 128 or more

// --- Command lines ---------------------------------------------------------------------------

struct Line {
  std::size_t size = 0;  // with its CRLF when complete, else all that was given
  bool complete = false;
  Findings findings = 0;  // of the line without its final CRLF
};

// Looks for the first CRLF in data[0, size). For a line that is not complete the findings cover
// what was given, and a CR as its very last octet is not yet counted as bare: call again with the
// whole line so far.
Line find_line(const std::uint8_t* data, std::size_t size);

// --- Content ---------------------------------------------------------------------------------

// What content shall look like when it leaves the scanner.
enum class LineEnd : std::uint8_t {
  crlf,  // as it came
  lf     // each CRLF made one LF, in place (what maildirs hold)
};

// What to do about a bare CR or LF. Both remember it in findings().
enum class BareNewline : std::uint8_t {
  keep,      // leave it as it is; the caller refuses the message at the end of data
  normalize  // a bare LF is a line end (given on as `line_end` has it; CRLF by way of append_crlf),
             // a bare CR becomes one space; a dot that stands alone on a line which a bare LF
             // begins or ends is dropped (an empty line remains), and a leading dot after a bare
             // LF is unstuffed. Never an end of data.
};

struct Content {
  // Input octets taken; less than given only at end_of_data or append_crlf.
  std::size_t consumed = 0;
  // Octets of content, now in data[0, produced).
  std::size_t produced = 0;
  // One octet, withheld as CR in an earlier call, stands in front of them: that CR, or the space
  // that normalize made of it when it was bare.
  bool leading_cr = false;
  bool leading_space = false;
  // CRLF stands behind them (normalize with LineEnd::crlf only). Call again with what is left.
  bool append_crlf = false;
  // The end of data was taken too. The scanner must be begun anew.
  bool end_of_data = false;
};

// Content of DATA (RFC 5321 §4.1.1.4, §4.5.2): ends with CRLF.CRLF and nothing else (or .CRLF right
// at the beginning), dots unstuffed. Whatever the split, octets and findings are the same.
class DataScanner {
 public:
  void begin(LineEnd line_end, BareNewline bare_newline);

  // Takes data[0, size), changes it in place. Withholds at most ".", "\r" or ".\r" at the end of
  // the input until their meaning is known; keep with LineEnd::crlf needs to withhold only those
  // that begin with a dot, and writes nothing as long as no dot was dropped.
  Content scan(std::uint8_t* data, std::size_t size);

  // Octets of content seen so far as RFC 1870 §3 counts: with CRLF (also when line_end is lf),
  // without stuffed dots, without the final dot. Withheld octets are not counted yet.
  std::uint64_t content_octets() const { return content_octets_; }
  Findings findings() const { return findings_; }
  // True when what was seen so far ends in a line that is just a dot next to a bare LF: a client
  // that takes LF.LF for an end of data and now waits (SMG-04).
  bool after_bare_dot_line() const;

 private:
  friend struct ScannerAccess;
  std::uint64_t content_octets_ = 0;
  std::uint8_t state_ = 0;
  Findings findings_ = 0;
  LineEnd line_end_ = LineEnd::crlf;
  BareNewline bare_newline_ = BareNewline::keep;
  std::uint8_t bare_dot_ = 0;
};

// Content of BDAT chunks (RFC 3030): nothing is stuffed and nothing ends it but the count. The
// state runs on over chunks of one message. `binary` content is not changed and has no bare-newline
// findings.
class ChunkScanner {
 public:
  void begin(LineEnd line_end, BareNewline bare_newline, bool binary);
  // As DataScanner::scan; end_of_data is never set. `last` says that the message ends with this
  // input: nothing is withheld then (a CR as the very last octet is bare).
  Content scan(std::uint8_t* data, std::size_t size, bool last);
  std::uint64_t content_octets() const { return content_octets_; }
  Findings findings() const { return findings_; }
  // Whether the content so far ends in a line end (or is empty).
  bool at_line_start() const;

 private:
  friend struct ScannerAccess;
  std::uint64_t content_octets_ = 0;
  std::uint8_t state_ = 0;
  Findings findings_ = 0;
  LineEnd line_end_ = LineEnd::crlf;
  BareNewline bare_newline_ = BareNewline::keep;
  bool binary_ = false;
};

}  // namespace gatepost::scan
