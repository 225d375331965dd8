// The loops over clean content (see content_pass.hpp), written once for all vector widths. For
// inclusion in kernel files only (see kernel.hpp).
//
// `V` is an instruction set's view of `width` octets:
//   Octets, Mask              a vector, and one truth per octet of it; masks combine with & | ^
//   load, splat, eq, any      as their names say
//   bits(Mask)                bit i for octet i
//   merge(Octets, Octets)     bitwise or
//   least(Octets, Octets)     the smaller of each two octets, unsigned
//   has_high(Octets)          whether an octet is 128 or more
//   compact(out, a, b, crs)   stores `a` without the octets in `crs`, where `b` is the vector that
//                             begins one octet later; returns how many remain. May write all of
//                             out[0, width).
//   masked                    whether there are also
//   load_first(p, n)          only p[0, n) is read, the others are zero
//   compact_first(..., n)     as compact, for a[0, n), and writes nothing but what remains
#pragma once

#include "scan/octets.hpp"

namespace gatepost::scan {
namespace {

template <typename V>
struct CleanLoops {
  using Octets = typename V::Octets;
  using Mask = typename V::Mask;
  static constexpr bool vectorised = true;
  static constexpr std::size_t width = V::width;

  // Looks at data[0, size) and moves nothing. `dot` is what must not stand behind LF.
  static CleanRun skip_clean(const std::uint8_t* data, std::size_t size, std::uint8_t dot) {
    const Constants constants(dot);
    Seen seen;
    std::size_t at = 0;
    for (; at + unrolled * width < size; at += unrolled * width) {
      Octets octets[unrolled];
      Mask stops{};
      for (std::size_t i = 0; i < unrolled; ++i) {
        octets[i] = V::load(data + at + i * width);
        Mask crs;
        stops = stops | constants.stops(octets[i], V::load(data + at + i * width + 1), crs);
      }
      if (V::any(stops)) break;
      for (std::size_t i = 0; i < unrolled; ++i) seen.add(octets[i]);
    }
    for (; at + width < size; at += width) {
      Octets octets = V::load(data + at);
      Mask crs;
      Mask stops = constants.stops(octets, V::load(data + at + 1), crs);
      if (V::any(stops)) return stopped(at, seen, octets, V::bits(stops));
      seen.add(octets);
    }
    CleanRun run{at, at, size, seen.findings()};
    if constexpr (V::masked) {
      if (at + 1 < size) take_rest(run, nullptr, data, size, constants);
    } else if (at + 1 < size && size > width) {
      // The last vector overlaps octets that were found clean, which changes nothing.
      std::size_t again = size - 1 - width;
      Octets octets = V::load(data + again);
      Mask crs;
      Mask stops = constants.stops(octets, V::load(data + again + 1), crs);
      if (V::any(stops)) return stopped(again, seen, octets, V::bits(stops));
      seen.add(octets);
      run = {size - 1, size - 1, size, seen.findings()};
    }
    return run;
  }

  // Gives data[0, size) to out (at or before data, may overlap it) without the CRs of CRLFs.
  static CleanRun compact_clean(std::uint8_t* out, const std::uint8_t* data, std::size_t size,
                                std::uint8_t dot) {
    const Constants constants(dot);
    Seen seen;
    std::size_t at = 0;
    std::uint8_t* const begin = out;
    std::size_t stop = size;
    for (; at + width < size; at += width) {
      Octets octets = V::load(data + at);
      Octets next = V::load(data + at + 1);
      Mask crs;
      Mask stops = constants.stops(octets, next, crs);
      if (V::any(stops)) [[unlikely]] {
        stop = at + first(V::bits(stops));
        break;
      }
      seen.add(octets);
      out += V::compact(out, octets, next, crs);
    }
    CleanRun run{at, static_cast<std::size_t>(out - begin), stop, seen.findings()};
    if constexpr (V::masked) take_rest(run, out, data, size, constants);
    return run;
  }

  static Findings classify(const std::uint8_t* data, std::size_t size) {
    Seen seen;
    std::size_t at = 0;
    for (; at + width <= size; at += width) seen.add(V::load(data + at));
    Findings findings = seen.findings();
    for (; at < size; ++at) findings |= octet_classes.of[data[at]];
    return findings & (nul | eight_bit);
  }

 private:
  // Vectors per test for something to stop at, while there is none.
  static constexpr std::size_t unrolled = 4;

  static std::size_t first(std::uint64_t bits) {
    return static_cast<std::size_t>(__builtin_ctzll(bits));
  }

  struct Constants {
    explicit Constants(std::uint8_t dot_octet)
        : cr(V::splat(cr_octet)), lf(V::splat(lf_octet)), dot(V::splat(dot_octet)) {}

    // The octets at which the run must stop: those that make a pair with the next one that is not
    // clean. `crs` become the octets that are CR.
    Mask stops(Octets octets, Octets next, Mask& crs) const {
      crs = V::eq(octets, cr);
      return (crs ^ V::eq(next, lf)) | (V::eq(octets, lf) & V::eq(next, dot));
    }

    Octets cr, lf, dot;
  };

  // NUL and 8-bit octets, gathered without a branch: all octets or-ed, and the least of them.
  struct Seen {
    void add(Octets octets) {
      merged = V::merge(merged, octets);
      least = V::least(least, octets);
    }
    Findings findings() const {
      Findings found = 0;
      if (V::has_high(merged)) found |= eight_bit;
      if (V::any(V::eq(least, V::splat(0)))) found |= nul;
      return found;
    }
    Octets merged = V::splat(0);
    Octets least = V::splat(255);
  };

  // A run that ends inside the vector at data[at].
  static CleanRun stopped(std::size_t at, const Seen& seen, Octets octets, std::uint64_t stops) {
    std::size_t taken = first(stops);
    std::uint64_t before = (std::uint64_t{1} << taken) - 1;
    Findings findings = seen.findings();
    if ((V::bits(V::eq(octets, V::splat(0))) & before) != 0) findings |= nul;
    if ((V::high_bits(octets) & before) != 0) findings |= eight_bit;
    return {at + taken, at + taken, at + taken, findings};
  }

  // Up to where the run must stop, or to the last octet but one. Moves nothing when out is nullptr.
  static void take_rest(CleanRun& run, std::uint8_t* out, const std::uint8_t* data,
                        std::size_t size, const Constants& constants) {
    const std::size_t left = size - run.taken;
    const std::size_t count = left > width ? width : left - 1;
    const std::uint8_t* from = data + run.taken;
    Octets octets = V::load_first(from, count);
    Mask crs;
    std::uint64_t stops =
        V::bits(constants.stops(octets, V::load_first(from + 1, count), crs)) & V::low_bits(count);
    const std::size_t taken = stops != 0 ? first(stops) : count;
    const std::uint64_t before = V::low_bits(taken);
    if ((V::bits(V::eq(octets, V::splat(0))) & before) != 0) run.findings |= nul;
    if ((V::high_bits(octets) & before) != 0) run.findings |= eight_bit;
    if (stops != 0) run.stop = run.taken + taken;
    run.produced += out == nullptr ? taken : V::compact_first(out, octets, crs, taken);
    run.taken += taken;
  }
};

}  // namespace
}  // namespace gatepost::scan
