// AVX-512 with BW, VL and VBMI2 (Ice Lake, Zen 4 and later): 64 octets at a time, masked at the
// edges, compaction by VPCOMPRESSB. Processors without VBMI2 do better with AVX2: they lower their
// clock for 512-bit work and have nothing to compact with.

#include <immintrin.h>

#include "scan/clean_loops.hpp"
#include "scan/content_pass.hpp"
#include "scan/line_pass.hpp"

namespace gatepost::scan {
namespace {

struct VectorAvx512 {
  using Octets = __m512i;
  using Mask = __mmask64;
  static constexpr std::size_t width = 64;
  static constexpr bool masked = true;

  static std::uint64_t low_bits(std::size_t count) {
    return count < 64 ? (std::uint64_t{1} << count) - 1 : ~std::uint64_t{0};
  }
  static Octets load(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
  static Octets load_first(const std::uint8_t* p, std::size_t count) {
    return _mm512_maskz_loadu_epi8(low_bits(count), p);
  }
  static Octets splat(std::uint8_t octet) { return _mm512_set1_epi8(static_cast<char>(octet)); }
  static Mask eq(Octets a, Octets b) { return _mm512_cmpeq_epi8_mask(a, b); }
  static bool any(Mask mask) { return mask != 0; }
  static std::uint64_t bits(Mask mask) { return mask; }
  static std::uint64_t high_bits(Octets octets) { return _mm512_movepi8_mask(octets); }
  static Octets merge(Octets a, Octets b) { return _mm512_or_si512(a, b); }
  static Octets least(Octets a, Octets b) { return _mm512_min_epu8(a, b); }
  static bool has_high(Octets octets) { return high_bits(octets) != 0; }

  // Into a register and then stored: VPCOMPRESSB to memory is microcoded on Zen 4.
  static std::size_t compact(std::uint8_t* out, Octets octets, Octets, Mask crs) {
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(~crs, octets));
    return 64 - static_cast<std::size_t>(__builtin_popcountll(crs));
  }
  static std::size_t compact_first(std::uint8_t* out, Octets octets, Mask crs, std::size_t count) {
    const Mask kept = ~crs & low_bits(count);
    const std::size_t remain = static_cast<std::size_t>(__builtin_popcountll(kept));
    _mm512_mask_storeu_epi8(out, low_bits(remain), _mm512_maskz_compress_epi8(kept, octets));
    return remain;
  }
};

using Loops = CleanLoops<VectorAvx512>;

struct Blocks {
  static LineMasks masks(__m512i octets) {
    using V = VectorAvx512;
    return {V::eq(octets, V::splat(cr_octet)), V::eq(octets, V::splat(lf_octet)),
            V::eq(octets, V::splat(0)), V::high_bits(octets)};
  }
  static LineMasks whole(const std::uint8_t* p) { return masks(VectorAvx512::load(p)); }
  static LineMasks first(const std::uint8_t* p, std::size_t n) {
    return masks(VectorAvx512::load_first(p, n));
  }
};

Content scan_content(ContentState& state, std::uint8_t* data, std::size_t size, bool last) {
  return ContentPass<Loops>(state, data, size).run(last);
}

}  // namespace

const KernelFunctions avx512_kernel = {find_line_in_blocks<Blocks>, scan_content, Loops::classify};

}  // namespace gatepost::scan
