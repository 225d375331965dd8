#include "scan_harness.hpp"

namespace gatepost::scan {
namespace {

using namespace std::string_view_literals;

class ChunkScanner : public ::testing::Test {
 protected:
  ~ChunkScanner() override { select_kernel(best_kernel()); }
};

void expect_as_specified(std::string_view input) {
  for (Kernel kernel : available_kernels()) {
    select_kernel(kernel);
    for (const Form& form : all_forms) {
      SCOPED_TRACE(std::string(kernel_name(kernel)) + ", " + form_name(form) + ": " + shown(input));
      const Outcome expected = expected_chunks(input, form);
      EXPECT_EQ(run_chunks(input, form, false, true, {}), expected);
      EXPECT_EQ(run_chunks(input, form, false, true, every_octet(input)), expected);
      for (std::size_t cut = 0; cut <= input.size(); ++cut)
        EXPECT_EQ(run_chunks(input, form, false, true, {cut}), expected) << "cut at " << cut;
    }
  }
}

TEST_F(ChunkScanner, B04_end_of_data_and_dots_are_content) {
  const Outcome outcome = run_chunks("x\r\n.\r\n..MAIL\r\n", keep_crlf, false, true, {});
  EXPECT_EQ(outcome.content, "x\r\n.\r\n..MAIL\r\n");
  EXPECT_FALSE(outcome.end_of_data);
  EXPECT_EQ(outcome.findings, 0);
  expect_as_specified("x\r\n.\r\n..MAIL\r\n");
  expect_as_specified(".\r\n");
}

TEST_F(ChunkScanner, B10_bare_lf_is_remembered_or_normalized) {
  EXPECT_EQ(run_chunks("x\n.\nMAIL", keep_crlf, false, true, {}).findings, bare_lf);
  EXPECT_EQ(run_chunks("x\n.\nMAIL", normalize_crlf, false, true, {}).content, "x\r\n.\r\nMAIL");
  expect_as_specified("x\n.\nMAIL");
}

TEST_F(ChunkScanner, B14_crlf_split_between_chunks_is_not_bare) {
  for (const Form& form : all_forms) {
    const Outcome outcome = run_chunks("ab\r\ncd", form, false, true, {3});
    EXPECT_EQ(outcome.content, form.line_end == LineEnd::crlf ? "ab\r\ncd" : "ab\ncd");
    EXPECT_EQ(outcome.findings, 0) << form_name(form);
    EXPECT_EQ(outcome.content_octets, 6U);
  }
}

TEST_F(ChunkScanner, cr_as_the_last_octet_of_the_message_is_bare) {
  for (const Form& form : all_forms) {
    const std::string expected = form.bare_newline == BareNewline::keep ? "ab\r" : "ab ";
    for (const std::vector<std::size_t>& cuts :
         {std::vector<std::size_t>{}, {2}, {3}, {1, 2, 3, 3}}) {
      const Outcome outcome = run_chunks("ab\r", form, false, true, cuts);
      EXPECT_EQ(shown(outcome.content), shown(expected)) << form_name(form);
      EXPECT_EQ(outcome.findings, bare_cr);
      EXPECT_EQ(outcome.content_octets, 3U);
    }
    EXPECT_EQ(run_chunks("ab\r", form, false, false, {}).findings, 0);
  }
}

TEST_F(ChunkScanner, every_short_sequence_is_as_specified) {
  constexpr std::string_view alphabet = "\r\n.a\0\x80"sv;
  for (std::size_t length = 0; length <= 4; ++length) {
    std::size_t count = 1;
    for (std::size_t i = 0; i < length; ++i) count *= alphabet.size();
    for (std::size_t number = 0; number < count; ++number) {
      std::string input;
      for (std::size_t rest = number, i = 0; i < length; ++i, rest /= alphabet.size())
        input += alphabet[rest % alphabet.size()];
      expect_as_specified(input);
    }
  }
}

TEST_F(ChunkScanner, long_content_is_as_specified) {
  std::string input;
  for (int line = 0; line < 12; ++line)
    input += std::string(static_cast<std::size_t>(line * 13 % 75), 'c') + "\r\n.";
  expect_as_specified(input);
}

TEST_F(ChunkScanner, binary_content_is_not_changed) {
  const std::string input = std::string("a\r\n.\n\r\0\x80", 8) + std::string(100, 'x') + "\n.\r\n";
  for (Kernel kernel : available_kernels()) {
    select_kernel(kernel);
    for (const Form& form : all_forms) {
      for (std::size_t cut = 0; cut <= input.size(); ++cut) {
        const Outcome outcome = run_chunks(input, form, true, true, {cut});
        EXPECT_EQ(outcome.content, input);
        EXPECT_EQ(outcome.findings, nul | eight_bit);
        EXPECT_EQ(outcome.content_octets, input.size());
        EXPECT_TRUE(outcome.at_line_start);
      }
      EXPECT_EQ(run_chunks(std::string(200, 'a'), form, true, true, {}).findings, 0);
    }
  }
}

TEST_F(ChunkScanner, BDAT_19_knows_whether_the_content_ends_in_a_line_end) {
  for (bool binary : {false, true}) {
    EXPECT_TRUE(run_chunks("", keep_crlf, binary, true, {}).at_line_start);
    EXPECT_TRUE(run_chunks("a\r\n", keep_crlf, binary, true, {}).at_line_start);
    EXPECT_TRUE(run_chunks("a\r\n", keep_crlf, binary, true, {2}).at_line_start);
    EXPECT_TRUE(run_chunks("a\r\n", keep_crlf, binary, true, {3}).at_line_start);
    EXPECT_FALSE(run_chunks("a\r\nb", keep_crlf, binary, true, {}).at_line_start);
    EXPECT_FALSE(run_chunks("a\n", keep_crlf, binary, true, {}).at_line_start);
    EXPECT_FALSE(run_chunks("a\r\n\r", keep_crlf, binary, true, {}).at_line_start);
  }
  EXPECT_TRUE(run_chunks("a\n", normalize_crlf, false, true, {}).at_line_start);
}

}  // namespace
}  // namespace gatepost::scan
