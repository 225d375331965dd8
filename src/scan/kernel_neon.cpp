// aarch64: 16 octets at a time. Every such processor has NEON.

#include <arm_neon.h>

#include "scan/clean_loops.hpp"
#include "scan/content_pass.hpp"
#include "scan/line_pass.hpp"
#include "scan/thin_table.hpp"

namespace gatepost::scan {
namespace {

struct VectorNeon {
  using Octets = uint8x16_t;
  using Mask = uint8x16_t;
  static constexpr std::size_t width = 16;
  static constexpr bool masked = false;

  static Octets load(const std::uint8_t* p) { return vld1q_u8(p); }
  static Octets splat(std::uint8_t octet) { return vdupq_n_u8(octet); }
  static Octets pair(std::uint64_t low, std::uint64_t high) {
    return vcombine_u8(vcreate_u8(low), vcreate_u8(high));
  }
  static Mask eq(Octets a, Octets b) { return vceqq_u8(a, b); }
  static bool any(Mask mask) { return vmaxvq_u8(mask) != 0; }
  // No movemask here: each octet keeps the bit of its place, and three pairwise sums gather them.
  static std::uint64_t bits(Mask mask) {
    const uint8x8_t places = vcreate_u8(0x8040201008040201);
    uint8x16_t gathered = vandq_u8(mask, vcombine_u8(places, places));
    gathered = vpaddq_u8(gathered, gathered);
    gathered = vpaddq_u8(gathered, gathered);
    gathered = vpaddq_u8(gathered, gathered);
    return vgetq_lane_u16(vreinterpretq_u16_u8(gathered), 0);
  }
  static std::uint64_t high_bits(Octets octets) { return bits(vcgeq_u8(octets, splat(128))); }
  static Octets merge(Octets a, Octets b) { return vorrq_u8(a, b); }
  static Octets least(Octets a, Octets b) { return vminq_u8(a, b); }
  static bool has_high(Octets octets) { return vmaxvq_u8(octets) >= 128; }

  static std::size_t compact(std::uint8_t* out, Octets octets, Octets next, Mask crs) {
    const std::uint32_t dropped = static_cast<std::uint32_t>(bits(crs));
    if ((dropped & (dropped - 1)) != 0) [[unlikely]]
      return thin(out, octets, dropped);
    // At most one CR: what is behind it comes from the vector one octet later.
    const std::size_t index = static_cast<std::size_t>(__builtin_ctz(dropped | 1U << 16));
    vst1q_u8(out, vbslq_u8(load(from_index.octets + 32 - index), next, octets));
    return 16 - (dropped != 0);
  }

 private:
  // Any number of CRs, eight octets at a time.
  static std::size_t thin(std::uint8_t* out, Octets octets, std::uint32_t dropped) {
    const std::uint32_t low = dropped & 0xff;
    const std::uint32_t high = dropped >> 8;
    const std::size_t kept_low = 8 - static_cast<std::size_t>(__builtin_popcount(low));
    const std::size_t kept_high = 8 - static_cast<std::size_t>(__builtin_popcount(high));
    vst1_u8(out, vtbl1_u8(vget_low_u8(octets), vld1_u8(thin_table.indexes[low])));
    vst1_u8(out + kept_low, vtbl1_u8(vget_high_u8(octets), vld1_u8(thin_table.indexes[high])));
    return kept_low + kept_high;
  }
};

using Loops = CleanLoops<VectorNeon>;

Content scan_content(ContentState& state, std::uint8_t* data, std::size_t size, bool last) {
  return ContentPass<Loops>(state, data, size).run(last);
}

}  // namespace

const KernelFunctions neon_kernel = {find_line_in_blocks<BlocksOf16<VectorNeon>>, scan_content,
                                     Loops::classify};

}  // namespace gatepost::scan
