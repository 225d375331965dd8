#include <sys/mman.h>

#include "scan_harness.hpp"

namespace gatepost::scan {
namespace {

using namespace std::string_view_literals;

// The input in every form through every kernel: whole, octet by octet, in two pieces at every
// place, and with octets behind it.
void expect_as_specified(std::string_view input) {
  for (Kernel kernel : available_kernels()) {
    select_kernel(kernel);
    for (const Form& form : all_forms) {
      SCOPED_TRACE(std::string(kernel_name(kernel)) + ", " + form_name(form) + ": " +
                   shown(input.substr(0, 200)));
      const Outcome expected = expected_data(input, form);
      EXPECT_EQ(run_data(input, form, {}), expected);
      EXPECT_EQ(run_data(input, form, every_octet(input)), expected);
      for (std::size_t cut = 0; cut <= input.size() && input.size() < 1000; ++cut)
        EXPECT_EQ(run_data(input, form, {cut}), expected) << "cut at " << cut;
      for (std::string_view trailing : {"NOOP\r\n"sv, "\r\n.\r\n"sv, "."sv, "\n"sv}) {
        std::string longer = std::string(input) + std::string(trailing);
        EXPECT_EQ(run_data(longer, form, {}), expected);
      }
    }
  }
  select_kernel(best_kernel());
}

class DataScanner : public ::testing::Test {
 protected:
  ~DataScanner() override { select_kernel(best_kernel()); }
};

constexpr std::string_view message_begin = "Subject: t\r\n\r\nx";
// What would run as commands if the octets in front of it were taken for the end of data.
constexpr std::string_view payload = "MAIL FROM:<evil@x.test>\r\nDATA\r\nevil\r\n.\r\n";
constexpr std::string_view payload_content_crlf = "MAIL FROM:<evil@x.test>\r\nDATA\r\nevil\r\n";
constexpr std::string_view payload_content_lf = "MAIL FROM:<evil@x.test>\nDATA\nevil\n";

struct SmugglingCase {
  std::string_view id;
  std::string_view octets;
  Findings findings;
  // What becomes of the octets.
  std::string_view keep_crlf;
  std::string_view keep_lf;
  std::string_view normalize_crlf;
  std::string_view normalize_lf;
};

// spec/smuggling-and-abuse.md, section 2, those that are no end of data.
constexpr Findings both_bare = bare_cr | bare_lf;
constexpr SmugglingCase smuggling_cases[] = {
    {"A02", "\n.\n", bare_lf, "\n.\n", "\n.\n", "\r\n\r\n", "\n\n"},
    {"A03", "\n.\r\n", bare_lf, "\n.\r\n", "\n.\n", "\r\n\r\n", "\n\n"},
    {"A04", "\r\n.\n", bare_lf, "\r\n\n", "\n\n", "\r\n\r\n", "\n\n"},
    {"A05", "\r.\r", bare_cr, "\r.\r", "\r.\r", " . ", " . "},
    {"A06", "\r\n.\r", bare_cr, "\r\n\r", "\n\r", "\r\n ", "\n "},
    {"A07", "\r.\r\n", bare_cr, "\r.\r\n", "\r.\n", " .\r\n", " .\n"},
    {"A08", "\r.\n", both_bare, "\r.\n", "\r.\n", " .\r\n", " .\n"},
    {"A09", "\n.\r", both_bare, "\n.\r", "\n.\r", "\r\n ", "\n "},
    {"A10", "\r\n.\r\r\n", bare_cr, "\r\n\r\r\n", "\n\r\n", "\r\n \r\n", "\n \n"},
    {"A11", "\r\n.\0\r\n"sv, nul, "\r\n\0\r\n"sv, "\n\0\n"sv, "\r\n\0\r\n"sv, "\n\0\n"sv},
    {"A12", "\r\n\0.\r\n"sv, nul, "\r\n\0.\r\n"sv, "\n\0.\n"sv, "\r\n\0.\r\n"sv, "\n\0.\n"sv},
    {"A12", "\r\n.\r\0\n"sv, both_bare | nul, "\r\n\r\0\n"sv, "\n\r\0\n"sv, "\r\n \0\r\n"sv,
     "\n \0\n"sv},
    {"A15", "\x8d\x8a.\x8d\x8a", eight_bit, "\x8d\x8a.\x8d\x8a", "\x8d\x8a.\x8d\x8a",
     "\x8d\x8a.\x8d\x8a", "\x8d\x8a.\x8d\x8a"},
    {"A15", "\x85.\x85", eight_bit, "\x85.\x85", "\x85.\x85", "\x85.\x85", "\x85.\x85"},
    {"A15", "\xe2\x80\xa8.\xe2\x80\xa8", eight_bit, "\xe2\x80\xa8.\xe2\x80\xa8",
     "\xe2\x80\xa8.\xe2\x80\xa8", "\xe2\x80\xa8.\xe2\x80\xa8", "\xe2\x80\xa8.\xe2\x80\xa8"},
    {"A17", "\r\n. \r\n", 0, "\r\n \r\n", "\n \n", "\r\n \r\n", "\n \n"},
    {"A17", "\r\n..\r\n", 0, "\r\n.\r\n", "\n.\n", "\r\n.\r\n", "\n.\n"},
    {"A19", "\r\r\n.\r\r\n", bare_cr, "\r\r\n\r\r\n", "\r\n\r\n", " \r\n \r\n", " \n \n"},
    {"A20", "\nTo: a\n.\nCc: b\n", bare_lf, "\nTo: a\n.\nCc: b\n", "\nTo: a\n.\nCc: b\n",
     "\r\nTo: a\r\n\r\nCc: b\r\n", "\nTo: a\n\nCc: b\n"},
    // A dot that a bare LF precedes, and what may follow it.
    {"SMG-03", "\n.\r\r\n", both_bare, "\n.\r\r\n", "\n.\r\n", "\r\n \r\n", "\n \n"},
    {"SMG-03", "\n..\n", bare_lf, "\n..\n", "\n..\n", "\r\n.\r\n", "\n.\n"},
    {"SMG-03", "\n\n.", bare_lf, "\n\n.", "\n\n.", "\r\n\r\n", "\n\n"},
    {"SMG-03", "\r\n..\n.a", bare_lf, "\r\n.\n.a", "\n.\n.a", "\r\n.\r\na", "\n.\na"},
};

TEST_F(DataScanner, SMG_01_only_crlf_dot_crlf_is_end_of_data) {
  for (const SmugglingCase& test : smuggling_cases) {
    const std::string input =
        std::string(message_begin) + std::string(test.octets) + std::string(payload);
    const std::pair<Form, std::string_view> forms[] = {{keep_crlf, test.keep_crlf},
                                                       {keep_lf, test.keep_lf},
                                                       {normalize_crlf, test.normalize_crlf},
                                                       {normalize_lf, test.normalize_lf}};
    for (const auto& [form, middle] : forms) {
      SCOPED_TRACE(std::string(test.id) + ", " + form_name(form) + ": " + shown(test.octets));
      const bool crlf = form.line_end == LineEnd::crlf;
      const std::string expected = std::string(crlf ? message_begin : "Subject: t\n\nx"sv) +
                                   std::string(middle) +
                                   std::string(crlf ? payload_content_crlf : payload_content_lf);
      const Outcome outcome = run_data(input, form, {});
      EXPECT_EQ(shown(outcome.content), shown(expected));
      EXPECT_EQ(outcome.findings, test.findings);
      EXPECT_EQ(outcome.consumed, input.size());
      EXPECT_TRUE(outcome.end_of_data);
    }
    expect_as_specified(input);
  }
}

TEST_F(DataScanner, SMG_10_splits_at_any_two_places_change_nothing) {
  for (const SmugglingCase& test : smuggling_cases) {
    const std::string input = "a" + std::string(test.octets) + "b\r\n.\r\nRSET\r\n";
    for (const Form& form : all_forms) {
      const Outcome expected = expected_data(input, form);
      for (std::size_t first = 0; first <= input.size(); ++first)
        for (std::size_t second = first; second <= input.size(); ++second)
          ASSERT_EQ(run_data(input, form, {first, second}), expected)
              << test.id << ", " << form_name(form) << ", " << first << ", " << second;
    }
  }
}

TEST_F(DataScanner, A01_A13_takes_the_end_of_data_and_nothing_behind_it) {
  const std::string input = std::string(message_begin) + "\r\n.\r\n" + std::string(payload);
  const Outcome outcome = run_data(input, keep_crlf, {});
  EXPECT_EQ(outcome.content, "Subject: t\r\n\r\nx\r\n");
  EXPECT_EQ(outcome.consumed, message_begin.size() + 5);
  EXPECT_EQ(outcome.content_octets, message_begin.size() + 2);
  EXPECT_EQ(outcome.findings, 0);
  expect_as_specified(input);
}

TEST_F(DataScanner, A14_dot_crlf_at_once_is_end_of_data_but_dot_lf_is_not) {
  EXPECT_EQ(run_data(".\r\n", keep_crlf, {}).end_of_data, true);
  expect_as_specified(".\r\n");
  const Outcome outcome = run_data(".\nx\r\n.\r\n", keep_crlf, {});
  EXPECT_EQ(shown(outcome.content), shown("\nx\r\n"));
  EXPECT_EQ(outcome.findings, bare_lf);
  expect_as_specified(".\nx\r\n.\r\n");
  expect_as_specified("\r\n.\r\n");
  expect_as_specified("..\r\n.\r\n");
  expect_as_specified(".\r\r\n.\r\n");
  expect_as_specified("\n.\r\n.\r\n");
}

TEST_F(DataScanner, A16_dot_behind_a_long_line_is_content) {
  for (std::size_t length : {15,  16,  17,  31,  32,  33,  62,  63,   64,   65,   127,  128,
                             129, 255, 256, 257, 512, 992, 998, 1000, 2048, 4096, 8192, 65535}) {
    const std::string line = std::string(length, 'a') + ".\r\n";
    const std::string input = line + ".\r\nNOOP\r\n";
    for (Kernel kernel : available_kernels()) {
      select_kernel(kernel);
      for (const Form& form : all_forms) {
        const Outcome outcome = run_data(input, form, {});
        EXPECT_EQ(outcome.content.size(),
                  form.line_end == LineEnd::crlf ? line.size() : line.size() - 1);
        EXPECT_EQ(outcome, expected_data(input, form)) << kernel_name(kernel) << " " << length;
        EXPECT_EQ(run_data(input, form, {length}), outcome);
        EXPECT_EQ(run_data(input, form, {length + 1}), outcome);
      }
    }
  }
}

TEST_F(DataScanner, A18_bare_lf_before_a_true_end_of_data_is_remembered) {
  const Outcome outcome = run_data("a\n\r\n.\r\n", keep_crlf, {});
  EXPECT_TRUE(outcome.end_of_data);
  EXPECT_EQ(outcome.findings, bare_lf);
  expect_as_specified("a\n\r\n.\r\n");
}

TEST_F(DataScanner, R5321_4_5_2_01_removes_one_leading_dot) {
  EXPECT_EQ(run_data("..a\r\n.a\r\n...\r\n. \r\na.\r\n.\r\n", keep_crlf, {}).content,
            ".a\r\na\r\n..\r\n \r\na.\r\n");
  EXPECT_EQ(run_data("..a\r\n.a\r\n...\r\n. \r\na.\r\n.\r\n", keep_lf, {}).content,
            ".a\na\n..\n \na.\n");
  expect_as_specified("..a\r\n.a\r\n...\r\n. \r\na.\r\n.\r\n");
}

TEST_F(DataScanner, R5321_4_5_2_02_dots_at_line_starts_among_long_lines) {
  std::string input;
  for (int line = 0; line < 40; ++line) {
    if (line % 3 == 0) input += '.';
    input.append(static_cast<std::size_t>(line * 7 % 80), 'm').append("x\r\n");
  }
  expect_as_specified(input + ".\r\n");
}

TEST_F(DataScanner, R5321_4_5_2_03_passes_every_other_octet_unchanged) {
  std::string line;
  for (int octet = 0; octet < 256; ++octet)
    if (octet != '\r' && octet != '\n') line += static_cast<char>(octet);
  const Outcome outcome = run_data(line + "\r\n.\r\n", keep_crlf, {});
  EXPECT_EQ(outcome.content, line + "\r\n");
  EXPECT_EQ(outcome.findings, nul | eight_bit);
  expect_as_specified(line + "\r\n.\r\n");
}

TEST_F(DataScanner, R1870_3_counts_crlf_whatever_the_form_and_no_stuffed_dots) {
  constexpr std::string_view input = "ab\r\n..c\r\n.\r\n";
  for (const Form& form : all_forms)
    EXPECT_EQ(run_data(input, form, {}).content_octets, 8U) << form_name(form);
}

TEST_F(DataScanner, finds_a_single_odd_octet_wherever_it_stands) {
  for (std::string_view odd : {"\0"sv, "\x80"sv, "\r"sv, "\n"sv}) {
    for (std::size_t at = 0; at < 300; ++at) {
      std::string input;
      for (int line = 0; line < 5; ++line) input += std::string(68, 'a') + "\r\n";
      input.insert(at, odd);
      input += ".\r\n";
      for (Kernel kernel : available_kernels()) {
        select_kernel(kernel);
        for (const Form& form : all_forms)
          ASSERT_EQ(run_data(input, form, {}), expected_data(input, form))
              << kernel_name(kernel) << " " << form_name(form) << " " << shown(odd) << " " << at;
      }
    }
  }
}

TEST_F(DataScanner, findings_do_not_cover_what_is_behind_the_end_of_data) {
  const std::string behind = std::string("\0\x80\n\r.", 5) + std::string(200, '\xff');
  for (Kernel kernel : available_kernels()) {
    select_kernel(kernel);
    for (std::size_t length : {0, 1, 20, 60, 61, 62, 63, 64, 100}) {
      for (const Form& form : all_forms) {
        const std::string message = std::string(length, 'a') + "\r\n.\r\n";
        EXPECT_EQ(run_data(message + behind, form, {}).findings, 0) << kernel_name(kernel);
      }
    }
  }
}

TEST_F(DataScanner, does_not_write_to_content_that_stays_as_it_is) {
  // The input lies in memory that cannot be written to: a store would end the program.
  constexpr std::size_t size = 4096;
  std::string text;
  while (text.size() < size - 400) text += std::string(text.size() % 75, 'a') + "x\r\n";
  text += std::string(size - 1 - text.size(), 'z') + "\r";
  void* page = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  std::memcpy(page, text.data(), size);
  ASSERT_EQ(mprotect(page, size, PROT_READ), 0);
  for (Kernel kernel : available_kernels()) {
    select_kernel(kernel);
    gatepost::scan::DataScanner scanner;
    scanner.begin(LineEnd::crlf, BareNewline::keep);
    const Content content = scanner.scan(static_cast<std::uint8_t*>(page), size);
    EXPECT_EQ(content.consumed, size);
    EXPECT_EQ(content.produced, size);
    EXPECT_EQ(scanner.findings(), 0);
  }
  munmap(page, size);
}

TEST_F(DataScanner, withholds_a_cr_until_its_meaning_is_known) {
  for (const auto& [form, leading_cr, leading_space] :
       {std::tuple{keep_lf, true, false}, std::tuple{normalize_crlf, false, true},
        std::tuple{normalize_lf, false, true}}) {
    gatepost::scan::DataScanner scanner;
    scanner.begin(form.line_end, form.bare_newline);
    std::uint8_t first[] = {'a', '\r'};
    EXPECT_EQ(scanner.scan(first, 2).produced, 1U);
    EXPECT_EQ(scanner.content_octets(), 1U);
    std::uint8_t second[] = {'b'};
    const Content content = scanner.scan(second, 1);
    EXPECT_EQ(content.leading_cr, leading_cr) << form_name(form);
    EXPECT_EQ(content.leading_space, leading_space) << form_name(form);
    EXPECT_EQ(content.produced, 1U);
    EXPECT_EQ(second[0], 'b');
    EXPECT_EQ(scanner.content_octets(), 3U);
    EXPECT_EQ(scanner.findings(), bare_cr);
  }
}

TEST_F(DataScanner, withholds_dot_cr_at_a_line_start) {
  gatepost::scan::DataScanner scanner;
  scanner.begin(LineEnd::crlf, BareNewline::keep);
  std::uint8_t first[] = {'.', '\r'};
  Content content = scanner.scan(first, 2);
  EXPECT_EQ(content.consumed, 2U);
  EXPECT_EQ(content.produced, 0U);
  EXPECT_EQ(scanner.content_octets(), 0U);
  std::uint8_t second[] = {'x'};
  content = scanner.scan(second, 1);
  EXPECT_TRUE(content.leading_cr);
  EXPECT_EQ(content.produced, 1U);
  EXPECT_EQ(scanner.content_octets(), 2U);
}

TEST_F(DataScanner, SMG_04_knows_a_client_that_waits_behind_a_bare_dot_line) {
  for (std::string_view input :
       {"a\n.\n"sv, "a\n.\r\n"sv, "a\r\n.\n"sv, ".\n"sv, "\n.\n"sv, "a\n.\n.\n"sv, "\n.\r\nb"sv,
        "a\r\n..\n"sv, "a\n..\n"sv, "a.\n"sv, "a\n.\r\r\n"sv, "a\n.\n\n"sv, "\r\n.\r"sv}) {
    for (Kernel kernel : available_kernels()) {
      select_kernel(kernel);
      for (const Form& form : all_forms) {
        for (std::size_t size = 0; size <= input.size(); ++size) {
          const std::string_view part = input.substr(0, size);
          EXPECT_EQ(run_data(part, form, {}).after_bare_dot_line, ends_in_bare_dot_line(part))
              << kernel_name(kernel) << ", " << form_name(form) << ": " << shown(part);
          EXPECT_EQ(run_data(part, form, every_octet(part)).after_bare_dot_line,
                    ends_in_bare_dot_line(part));
        }
      }
    }
  }
  EXPECT_TRUE(run_data(std::string(500, 'a') + "\n.\n", keep_crlf, {}).after_bare_dot_line);
  EXPECT_FALSE(run_data(std::string(500, 'a') + "\r\n.x\n", keep_crlf, {}).after_bare_dot_line);
}

TEST_F(DataScanner,
       SMG_03_SMG_05_normalized_content_has_no_bare_newline_and_no_lone_dot_of_theirs) {
  const std::string input = "a\n.\nb\r.\r\n\n.\r\n\r\n.\n\n..\n.\r\r\n.\r\n";
  const Outcome outcome = run_data(input, normalize_crlf, {});
  EXPECT_TRUE(outcome.end_of_data);
  for (std::size_t at = 0; at < outcome.content.size(); ++at) {
    EXPECT_TRUE(outcome.content[at] != '\n' || outcome.content[at - 1] == '\r') << at;
    EXPECT_TRUE(outcome.content[at] != '\r' || outcome.content[at + 1] == '\n') << at;
  }
  expect_as_specified(input);
}

TEST_F(DataScanner, hostile_newlines_in_bulk_are_taken_in_one_pass) {
  // Each call goes on where the last one stopped, so this stays linear; a quadratic scanner would
  // need hours for it.
  std::string input;
  for (int i = 0; i < 200000; ++i) input += i % 5 == 0 ? "\n.\n" : "aa\n";
  input += "\r\n.\r\n";
  for (Kernel kernel : available_kernels()) {
    select_kernel(kernel);
    gatepost::scan::DataScanner scanner;
    scanner.begin(LineEnd::crlf, BareNewline::normalize);
    std::string copy = input;
    std::size_t at = 0;
    std::size_t calls = 0;
    Content content;
    do {
      content = scanner.scan(reinterpret_cast<std::uint8_t*>(copy.data()) + at, copy.size() - at);
      at += content.consumed;
      ++calls;
    } while (!content.end_of_data && content.consumed > 0);
    EXPECT_TRUE(content.end_of_data);
    EXPECT_EQ(calls, 240001U);
  }
}

}  // namespace
}  // namespace gatepost::scan
