// As a release build that leaves assert() out sees the macro: GP_CHECK has to stay.
#undef NDEBUG
#define NDEBUG

#include "base/check.hpp"

#include <gtest/gtest.h>

#include <cassert>
#include <csignal>
#include <string>

namespace gatepost {
namespace {

const testing::KilledBySignal aborted(SIGABRT);

TEST(CheckDeathTest, a_broken_invariant_aborts_and_says_which_and_where) {
  const int free = 0;
  const int taken = 1;
  const std::string place = "check_test.cpp:" + std::to_string(__LINE__ + 1);
  EXPECT_EXIT(GP_CHECK(free >= taken), aborted,
              "gatepost: invariant broken: free >= taken \\(.*" + place + "\\)");
}

TEST(CheckDeathTest, stays_on_where_assert_is_left_out) {
  assert(false);
  EXPECT_EXIT(GP_CHECK(false), aborted, "invariant broken: false");
}

// The condition is printed as it is spelled; it must not be taken for a format.
TEST(CheckDeathTest, a_condition_with_a_percent_sign_is_printed_as_it_is) {
  const int size = 7;
  const int s = 2;
  EXPECT_EXIT(GP_CHECK(size % s == 0), aborted, "broken: size % s == 0 ");
}

TEST(Check, a_kept_invariant_goes_on) {
  bool went_on = false;
  GP_CHECK(!went_on);
  went_on = true;
  EXPECT_TRUE(went_on);
}

TEST(Check, looks_at_its_condition_once) {
  int looks = 0;
  GP_CHECK(++looks > 0);
  EXPECT_EQ(looks, 1);
}

// Without braces, as it often stands; an `if` inside the macro would take the `else`.
TEST(Check, is_one_statement) {
  const bool looked_at = false;
  bool took_else = false;
  if (looked_at)
    GP_CHECK(true);
  else
    took_else = true;
  EXPECT_TRUE(took_else);
}

}  // namespace
}  // namespace gatepost
