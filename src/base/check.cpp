#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace gatepost {

void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "gatepost: invariant broken: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace gatepost
