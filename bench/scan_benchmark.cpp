// What the scanner costs, by kernel, on input that stays in the second-level cache: content as it
// comes in large receive buffers (classification, and CRLF made LF), content that stops the fast
// loops, and one short command line. memchr is the measure for what one look at each octet costs.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "scan/scanner.hpp"

namespace gatepost::scan {
namespace {

using Octets = std::vector<std::uint8_t>;

constexpr std::size_t content_size = 256 * 1024;

// Text in lines of 60 to 78 octets, an empty line now and then.
Octets mail_text(std::size_t size) {
  std::mt19937 random(1);
  Octets text;
  while (text.size() < size) {
    std::size_t length = random() % 12 == 0 ? 0 : 60 + random() % 19;
    for (std::size_t i = 0; i < length; ++i)
      text.push_back(static_cast<std::uint8_t>(random() % 6 == 0 ? ' ' : 'a' + random() % 26));
    text.push_back('\r');
    text.push_back('\n');
  }
  text.resize(size);
  return text;
}

// Lines that all begin with a stuffed dot.
Octets dotted_text(std::size_t size) {
  Octets text;
  while (text.size() < size) {
    text.insert(text.end(), {'.', '.'});
    text.insert(text.end(), 68, 'd');
    text.insert(text.end(), {'\r', '\n'});
  }
  text.resize(size);
  return text;
}

Octets repeated(std::string_view pattern, std::size_t size) {
  Octets text;
  while (text.size() < size) text.insert(text.end(), pattern.begin(), pattern.end());
  text.resize(size);
  return text;
}

// Scans the input in pieces. What scanning changes in it is put back each time, outside the
// measured time, where `restore` says so.
void scan_pieces(benchmark::State& state, Kernel kernel, const Octets& input, LineEnd line_end,
                 BareNewline bare_newline, std::size_t piece, bool restore) {
  select_kernel(kernel);
  Octets work = input;
  DataScanner scanner;
  std::uint64_t produced = 0;
  for (auto _ : state) {
    if (restore) {
      state.PauseTiming();
      std::memcpy(work.data(), input.data(), input.size());
      state.ResumeTiming();
    }
    scanner.begin(line_end, bare_newline);
    for (std::size_t at = 0; at < work.size();) {
      const std::size_t left = work.size() - at;
      const Content content = scanner.scan(work.data() + at, left < piece ? left : piece);
      produced += content.produced;
      at += content.consumed;
    }
  }
  benchmark::DoNotOptimize(produced);
  state.SetBytesProcessed(static_cast<std::int64_t>(input.size()) * state.iterations());
  select_kernel(best_kernel());
}

void find_command(benchmark::State& state, Kernel kernel, std::string_view command) {
  select_kernel(kernel);
  const Octets line(command.begin(), command.end());
  const std::uint8_t* data = line.data();
  for (auto _ : state) {
    benchmark::DoNotOptimize(data);
    Line found = find_line(data, line.size());
    benchmark::DoNotOptimize(found);
  }
  select_kernel(best_kernel());
}

void memchr_lines(benchmark::State& state) {
  const Octets text = mail_text(content_size);
  std::size_t lines = 0;
  for (auto _ : state) {
    const std::uint8_t* at = text.data();
    const std::uint8_t* const end = at + text.size();
    while (const void* found = std::memchr(at, '\n', static_cast<std::size_t>(end - at))) {
      at = static_cast<const std::uint8_t*>(found) + 1;
      ++lines;
    }
  }
  benchmark::DoNotOptimize(lines);
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}

void copy_text(benchmark::State& state) {
  const Octets text = mail_text(content_size);
  Octets copy(text.size());
  for (auto _ : state) {
    std::memcpy(copy.data(), text.data(), text.size());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}

void register_content(Kernel kernel) {
  struct Case {
    const char* name;
    Octets input;
    LineEnd line_end;
    BareNewline bare_newline;
    std::size_t piece;
    bool restore;
  };
  const Octets text = mail_text(content_size);
  const Case cases[] = {
      {"classify", text, LineEnd::crlf, BareNewline::keep, 65536, false},
      {"classify_4k_pieces", text, LineEnd::crlf, BareNewline::keep, 4096, false},
      {"crlf_to_lf", text, LineEnd::lf, BareNewline::keep, 65536, true},
      {"crlf_to_lf_4k_pieces", text, LineEnd::lf, BareNewline::keep, 4096, true},
      {"stuffed_lines", dotted_text(content_size), LineEnd::crlf, BareNewline::keep, 65536, true},
      {"stuffed_lines_to_lf", dotted_text(content_size), LineEnd::lf, BareNewline::keep, 65536,
       true},
      {"empty_lines_to_lf", repeated("\r\n", content_size), LineEnd::lf, BareNewline::keep, 65536,
       true},
      {"bare_lf", repeated("aa\n", content_size), LineEnd::crlf, BareNewline::keep, 65536, true},
      {"bare_lf_normalized", repeated("aa\n", content_size), LineEnd::crlf, BareNewline::normalize,
       65536, true},
  };
  for (const Case& test : cases) {
    const std::string name = std::string(test.name) + "/" + std::string(kernel_name(kernel));
    benchmark::RegisterBenchmark(name.c_str(), [kernel, test](benchmark::State& state) {
      scan_pieces(state, kernel, test.input, test.line_end, test.bare_newline, test.piece,
                  test.restore);
    });
  }
}

void register_lines(Kernel kernel) {
  static constexpr std::string_view commands[] = {
      "QUIT\r\n", "EHLO mx.example.org\r\n",  // 6 and 21 octets
      "MAIL FROM:<someone@example.org> SIZE=123456 BODY=8BITMIME\r\n"};
  for (std::string_view command : commands) {
    const std::string name =
        "find_line_" + std::to_string(command.size()) + "/" + std::string(kernel_name(kernel));
    benchmark::RegisterBenchmark(name.c_str(), [kernel, command](benchmark::State& state) {
      find_command(state, kernel, command);
    });
  }
}

}  // namespace
}  // namespace gatepost::scan

int main(int argc, char** argv) {
  using namespace gatepost::scan;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RegisterBenchmark("memchr", memchr_lines);
  benchmark::RegisterBenchmark("memcpy", copy_text);
  for (Kernel kernel :
       {Kernel::scalar, Kernel::sse42, Kernel::avx2, Kernel::avx512, Kernel::neon}) {
    if (!kernel_available(kernel)) continue;
    register_content(kernel);
    register_lines(kernel);
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
