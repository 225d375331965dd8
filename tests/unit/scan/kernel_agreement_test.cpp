#include <random>

#include "scan_harness.hpp"

namespace gatepost::scan {
namespace {

using namespace std::string_view_literals;

// Inputs that are mostly what a scanner looks for, or mostly plain text with a little of it.
class InputMaker {
 public:
  explicit InputMaker(std::uint32_t seed) : random_(seed) {}

  std::string make() {
    const std::size_t size = below(301);
    const std::size_t oddity = below(4);
    std::string input;
    while (input.size() < size) {
      if (oddity == 0 || below(oddity * 20) == 0)
        input += pieces[below(std::size(pieces))];
      else
        input += below(40) == 0 ? "\r\n"sv : "a"sv;
    }
    return input;
  }

  std::vector<std::size_t> cuts(std::size_t size) {
    std::vector<std::size_t> result(below(5));
    for (std::size_t& cut : result) cut = below(size + 1);
    std::sort(result.begin(), result.end());
    return result;
  }

  std::size_t below(std::size_t bound) { return random_() % bound; }

 private:
  static constexpr std::string_view pieces[] = {"\r"sv, "\n"sv, "\r\n"sv, "\r\n"sv, "\r\n."sv,
                                                "."sv,  "\0"sv, "a"sv,    "a"sv,    "\x80"sv};
  std::mt19937 random_;
};

constexpr std::uint32_t seeds = 6000;

class Kernels : public ::testing::Test {
 protected:
  ~Kernels() override { select_kernel(best_kernel()); }
};

TEST_F(Kernels, agree_on_content_of_data_with_scalar_and_the_specification) {
  for (std::uint32_t seed = 0; seed < seeds; ++seed) {
    InputMaker maker(seed);
    const std::string input = maker.make();
    const std::string ended = input + "\r\n.\r\nRSET\r\n";
    const Form form = all_forms[maker.below(4)];
    const std::vector<std::size_t> cuts = maker.cuts(input.size());
    select_kernel(Kernel::scalar);
    const Outcome scalar = run_data(input, form, cuts);
    const Outcome specified = expected_data(ended, form);
    if (!scalar.end_of_data) {
      ASSERT_EQ(scalar.after_bare_dot_line, ends_in_bare_dot_line(input)) << "seed " << seed;
    }
    for (Kernel kernel : available_kernels()) {
      select_kernel(kernel);
      ASSERT_EQ(run_data(input, form, cuts), scalar)
          << "seed " << seed << ", " << kernel_name(kernel) << ", " << form_name(form);
      ASSERT_EQ(run_data(ended, form, cuts), specified)
          << "seed " << seed << ", " << kernel_name(kernel) << ", " << form_name(form);
    }
  }
}

TEST_F(Kernels, agree_on_chunks_with_the_specification) {
  for (std::uint32_t seed = 0; seed < seeds; ++seed) {
    InputMaker maker(seed);
    const std::string input = maker.make();
    const Form form = all_forms[maker.below(4)];
    const std::vector<std::size_t> cuts = maker.cuts(input.size());
    const Outcome specified = expected_chunks(input, form);
    for (Kernel kernel : available_kernels()) {
      select_kernel(kernel);
      ASSERT_EQ(run_chunks(input, form, false, true, cuts), specified)
          << "seed " << seed << ", " << kernel_name(kernel) << ", " << form_name(form);
    }
  }
}

TEST_F(Kernels, agree_on_lines_with_scalar) {
  for (std::uint32_t seed = 0; seed < seeds; ++seed) {
    InputMaker maker(seed);
    const std::string text = maker.make();
    const std::vector<std::uint8_t> input(text.begin(), text.end());
    select_kernel(Kernel::scalar);
    const Line scalar = find_line(input.data(), input.size());
    ASSERT_EQ(scalar.complete, text.find("\r\n") != text.npos);
    ASSERT_EQ(scalar.size, scalar.complete ? text.find("\r\n") + 2 : text.size());
    for (Kernel kernel : available_kernels()) {
      select_kernel(kernel);
      const Line line = find_line(input.data(), input.size());
      ASSERT_EQ(line.size, scalar.size) << "seed " << seed << ", " << kernel_name(kernel);
      ASSERT_EQ(line.complete, scalar.complete) << "seed " << seed << ", " << kernel_name(kernel);
      ASSERT_EQ(line.findings, scalar.findings) << "seed " << seed << ", " << kernel_name(kernel);
    }
  }
}

TEST_F(Kernels, every_short_sequence_of_data_is_as_specified) {
  constexpr std::string_view alphabet = "\r\n.a"sv;
  // Behind nothing, and behind so much that the vector loops come upon it.
  for (std::size_t before : {0, 61}) {
    for (std::size_t number = 0; number < 4096; ++number) {
      std::string input(before, 'b');
      for (std::size_t rest = number, i = 0; i < 6; ++i, rest /= 4) input += alphabet[rest % 4];
      input += std::string(before, 'b') + "\r\n.\r\n";
      for (const Form& form : all_forms) {
        const Outcome specified = expected_data(input, form);
        for (Kernel kernel : available_kernels()) {
          select_kernel(kernel);
          ASSERT_EQ(run_data(input, form, {}), specified)
              << kernel_name(kernel) << ", " << form_name(form) << ": " << shown(input);
          ASSERT_EQ(run_data(input, form, {before + number % 7}), specified)
              << kernel_name(kernel) << ", " << form_name(form) << ": " << shown(input);
        }
      }
    }
  }
}

TEST_F(Kernels, can_be_chosen_by_hand) {
  EXPECT_TRUE(kernel_available(Kernel::scalar));
  EXPECT_TRUE(kernel_available(best_kernel()));
  for (Kernel kernel : available_kernels()) {
    select_kernel(kernel);
    EXPECT_EQ(selected_kernel(), kernel);
  }
  EXPECT_EQ(kernel_name(Kernel::avx512), "avx512");
}

TEST_F(Kernels, one_that_is_not_available_is_refused) {
  const Kernel foreign = kernel_available(Kernel::neon) ? Kernel::sse42 : Kernel::neon;
  EXPECT_DEATH(select_kernel(foreign), "wanted");
}

}  // namespace
}  // namespace gatepost::scan
