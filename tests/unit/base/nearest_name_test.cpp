#include "base/nearest_name.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace gatepost {
namespace {

constexpr std::array<std::string_view, 4> names{"message-size-limit", "timeout", "to", "sink"};

TEST(NearestName, a_slip_of_the_pen_is_recognised) {
  EXPECT_EQ(nearest_name("tiemout", names), "timeout");
  EXPECT_EQ(nearest_name("mesage-size-limit", names), "message-size-limit");
  EXPECT_EQ(nearest_name("sinks", names), "sink");
}

TEST(NearestName, a_part_of_a_name_stands_for_it) {
  EXPECT_EQ(nearest_name("size-limit", names), "message-size-limit");
}

TEST(NearestName, what_is_like_nothing_has_none) {
  EXPECT_EQ(nearest_name("foo", names), "");
  EXPECT_EQ(nearest_name("", names), "");
  EXPECT_EQ(nearest_name(std::string(65, 't'), names), "");
}

}  // namespace
}  // namespace gatepost
