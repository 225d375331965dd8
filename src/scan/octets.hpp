// Octets and runs as all kernels see them. For inclusion in kernel files only (see kernel.hpp).
#pragma once

#include <cstddef>
#include <cstdint>

#include "scan/scanner.hpp"

namespace gatepost::scan {
namespace {

constexpr std::uint8_t cr_octet = '\r';
constexpr std::uint8_t lf_octet = '\n';

// Findings by octet, and `newline_class` for the two octets that end a plain run.
constexpr std::uint8_t newline_class = 0x80;

struct OctetClasses {
  std::uint8_t of[256];
};

constexpr OctetClasses make_octet_classes() {
  OctetClasses classes{};
  for (int octet = 128; octet < 256; ++octet) classes.of[octet] = eight_bit;
  classes.of[0] = nul;
  classes.of[cr_octet] = newline_class;
  classes.of[lf_octet] = newline_class;
  return classes;
}

constexpr OctetClasses octet_classes = make_octet_classes();

// What a kernel's loop over clean content did. The pair of the last octet taken and the one behind
// it was looked at too, so the loops always leave at least one octet.
struct CleanRun {
  std::size_t taken;
  // Octets given for them: less by the CRs dropped.
  std::size_t produced;
  // Offset of the first octet that must not be taken; the size when the input just ran out.
  std::size_t stop;
  // Of the octets taken: nul and eight_bit.
  Findings findings;
};

}  // namespace
}  // namespace gatepost::scan
