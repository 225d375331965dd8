// AVX2: 32 octets at a time.

#include "scan/clean_loops.hpp"
#include "scan/content_pass.hpp"
#include "scan/line_pass.hpp"
#include "scan/vector_avx2.hpp"

namespace gatepost::scan {
namespace {

using Loops = CleanLoops<VectorAvx2>;

struct Blocks : BlocksOf16<VectorSse42> {
  static LineMasks masks(__m256i octets) {
    using V = VectorAvx2;
    return {V::bits(V::eq(octets, V::splat(cr_octet))), V::bits(V::eq(octets, V::splat(lf_octet))),
            V::bits(V::eq(octets, V::splat(0))), V::high_bits(octets)};
  }
  static LineMasks whole(const std::uint8_t* p) {
    return joined(masks(VectorAvx2::load(p)), masks(VectorAvx2::load(p + 32)), 32);
  }
  static LineMasks first(const std::uint8_t* p, std::size_t n) {
    if (n < 32) return BlocksOf16<VectorSse42>::first(p, n);
    return joined(masks(VectorAvx2::load(p)), masks(VectorAvx2::load(p + n - 32)), n - 32);
  }
};

Content scan_content(ContentState& state, std::uint8_t* data, std::size_t size, bool last) {
  return ContentPass<Loops>(state, data, size).run(last);
}

}  // namespace

const KernelFunctions avx2_kernel = {find_line_in_blocks<Blocks>, scan_content, Loops::classify};

}  // namespace gatepost::scan
