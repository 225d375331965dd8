#include "scan/scanner.hpp"

#include "base/check.hpp"
#include "scan/kernel.hpp"

namespace gatepost::scan {
namespace {

// The kernel's functions when this build has it and the CPU can run it, else nullptr.
// __builtin_cpu_supports also looks at XGETBV: whether the kernel saves these registers.
const KernelFunctions* functions_of(Kernel kernel) {
#if defined(__x86_64__)
  if (kernel == Kernel::sse42 && __builtin_cpu_supports("sse4.2") &&
      __builtin_cpu_supports("popcnt"))
    return &sse42_kernel;
  if (kernel == Kernel::avx2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
      __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt"))
    return &avx2_kernel;
  if (kernel == Kernel::avx512 && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi") &&
      __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt"))
    return &avx512_kernel;
#elif defined(__aarch64__)
  if (kernel == Kernel::neon) return &neon_kernel;
#endif
  return kernel == Kernel::scalar ? &scalar_kernel : nullptr;
}

constexpr Kernel fastest_first[] = {Kernel::avx512, Kernel::avx2, Kernel::sse42, Kernel::neon,
                                    Kernel::scalar};

// Constant-initialised, so that even a call from another file's static initialisers finds a kernel;
// the best one takes over when this file's are run.
constinit const KernelFunctions* functions = &scalar_kernel;
constinit Kernel selected = Kernel::scalar;
[[maybe_unused]] const bool selected_best = (select_kernel(best_kernel()), true);

}  // namespace

// Moves a scanner's members to and from what the kernels work on.
struct ScannerAccess {
  static void load(ContentState& state, const auto& scanner) {
    state.octets = scanner.content_octets_;
    state.place = static_cast<Place>(scanner.state_);
    state.findings = scanner.findings_;
    state.to_lf = scanner.line_end_ == LineEnd::lf;
    state.normalize = scanner.bare_newline_ == BareNewline::normalize;
  }
  static void store(const ContentState& state, auto& scanner) {
    scanner.content_octets_ = state.octets;
    scanner.state_ = static_cast<std::uint8_t>(state.place);
    scanner.findings_ = state.findings;
  }
};

std::string_view kernel_name(Kernel kernel) {
  switch (kernel) {
    case Kernel::scalar:
      return "scalar";
    case Kernel::sse42:
      return "sse42";
    case Kernel::avx2:
      return "avx2";
    case Kernel::avx512:
      return "avx512";
    case Kernel::neon:
      return "neon";
  }
  return "unknown";
}

bool kernel_available(Kernel kernel) {
  return functions_of(kernel) != nullptr;
}

Kernel best_kernel() {
  for (Kernel kernel : fastest_first)
    if (kernel_available(kernel)) return kernel;
  return Kernel::scalar;
}

void select_kernel(Kernel kernel) {
  const KernelFunctions* wanted = functions_of(kernel);
  GP_CHECK(wanted != nullptr);
  functions = wanted;
  selected = kernel;
}

Kernel selected_kernel() {
  return selected;
}

Line find_line(const std::uint8_t* data, std::size_t size) {
  return functions->find_line(data, size);
}

void DataScanner::begin(LineEnd line_end, BareNewline bare_newline) {
  *this = DataScanner();
  state_ = static_cast<std::uint8_t>(Place::line_start);
  line_end_ = line_end;
  bare_newline_ = bare_newline;
}

Content DataScanner::scan(std::uint8_t* data, std::size_t size) {
  ContentState state{};
  ScannerAccess::load(state, *this);
  GP_CHECK(state.place != Place::ended);
  state.dots = true;
  state.bare_dot_line = bare_dot_ != 0;
  Content content = functions->scan_content(state, data, size, false);
  ScannerAccess::store(state, *this);
  bare_dot_ = state.bare_dot_line ? 1 : 0;
  return content;
}

bool DataScanner::after_bare_dot_line() const {
  return bare_dot_ != 0;
}

void ChunkScanner::begin(LineEnd line_end, BareNewline bare_newline, bool binary) {
  *this = ChunkScanner();
  state_ = static_cast<std::uint8_t>(Place::line_start);
  line_end_ = line_end;
  bare_newline_ = bare_newline;
  binary_ = binary;
}

Content ChunkScanner::scan(std::uint8_t* data, std::size_t size, bool last) {
  ContentState state{};
  ScannerAccess::load(state, *this);
  if (!binary_) {
    Content content = functions->scan_content(state, data, size, last);
    ScannerAccess::store(state, *this);
    return content;
  }
  // RFC 3030 §3: BINARYMIME content has no lines; only where it ends is followed, for hops that
  // take nothing but lines.
  for (std::size_t i = size > 2 ? size - 2 : 0; i < size; ++i) {
    bool line_end = data[i] == '\n' && state.place == Place::after_cr;
    state.place = line_end          ? Place::line_start
                  : data[i] == '\r' ? Place::after_cr
                                    : Place::mid_line;
  }
  state.findings |= functions->classify(data, size);
  state.octets += size;
  ScannerAccess::store(state, *this);
  return {.consumed = size, .produced = size};
}

bool ChunkScanner::at_line_start() const {
  Place place = static_cast<Place>(state_);
  return place == Place::line_start ||
         (place == Place::after_bare_lf && bare_newline_ == BareNewline::normalize);
}

}  // namespace gatepost::scan
