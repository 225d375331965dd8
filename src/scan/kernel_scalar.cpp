// The specification: one octet at a time.

#include "scan/content_pass.hpp"

namespace gatepost::scan {
namespace {

struct NoLoops {
  static constexpr bool vectorised = false;
};

Line find_line_octet_by_octet(const std::uint8_t* data, std::size_t size) {
  Line line{};
  bool after_cr = false;
  for (std::size_t i = 0; i < size; ++i) {
    std::uint8_t octet = data[i];
    if (octet == lf_octet && after_cr) return {i + 1, true, line.findings};
    if (after_cr) line.findings |= bare_cr;
    after_cr = octet == cr_octet;
    if (octet == lf_octet)
      line.findings |= bare_lf;
    else if (!after_cr)
      line.findings |= octet_classes.of[octet];
  }
  line.size = size;
  return line;
}

Content scan_content(ContentState& state, std::uint8_t* data, std::size_t size, bool last) {
  return ContentPass<NoLoops>(state, data, size).run(last);
}

Findings classify(const std::uint8_t* data, std::size_t size) {
  Findings findings = 0;
  for (std::size_t i = 0; i < size; ++i) findings |= octet_classes.of[data[i]];
  return findings & (nul | eight_bit);
}

}  // namespace

const KernelFunctions scalar_kernel = {find_line_octet_by_octet, scan_content, classify};

}  // namespace gatepost::scan
