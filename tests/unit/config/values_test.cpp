#include "config/values.hpp"

#include <gtest/gtest.h>

#include "config/flags.hpp"
#include "scan/scanner.hpp"

#include "command_line_for_test.hpp"

namespace gatepost::config {
namespace {

constexpr Range any{0, ~std::uint64_t{0} - 1};

TEST(Values, sizes_are_in_powers_of_1024) {
  const std::pair<const char*, std::uint64_t> sizes[] = {{"0", 0},
                                                         {"1", 1},
                                                         {"10K", 10'240},
                                                         {"10k", 10'240},
                                                         {"10KiB", 10'240},
                                                         {"10kb", 10'240},
                                                         {"7B", 7},
                                                         {"1M", 1 << 20},
                                                         {"50M", 52'428'800},
                                                         {"1G", 1u << 30},
                                                         {"2GB", 1ull << 31},
                                                         {"1T", 1ull << 40}};
  for (auto [text, size] : sizes) EXPECT_EQ(parse_size(text, any).value(), size) << text;
  for (const char* text : {"", "K", "1.5M", "-1", "+1", " 1", "1 ", "1 K", "0x10", "1Q", "1KK",
                           "1e3", "18446744073709551616", "99999999999999T"})
    EXPECT_FALSE(parse_size(text, any).ok()) << text;
}

TEST(Values, durations_are_seconds_unless_they_say_otherwise) {
  const std::pair<const char*, std::uint64_t> durations[] = {
      {"0", 0},       {"300", 300'000},  {"300s", 300'000}, {"5m", 300'000},
      {"250ms", 250}, {"1h", 3'600'000}, {"1H", 3'600'000}, {"2d", 172'800'000}};
  for (auto [text, ms] : durations) EXPECT_EQ(parse_duration(text, any).value(), ms) << text;
  for (const char* text : {"", "s", "1.5s", "-1s", "5 m", "5min", "5x", "99999999999999999999"})
    EXPECT_FALSE(parse_duration(text, any).ok()) << text;
}

TEST(Values, ranges_include_their_ends) {
  EXPECT_TRUE(parse_count("10", {10, 20}).ok());
  EXPECT_TRUE(parse_count("20", {10, 20}).ok());
  EXPECT_FALSE(parse_count("9", {10, 20}).ok());
  EXPECT_FALSE(parse_count("21", {10, 20}).ok());
  EXPECT_FALSE(parse_count("99999999999999999999", {10, 20}).ok());
  EXPECT_FALSE(parse_count("15x", {10, 20}).ok());
  EXPECT_FALSE(parse_count("", {0, 20}).ok());
  EXPECT_FALSE(parse_count("x", {0, 20}).ok());
}

TEST(Values, text_of_a_value_reads_back_as_the_value) {
  for (std::uint64_t bytes :
       {0ull, 1ull, 1000ull, 1024ull, 1536ull, 1ull << 20, 52'428'800ull, 1ull << 40})
    EXPECT_EQ(parse_size(size_text(bytes), any).value(), bytes);
  for (std::uint64_t ms :
       {0ull, 1ull, 250ull, 1000ull, 1500ull, 60'000ull, 300'000ull, 86'400'000ull})
    EXPECT_EQ(parse_duration(duration_text(ms), any).value(), ms);
}

TEST(Values, counts_for_people_have_commas) {
  for (auto [count, text] : {std::pair{0ull, "0"},
                             {999ull, "999"},
                             {1000ull, "1,000"},
                             {12'034ull, "12,034"},
                             {1'234'567ull, "1,234,567"}})
    EXPECT_EQ(grouped_text(count), text);
}

TEST(Values, listen_addresses_are_numeric) {
  EXPECT_EQ(parse_listen("192.0.2.1:25").value(), (ListenAddress{"192.0.2.1", 25}));
  EXPECT_EQ(parse_listen("[2001:db8::1]:65535").value(), (ListenAddress{"2001:db8::1", 65535}));
  EXPECT_EQ(parse_listen("*:2525").value(), (ListenAddress{"*", 2525}));
  EXPECT_EQ(to_text(parse_listen("[::1]:25").value()), "[::1]:25");
  EXPECT_EQ(to_text(parse_listen("*:25").value()), "*:25");
  using std::literals::operator""sv;
  for (std::string_view text :
       {"25"sv, ":25"sv, "[]:25"sv, "::1:25"sv, "[::1]"sv, "mx.example.org:25"sv, "1.2.3:25"sv,
        "127.0.0.1:0"sv, "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:25"sv,
        "127.0.0.1:99999"sv, "127.0.0.1:25x"sv, "**:25"sv, "127.0.0.1\0:25"sv, "[::1%lo]:25"sv,
        ""sv, ":"sv})
    EXPECT_FALSE(parse_listen(text).ok()) << text;
}

TEST(Values, only_loopback_is_loopback) {
  for (const char* text : {"127.0.0.1:25", "127.9.9.9:25", "[::1]:25"})
    EXPECT_TRUE(is_loopback(parse_listen(text).value())) << text;
  for (const char* text : {"*:25", "0.0.0.0:25", "[::]:25", "192.0.2.1:25", "[::2]:25",
                           "[::ffff:127.0.0.1]:25", "12.7.0.1:25"})
    EXPECT_FALSE(is_loopback(parse_listen(text).value())) << text;
}

TEST(Values, networks_of_both_families_are_one_kind) {
  EXPECT_EQ(parse_network("192.0.2.0/24").value().prefix_bits, 120u);
  EXPECT_EQ(parse_network("192.0.2.1").value().prefix_bits, 128u);
  EXPECT_EQ(parse_network("0.0.0.0/0").value().prefix_bits, 96u);
  EXPECT_EQ(parse_network("2001:db8::/32").value().prefix_bits, 32u);
  EXPECT_EQ(parse_network("::/0").value().prefix_bits, 0u);
  for (const char* text : {"192.0.2.0/24", "192.0.2.1/32", "2001:db8::/32", "::/0", "::1/128"})
    EXPECT_EQ(network_text(parse_network(text).value()), text);
  // All of IPv4 and its neighbours are more than IPv4 can say.
  policy::Network wide = parse_network("0.0.0.0/0").value();
  wide.prefix_bits = 95;
  EXPECT_EQ(network_text(wide), "::ffff:0.0.0.0/95");
  for (const char* text : {"", "/", "192.0.2.0/", "192.0.2.0/33", "192.0.2.1/24", "2001:db8::/129",
                           "2001:db8::1/64", "192.0.2", "192.0.2.0/-1", "192.0.2.0/2 4"})
    EXPECT_FALSE(parse_network(text).ok()) << text;
}

TEST(Values, the_nearest_flag_is_found_for_slips_of_the_pen) {
  EXPECT_EQ(nearest_flag("timeuot"), "timeout");
  EXPECT_EQ(nearest_flag("lisen"), "listen");
  EXPECT_EQ(nearest_flag("accept-domains"), "accept-domain");
  EXPECT_EQ(nearest_flag("check"), "check-config");
  EXPECT_EQ(nearest_flag("xyzzy"), "");
  EXPECT_EQ(nearest_flag(std::string(100'000, 'a')), "");
}

TEST(Values, an_instruction_set_must_be_one_that_the_machine_has) {
  for (scan::Kernel kernel : {scan::Kernel::scalar, scan::Kernel::sse42, scan::Kernel::avx2,
                              scan::Kernel::avx512, scan::Kernel::neon}) {
    std::string name(scan::kernel_name(kernel));
    Parsed parsed = parse({"--simd", name});
    if (scan::kernel_available(kernel)) {
      EXPECT_TRUE(parsed.run) << parsed.err;
      EXPECT_EQ(parsed.config.simd, kernel);
    } else {
      EXPECT_EQ(parsed.exit_code, 2);
      EXPECT_EQ(parsed.err.rfind(
                    "gatepost: --simd " + name + ": this machine can't run it; allowed is auto", 0),
                0u)
          << parsed.err;
    }
  }
}

}  // namespace
}  // namespace gatepost::config
