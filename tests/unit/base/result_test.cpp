#include "base/result.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>

namespace gatepost {
namespace {

const testing::KilledBySignal aborted(SIGABRT);

Result<int> parse_digit(char c) {
  if (c < '0' || c > '9') return Error{std::string("not a digit: ") + c};
  return c - '0';
}

Result<Done> require_digit(char c) {
  const Result<int> digit = parse_digit(c);
  if (!digit) return Error{digit.error()};
  return Done{};
}

TEST(Result, holds_the_value) {
  const Result<int> digit = parse_digit('7');
  EXPECT_TRUE(digit.ok());
  EXPECT_TRUE(static_cast<bool>(digit));
  EXPECT_EQ(digit.value(), 7);
}

TEST(Result, holds_the_sentence_that_says_what_went_wrong) {
  const Result<int> digit = parse_digit('x');
  EXPECT_FALSE(digit.ok());
  EXPECT_FALSE(static_cast<bool>(digit));
  EXPECT_EQ(digit.error(), "not a digit: x");
}

// Text is a likely value; only what was returned as an Error is one.
TEST(Result, text_is_a_value_and_no_error) {
  const Result<std::string> text(std::string("all is well"));
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text.value(), "all is well");
}

// `if (result)` asks whether it went well, whatever the value.
TEST(Result, a_value_that_is_false_is_no_error) {
  const Result<int> digit = parse_digit('0');
  EXPECT_TRUE(static_cast<bool>(digit));
  EXPECT_EQ(digit.value(), 0);
}

TEST(Result, an_error_without_words_is_still_one) {
  const Result<std::string> wordless(Error{});
  EXPECT_FALSE(wordless.ok());
  EXPECT_EQ(wordless.error(), "");
}

TEST(Result, success_may_have_no_value) {
  EXPECT_TRUE(require_digit('7').ok());
  EXPECT_EQ(require_digit('x').error(), "not a digit: x");
}

TEST(Result, gives_the_value_away) {
  Result<std::unique_ptr<int>> owner = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = std::move(owner.value());
  EXPECT_EQ(*taken, 7);
  // The value is still the side that is there, though nothing is left in it.
  ASSERT_TRUE(owner.ok());
  EXPECT_EQ(owner.value(), nullptr);
}

TEST(Result, lets_the_value_be_changed_in_place) {
  Result<std::string> text(std::string("queue"));
  text.value() += "d";
  EXPECT_EQ(text.value(), "queued");
}

TEST(ResultDeathTest, asking_an_error_for_its_value_aborts) {
  Result<int> digit = parse_digit('x');
  const Result<int>& unchanging = digit;
  EXPECT_EXIT(digit.value(), aborted, "invariant broken: ok\\(\\)");
  EXPECT_EXIT(unchanging.value(), aborted, "invariant broken: ok\\(\\)");
}

TEST(ResultDeathTest, asking_a_value_for_its_error_aborts) {
  const Result<int> digit = parse_digit('7');
  EXPECT_EXIT(digit.error(), aborted, "invariant broken: !ok\\(\\)");
}

}  // namespace
}  // namespace gatepost
