// All kernels must agree with the scalar one, on every input and every split of it, and no kernel
// may write outside the input or change what it did not consume.
//
// The first octet chooses form and scanner, the second the splits; the rest is the input.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "scan/scanner.hpp"

namespace {

using gatepost::scan::BareNewline;
using gatepost::scan::ChunkScanner;
using gatepost::scan::Content;
using gatepost::scan::DataScanner;
using gatepost::scan::Findings;
using gatepost::scan::Kernel;
using gatepost::scan::Line;
using gatepost::scan::LineEnd;

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "scan_kernels: %s\n", what);
  std::abort();
}

struct Choice {
  LineEnd line_end;
  BareNewline bare_newline;
  bool chunks;
  bool binary;
  bool last;
};

struct Outcome {
  std::string content;
  std::size_t consumed = 0;
  bool end_of_data = false;
  Findings findings = 0;
  std::uint64_t content_octets = 0;
  bool tail = false;  // after_bare_dot_line or at_line_start

  bool operator==(const Outcome&) const = default;
};

constexpr std::size_t guard_size = 80;
constexpr std::uint8_t guard = 0x5a;

// Gives one piece to `scan` until it is taken. Returns false at the end of data.
template <typename Scan>
bool feed(const std::uint8_t* octets, std::size_t size, Outcome& outcome, Scan scan) {
  std::vector<std::uint8_t> memory(size + 2 * guard_size, guard);
  std::uint8_t* const data = memory.data() + guard_size;
  if (size > 0) std::memcpy(data, octets, size);
  std::size_t at = 0;
  bool more = true;
  do {
    const Content content = scan(data + at, size - at);
    require(content.produced <= content.consumed, "more produced than consumed");
    require(content.consumed <= size - at, "more consumed than given");
    if (content.leading_cr) outcome.content += '\r';
    if (content.leading_space) outcome.content += ' ';
    outcome.content.append(reinterpret_cast<const char*>(data) + at, content.produced);
    if (content.append_crlf) outcome.content += "\r\n";
    at += content.consumed;
    outcome.consumed += content.consumed;
    more = !content.end_of_data;
    require(at == size || content.append_crlf || !more, "input left over");
    require(at == size || content.consumed > 0, "no progress");
  } while (more && at < size);
  outcome.end_of_data = !more;
  for (std::size_t i = 0; i < guard_size; ++i)
    require(memory[i] == guard && memory[guard_size + size + i] == guard, "wrote outside");
  require(at == size || std::memcmp(data + at, octets + at, size - at) == 0,
          "wrote to what was not consumed");
  return more;
}

// piece: length of the pieces, or 0 for the whole at once.
Outcome run(const std::uint8_t* data, std::size_t size, const Choice& choice, std::size_t piece) {
  DataScanner data_scanner;
  data_scanner.begin(choice.line_end, choice.bare_newline);
  ChunkScanner chunk_scanner;
  chunk_scanner.begin(choice.line_end, choice.bare_newline, choice.binary);
  Outcome outcome;
  std::size_t at = 0;
  bool more = true;
  do {
    const std::size_t left = size - at;
    const std::size_t part = piece == 0 || left < piece ? left : piece;
    const bool last = choice.last && part == left;
    more = feed(data + at, part, outcome, [&](std::uint8_t* octets, std::size_t count) {
      return choice.chunks ? chunk_scanner.scan(octets, count, last)
                           : data_scanner.scan(octets, count);
    });
    at += part;
  } while (more && at < size);
  outcome.findings = choice.chunks ? chunk_scanner.findings() : data_scanner.findings();
  outcome.content_octets =
      choice.chunks ? chunk_scanner.content_octets() : data_scanner.content_octets();
  outcome.tail =
      choice.chunks ? chunk_scanner.at_line_start() : more && data_scanner.after_bare_dot_line();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Choice choice{(data[0] & 1) != 0 ? LineEnd::lf : LineEnd::crlf,
                      (data[0] & 2) != 0 ? BareNewline::normalize : BareNewline::keep,
                      (data[0] & 4) != 0, (data[0] & 8) != 0, (data[0] & 16) != 0};
  const std::size_t pieces[] = {0, 1, std::size_t{1} + data[1]};
  data += 2;
  size -= 2;
  // Memory of exactly the input's size, so that AddressSanitizer sees a read behind it.
  const std::vector<std::uint8_t> input(data, data + size);

  select_kernel(Kernel::scalar);
  const Outcome expected = run(input.data(), size, choice, 0);
  const Line expected_line = gatepost::scan::find_line(input.data(), size);
  for (Kernel kernel :
       {Kernel::scalar, Kernel::sse42, Kernel::avx2, Kernel::avx512, Kernel::neon}) {
    if (!kernel_available(kernel)) continue;
    select_kernel(kernel);
    for (std::size_t piece : pieces)
      require(run(input.data(), size, choice, piece) == expected, "kernels or splits disagree");
    const Line line = gatepost::scan::find_line(input.data(), size);
    require(line.size == expected_line.size && line.complete == expected_line.complete &&
                line.findings == expected_line.findings,
            "lines disagree");
  }
  return 0;
}
