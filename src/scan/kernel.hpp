// What each instruction set's translation unit offers to scanner.cpp. Private to this layer.
//
// A kernel's file is compiled with flags that not every machine can run. Whatever it defines with
// external linkage, inline functions and implicit template instances included, may be the copy that
// the linker keeps for the whole program. So a kernel file exports its table and nothing else: the
// algorithms in content_pass.hpp and line_pass.hpp live in an unnamed namespace, and they use no
// function of the standard library but memcpy and memmove.
#pragma once

#include <cstddef>
#include <cstdint>

#include "scan/scanner.hpp"

namespace gatepost::scan {

// Where the octet to come stands. "Line start" is strictly what follows CRLF or the beginning; a
// bare LF leads to the bare_ states, which keep track of dots that stand alone next to it.
enum class Place : std::uint8_t {
  line_start,
  mid_line,
  after_cr,
  after_dot,     // line start, dot; the dot is dropped, whatever follows (RFC 5321 §4.5.2)
  after_dot_cr,  // line start, dot, CR: now LF is the end of data
  after_bare_lf,
  after_bare_dot,  // bare LF, dot
  after_bare_dot_cr,
  ended
};

struct ContentState {
  std::uint64_t octets;  // as DataScanner::content_octets()
  Place place;
  Findings findings;
  bool to_lf;      // LineEnd::lf
  bool normalize;  // BareNewline::normalize
  bool dots;       // DATA: dots are stuffed, and one ends the content
  bool bare_dot_line;
};

struct KernelFunctions {
  Line (*find_line)(const std::uint8_t* data, std::size_t size);
  // `last` as ChunkScanner::scan() has it.
  Content (*scan_content)(ContentState& state, std::uint8_t* data, std::size_t size, bool last);
  // Only `nul` and `eight_bit`, for content without lines.
  Findings (*classify)(const std::uint8_t* data, std::size_t size);
};

extern const KernelFunctions scalar_kernel;
#if defined(__x86_64__)
extern const KernelFunctions sse42_kernel;
extern const KernelFunctions avx2_kernel;
extern const KernelFunctions avx512_kernel;
#elif defined(__aarch64__)
extern const KernelFunctions neon_kernel;
#endif

}  // namespace gatepost::scan
