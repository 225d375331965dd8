// x86-64-v2: 16 octets at a time.

#include "scan/clean_loops.hpp"
#include "scan/content_pass.hpp"
#include "scan/line_pass.hpp"
#include "scan/vector_sse42.hpp"

namespace gatepost::scan {
namespace {

using Loops = CleanLoops<VectorSse42>;

Content scan_content(ContentState& state, std::uint8_t* data, std::size_t size, bool last) {
  return ContentPass<Loops>(state, data, size).run(last);
}

}  // namespace

const KernelFunctions sse42_kernel = {find_line_in_blocks<BlocksOf16<VectorSse42>>, scan_content,
                                      Loops::classify};

}  // namespace gatepost::scan
