// AVX2's view of 32 octets (see clean_loops.hpp), for inclusion in kernel files only.
#pragma once

#include "scan/vector_sse42.hpp"

namespace gatepost::scan {
namespace {

struct VectorAvx2 {
  using Octets = __m256i;
  using Mask = __m256i;
  static constexpr std::size_t width = 32;
  static constexpr bool masked = false;

  static Octets load(const std::uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static Octets splat(std::uint8_t octet) { return _mm256_set1_epi8(static_cast<char>(octet)); }
  static Mask eq(Octets a, Octets b) { return _mm256_cmpeq_epi8(a, b); }
  static bool any(Mask mask) { return _mm256_testz_si256(mask, mask) == 0; }
  static std::uint64_t bits(Mask mask) {
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(mask));
  }
  static std::uint64_t high_bits(Octets octets) { return bits(octets); }
  static Octets merge(Octets a, Octets b) { return _mm256_or_si256(a, b); }
  static Octets least(Octets a, Octets b) { return _mm256_min_epu8(a, b); }
  static bool has_high(Octets octets) { return bits(octets) != 0; }

  static std::size_t compact(std::uint8_t* out, Octets octets, Octets next, Mask crs) {
    const std::uint32_t dropped = static_cast<std::uint32_t>(bits(crs));
    if ((dropped & (dropped - 1)) != 0) [[unlikely]] {
      const __m128i high = _mm256_extracti128_si256(octets, 1);
      const std::size_t kept =
          VectorSse42::thin(out, _mm256_castsi256_si128(octets), dropped & 0xffff);
      return kept + VectorSse42::thin(out + kept, high, dropped >> 16);
    }
    // At most one CR: what is behind it comes from the vector one octet later.
    const std::size_t index =
        static_cast<std::size_t>(__builtin_ctzll(dropped | std::uint64_t{1} << 32));
    const Octets behind = load(from_index.octets + 32 - index);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_blendv_epi8(octets, next, behind));
    return 32 - (dropped != 0);
  }
};

}  // namespace
}  // namespace gatepost::scan
