// SSE4.2's view of 16 octets (see clean_loops.hpp), for inclusion in kernel files only.
#pragma once

#include <immintrin.h>

#include "scan/octets.hpp"
#include "scan/thin_table.hpp"

namespace gatepost::scan {
namespace {

struct VectorSse42 {
  using Octets = __m128i;
  using Mask = __m128i;
  static constexpr std::size_t width = 16;
  static constexpr bool masked = false;

  static Octets load(const std::uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  static void store(std::uint8_t* p, Octets octets) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), octets);
  }
  static Octets splat(std::uint8_t octet) { return _mm_set1_epi8(static_cast<char>(octet)); }
  static Octets pair(std::uint64_t low, std::uint64_t high) {
    return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
  }
  static Mask eq(Octets a, Octets b) { return _mm_cmpeq_epi8(a, b); }
  static bool any(Mask mask) { return _mm_testz_si128(mask, mask) == 0; }
  static std::uint64_t bits(Mask mask) {
    return static_cast<std::uint32_t>(_mm_movemask_epi8(mask));
  }
  static std::uint64_t high_bits(Octets octets) { return bits(octets); }
  static Octets merge(Octets a, Octets b) { return _mm_or_si128(a, b); }
  static Octets least(Octets a, Octets b) { return _mm_min_epu8(a, b); }
  static bool has_high(Octets octets) { return bits(octets) != 0; }

  static std::size_t compact(std::uint8_t* out, Octets octets, Octets next, Mask crs) {
    const std::uint32_t dropped = static_cast<std::uint32_t>(bits(crs));
    if ((dropped & (dropped - 1)) != 0) [[unlikely]]
      return thin(out, octets, dropped);
    // At most one CR: what is behind it comes from the vector one octet later.
    const std::size_t index = static_cast<std::size_t>(__builtin_ctz(dropped | 1U << 16));
    store(out, _mm_blendv_epi8(octets, next, load(from_index.octets + 32 - index)));
    return 16 - (dropped != 0);
  }

  // Any number of CRs, eight octets at a time.
  static std::size_t thin(std::uint8_t* out, Octets octets, std::uint32_t dropped) {
    const std::uint32_t low = dropped & 0xff;
    const std::uint32_t high = dropped >> 8;
    const std::size_t kept_low = 8 - static_cast<std::size_t>(__builtin_popcount(low));
    const std::size_t kept_high = 8 - static_cast<std::size_t>(__builtin_popcount(high));
    store_8(out, _mm_shuffle_epi8(octets, indexes(low)));
    store_8(out + kept_low, _mm_shuffle_epi8(_mm_srli_si128(octets, 8), indexes(high)));
    return kept_low + kept_high;
  }

 private:
  static Octets indexes(std::uint32_t dropped) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(thin_table.indexes[dropped]));
  }
  static void store_8(std::uint8_t* p, Octets octets) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), octets);
  }
};

}  // namespace
}  // namespace gatepost::scan
