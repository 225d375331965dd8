#include "scan_harness.hpp"

namespace gatepost::scan {
namespace {

using namespace std::string_view_literals;

class FindLine : public ::testing::Test {
 protected:
  ~FindLine() override { select_kernel(best_kernel()); }
};

// The octets at the end of memory of their own, so that AddressSanitizer sees a read behind them.
Line found(std::string_view octets) {
  const std::vector<std::uint8_t> memory(octets.begin(), octets.end());
  return find_line(memory.data(), memory.size());
}

void expect_line(std::string_view octets, std::size_t size, bool complete, Findings findings) {
  for (Kernel kernel : available_kernels()) {
    select_kernel(kernel);
    const Line line = found(octets);
    EXPECT_EQ(line.size, size) << kernel_name(kernel) << ": " << shown(octets);
    EXPECT_EQ(line.complete, complete) << kernel_name(kernel) << ": " << shown(octets);
    EXPECT_EQ(line.findings, findings) << kernel_name(kernel) << ": " << shown(octets);
  }
}

TEST_F(FindLine, SMG_06_only_crlf_ends_a_line) {
  expect_line("NOOP\r\n", 6, true, 0);
  expect_line("NOOP\r\nQUIT\r\n", 6, true, 0);
  expect_line("\r\n", 2, true, 0);
  expect_line("NOOP\n", 5, false, bare_lf);
  expect_line("NOOP\nQUIT\r\n", 11, true, bare_lf);
  expect_line("NOOP\rRSET\r\n", 11, true, bare_cr);
  expect_line("NOOP\r\r\n", 7, true, bare_cr);
  expect_line("\n\r\n", 3, true, bare_lf);
  expect_line("NO\0OP\r\n"sv, 7, true, nul);
  expect_line("\x80\r\n", 3, true, eight_bit);
}

TEST_F(FindLine, a_line_without_end_is_given_whole) {
  expect_line("", 0, false, 0);
  expect_line("N", 1, false, 0);
  expect_line("NOOP", 4, false, 0);
  expect_line("NO\0\xff\nOP"sv, 7, false, nul | eight_bit | bare_lf);
  expect_line("NO\rOP", 5, false, bare_cr);
}

TEST_F(FindLine, cr_as_the_last_octet_is_not_yet_bare) {
  for (std::size_t length = 0; length < 140; ++length) {
    const std::string line = std::string(length, 'N') + "\r";
    expect_line(line, line.size(), false, 0);
    expect_line("\r" + line, line.size() + 1, false, bare_cr);
  }
}

TEST_F(FindLine, finds_the_end_at_every_place) {
  for (std::size_t length = 0; length < 200; ++length) {
    const std::string line = std::string(length, 'N') + "\r\n";
    expect_line(line, length + 2, true, 0);
    // Nothing behind the line counts.
    expect_line(line + std::string("\0\x80\n\r\r\n", 6), length + 2, true, 0);
    expect_line(line + std::string(100, '\xff'), length + 2, true, 0);
  }
}

TEST_F(FindLine, finds_every_odd_octet_at_every_place) {
  const std::pair<std::string_view, Findings> odd_octets[] = {
      {"\0"sv, nul}, {"\xff", eight_bit}, {"\r", bare_cr}, {"\n", bare_lf}};
  for (const auto& [octet, findings] : odd_octets) {
    for (std::size_t at = 0; at < 150; ++at) {
      std::string line(150, 'a');
      line.insert(at, octet);
      expect_line(line, line.size(), false, findings);
      expect_line(line + "\r\n", line.size() + 2, true, findings);
    }
  }
}

TEST_F(FindLine, SMG_10_a_line_that_grows_octet_by_octet_ends_once) {
  constexpr std::string_view line = "MAIL FROM:<somebody@example.test> SIZE=100\r\n";
  for (std::size_t size = 0; size < line.size(); ++size)
    expect_line(line.substr(0, size), size, false, 0);
  expect_line(line, line.size(), true, 0);
}

}  // namespace
}  // namespace gatepost::scan
