// Finding the end of a command line, 64 octets at a time, for inclusion in kernel files only (see
// kernel.hpp).
#pragma once

#include <cstring>

#include "scan/octets.hpp"

namespace gatepost::scan {
namespace {

// One bit per octet, the first octet's lowest.
struct LineMasks {
  std::uint64_t cr;
  std::uint64_t lf;
  std::uint64_t nul;
  std::uint64_t high;

  Findings findings(std::uint64_t after_cr, std::uint64_t where) const {
    Findings found = 0;
    if ((after_cr & ~lf & where) != 0) found |= bare_cr;
    if ((lf & ~after_cr & where) != 0) found |= bare_lf;
    if ((nul & where) != 0) found |= scan::nul;
    if ((high & where) != 0) found |= eight_bit;
    return found;
  }
};

// `Blocks` offers whole(p) for p[0, 64), and first(p, n) for p[0, n) with n below 64, whose bits
// from n on are meaningless.
template <typename Blocks>
Line find_line_in_blocks(const std::uint8_t* data, std::size_t size) {
  Findings findings = 0;
  std::uint64_t carried_cr = 0;
  for (std::size_t at = 0; at < size; at += 64) {
    const std::size_t left = size - at;
    const std::uint64_t given = left < 64 ? (std::uint64_t{1} << left) - 1 : ~std::uint64_t{0};
    const LineMasks masks = left < 64 ? Blocks::first(data + at, left) : Blocks::whole(data + at);
    const std::uint64_t after_cr = (masks.cr << 1) | carried_cr;
    const std::uint64_t ends = masks.lf & after_cr & given;
    if (ends != 0) {
      // The CR in front of the end is no finding: it shows in after_cr only at the LF itself.
      const std::uint64_t before = (ends & (~ends + 1)) - 1;
      findings |= masks.findings(after_cr, before);
      return {at + static_cast<std::size_t>(__builtin_ctzll(ends)) + 1, true, findings};
    }
    findings |= masks.findings(after_cr, given);
    carried_cr = masks.cr >> 63;
  }
  return {size, false, findings};
}

// first() out of 16-octet vectors, by loads that overlap but never reach beyond p[0, n).
template <typename V>
struct BlocksOf16 {
  static LineMasks masks(typename V::Octets octets) {
    return {V::bits(V::eq(octets, V::splat(cr_octet))), V::bits(V::eq(octets, V::splat(lf_octet))),
            V::bits(V::eq(octets, V::splat(0))), V::high_bits(octets)};
  }

  static LineMasks joined(const LineMasks& a, const LineMasks& b, std::size_t shift) {
    return {a.cr | b.cr << shift, a.lf | b.lf << shift, a.nul | b.nul << shift,
            a.high | b.high << shift};
  }

  static LineMasks whole(const std::uint8_t* p) {
    LineMasks low = joined(masks(V::load(p)), masks(V::load(p + 16)), 16);
    LineMasks high = joined(masks(V::load(p + 32)), masks(V::load(p + 48)), 16);
    return joined(low, high, 32);
  }

  static LineMasks first(const std::uint8_t* p, std::size_t n) {
    if (n < 16) return below_16(p, n);
    LineMasks found = masks(V::load(p));
    for (std::size_t at = 16; at < n; at += 16) {
      const std::size_t from = at + 16 <= n ? at : n - 16;
      found = joined(found, masks(V::load(p + from)), from);
    }
    return found;
  }

  static LineMasks below_16(const std::uint8_t* p, std::size_t n) {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    if (n >= 8) {
      std::memcpy(&low, p, 8);
      std::memcpy(&high, p + n - 8, 8);
      return halves(low, high, n - 8);
    }
    if (n >= 4) {
      std::uint32_t begin = 0;
      std::uint32_t end = 0;
      std::memcpy(&begin, p, 4);
      std::memcpy(&end, p + n - 4, 4);
      return halves(begin | std::uint64_t{end} << 8 * (n - 4), 0, 8);
    }
    for (std::size_t i = 0; i < n; ++i) low |= std::uint64_t{p[i]} << 8 * i;
    return halves(low, 0, 8);
  }

  // The octets of `low`, and those of `high` moved on by `shift`.
  static LineMasks halves(std::uint64_t low, std::uint64_t high, std::size_t shift) {
    LineMasks both = masks(V::pair(low, high));
    auto move = [shift](std::uint64_t bits) { return (bits & 0xff) | (bits >> 8) << shift; };
    return {move(both.cr), move(both.lf), move(both.nul), move(both.high)};
  }
};

}  // namespace
}  // namespace gatepost::scan
