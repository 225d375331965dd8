// Which octets of eight remain when those of a mask are dropped, as indexes for a byte shuffle, for
// inclusion in kernel files only (see kernel.hpp).
#pragma once

#include <cstdint>

namespace gatepost::scan {
namespace {

struct ThinTable {
  alignas(8) std::uint8_t indexes[256][8];
};

constexpr ThinTable make_thin_table() {
  ThinTable table{};
  for (unsigned dropped = 0; dropped < 256; ++dropped) {
    unsigned kept = 0;
    for (std::uint8_t octet = 0; octet < 8; ++octet)
      if ((dropped >> octet & 1) == 0) table.indexes[dropped][kept++] = octet;
  }
  return table;
}

constexpr ThinTable thin_table = make_thin_table();

// A window into it selects the octets from some index on: load at `32 - index`.
struct FromIndex {
  alignas(64) std::uint8_t octets[64];
};

constexpr FromIndex make_from_index() {
  FromIndex table{};
  for (int i = 32; i < 64; ++i) table.octets[i] = 0xff;
  return table;
}

constexpr FromIndex from_index = make_from_index();

}  // namespace
}  // namespace gatepost::scan
