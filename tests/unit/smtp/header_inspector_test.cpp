#include "smtp/header_inspector.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gatepost::smtp {
namespace {

struct Outcome {
  std::string kept;
  std::string dropped;
  std::uint32_t received = 0;
  std::uint64_t header_octets = 0;
  bool in_header = true;  // before finish()
  friend bool operator==(const Outcome&, const Outcome&) = default;
};
void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << "kept: " << testing::PrintToString(outcome.kept)
       << " dropped: " << testing::PrintToString(outcome.dropped)
       << " received: " << outcome.received << " header: " << outcome.header_octets
       << (outcome.in_header ? " in header" : " in body");
}

// Does with the pieces what a caller does, and checks the order that is promised.
class Caller {
 public:
  explicit Caller(HeaderInspector::LineEnd line_end) { inspector_.begin(line_end); }

  void give(std::string_view content) {
    // Exactly as many octets as given are on the heap, so that AddressSanitizer sees a read beyond.
    const std::vector<std::uint8_t> octets(content.begin(), content.end());
    std::size_t at = 0;
    inspector_.inspect(
        octets,
        [&](const HeaderInspector::Piece& piece) {
          EXPECT_EQ(piece.offset, at);
          EXPECT_GT(piece.size, 0u);
          at += piece.size;
          const std::string_view text = content.substr(piece.offset, piece.size);
          if (piece.verdict == HeaderInspector::Verdict::undecided) {
            EXPECT_EQ(at, content.size());
            held_ += text;
            EXPECT_LE(held_.size(), HeaderInspector::undecided_max);
          } else {
            EXPECT_EQ(held_, "");
            (piece.verdict == HeaderInspector::Verdict::keep ? outcome_.kept : outcome_.dropped) +=
                text;
          }
        },
        [&](bool keep) { resolve(keep); });
    EXPECT_EQ(at, content.size());
  }

  Outcome finish() {
    outcome_.in_header = inspector_.in_header();
    outcome_.received = inspector_.received_count();
    outcome_.header_octets = inspector_.header_octets();
    inspector_.finish([&](bool keep) {
      EXPECT_TRUE(keep);
      resolve(keep);
    });
    EXPECT_EQ(held_, "");
    EXPECT_FALSE(inspector_.in_header());
    return outcome_;
  }

 private:
  void resolve(bool keep) {
    EXPECT_NE(held_, "");
    (keep ? outcome_.kept : outcome_.dropped) += held_;
    held_.clear();
  }

  HeaderInspector inspector_;
  std::string held_;
  Outcome outcome_;
};

// The outcome of the content given whole, which every other way to cut it must give too.
Outcome inspected(std::string_view content,
                  HeaderInspector::LineEnd line_end = HeaderInspector::LineEnd::crlf) {
  Caller whole(line_end);
  whole.give(content);
  const Outcome expected = whole.finish();

  Caller bytes(line_end);
  for (char c : content) bytes.give({&c, 1});
  EXPECT_EQ(bytes.finish(), expected);
  if (content.size() > 300) return expected;
  for (std::size_t first = 0; first <= content.size(); ++first) {
    Caller halves(line_end);
    halves.give(content.substr(0, first));
    halves.give(content.substr(first));
    EXPECT_EQ(halves.finish(), expected) << "cut at " << first;
    for (std::size_t second = first + 1; second < content.size(); ++second) {
      Caller thirds(line_end);
      thirds.give(content.substr(0, first));
      thirds.give(content.substr(first, second - first));
      thirds.give(content.substr(second));
      EXPECT_EQ(thirds.finish(), expected) << "cut at " << first << " and " << second;
    }
  }
  return expected;
}

TEST(HeaderInspector, R5321_6_3_01_counts_received_fields_of_the_header_section_only) {
  const Outcome outcome = inspected(
      "Received: a\r\nrEcEiVeD: b\r\n\tfolded\r\nReceived : c\r\nX: Received: d\r\nReceivedx: e\r\n"
      "Receive: f\r\nReceived:\r\n\r\nReceived: body\r\nReceived: body\r\n");
  EXPECT_EQ(outcome.received, 4u);
  EXPECT_FALSE(outcome.in_header);
  EXPECT_EQ(outcome.dropped, "");
}

TEST(HeaderInspector, R5321_6_3_01_a_folded_line_is_no_field) {
  EXPECT_EQ(inspected("X: y\r\n Received: z\r\n\tReceived: z\r\n\r\n").received, 0u);
}

TEST(HeaderInspector, R5321_6_3_01_120_received_lines_in_the_body_do_not_count) {
  std::string content = "Subject: x\r\n\r\n";
  for (int i = 0; i < 120; ++i) content += "Received: x\r\n";
  EXPECT_EQ(inspected(content).received, 0u);
  content = "Subject: x\r\n";
  for (int i = 0; i < 120; ++i) content += "Received: x\r\n";
  EXPECT_EQ(inspected(content).received, 120u);
}

TEST(HeaderInspector, R5321_4_4_14_finds_return_path_fields) {
  const Outcome outcome =
      inspected("Return-Path: <a@b>\r\nSubject: x\r\nreturn-PATH:<c>\r\nTo: y\r\n\r\nbody\r\n");
  EXPECT_EQ(outcome.kept, "Subject: x\r\nTo: y\r\n\r\nbody\r\n");
  EXPECT_EQ(outcome.dropped, "Return-Path: <a@b>\r\nreturn-PATH:<c>\r\n");
}

TEST(HeaderInspector, R5321_4_4_14_drops_folded_lines_with_their_field) {
  const Outcome outcome =
      inspected("Return-Path:\r\n <a@b>\r\n\t(c)\r\nReturn-Path: d\r\n e\r\nX: y\r\n z\r\n\r\n");
  EXPECT_EQ(outcome.kept, "X: y\r\n z\r\n\r\n");
  EXPECT_EQ(outcome.dropped, "Return-Path:\r\n <a@b>\r\n\t(c)\r\nReturn-Path: d\r\n e\r\n");
}

TEST(HeaderInspector, R5321_4_4_14_takes_white_space_in_front_of_the_colon) {
  EXPECT_EQ(inspected("Return-Path : x\r\n\r\n").dropped, "Return-Path : x\r\n");
  EXPECT_EQ(inspected("Return-Path \t  : x\r\n\r\n").dropped, "Return-Path \t  : x\r\n");
  EXPECT_EQ(inspected("Return-Path     : x\r\n\r\n").dropped, "");
  EXPECT_EQ(inspected("Return-Path    : x\r\n\r\n").kept, "\r\n");
}

TEST(HeaderInspector, R5321_4_4_14_keeps_what_only_looks_like_it) {
  for (const std::string content :
       {"Return-Pat: x\r\n\r\n", "Return-Paths: x\r\n\r\n", "Return-Path\r\n: x\r\n",
        "X: y\r\n Return-Path: z\r\n\r\n", "Return-Pa th: x\r\n\r\n", "Return Path: x\r\n",
        "\r\nReturn-Path: body\r\n", "garbage\r\nReturn-Path: body\r\n",
        "Subject: x\r\n\r\nReturn-Path: body\r\n", " Return-Path: x\r\n", "R", "Return-Path",
        "Return-Path ", "X: y\r\nReturn-Pa", "X: y\nReturn-Path: no line start\r\n\r\n",
        "X: y\rReturn-Path: z\r\n\r\n"}) {
    const Outcome outcome = inspected(content);
    EXPECT_EQ(outcome.kept, content);
    EXPECT_EQ(outcome.dropped, "");
  }
}

TEST(HeaderInspector, R5321_4_4_14_drops_a_field_that_the_content_ends_in) {
  EXPECT_EQ(inspected("Return-Path:").dropped, "Return-Path:");
  EXPECT_EQ(inspected("X: y\r\nReturn-Path: <a").dropped, "Return-Path: <a");
}

TEST(HeaderInspector, the_header_section_ends_at_a_line_that_is_no_field) {
  for (const char* line :
       {"garbage\r\n", "no field: x\r\n", ": x\r\n", "\x01: x\r\n", "S\xc3\xa9: x\r\n", "\n",
        "\rx\r\n", "-\r\n", "From a@b Mon Jan  1\r\n"}) {
    const Outcome outcome = inspected("A: b\r\n" + std::string(line) + "Received: x\r\n");
    EXPECT_EQ(outcome.received, 0u) << line;
    EXPECT_EQ(outcome.header_octets, 6u) << line;
    EXPECT_FALSE(outcome.in_header) << line;
  }
  EXPECT_FALSE(inspected(" folds nothing\r\nReceived: x\r\n").in_header);
}

TEST(HeaderInspector, R5321_2_4_10_a_body_without_a_header_section_is_not_counted_as_one) {
  EXPECT_EQ(inspected("hello\r\nworld\r\n").header_octets, 0u);
  const Outcome outcome = inspected(std::string(100'000, 'a'));
  EXPECT_EQ(outcome.header_octets, 0u);
  EXPECT_FALSE(outcome.in_header);
  EXPECT_EQ(outcome.kept.size(), 100'000u);
}

TEST(HeaderInspector, counts_the_octets_of_the_header_section) {
  EXPECT_EQ(inspected("").header_octets, 0u);
  EXPECT_EQ(inspected("\r\nbody").header_octets, 0u);
  EXPECT_EQ(inspected("A: b\r\n\r\nbody").header_octets, 6u);
  EXPECT_EQ(inspected("A: b\r\n c\r\nReturn-Path: d\r\n\r\nbody").header_octets, 6u + 4u + 16u);
  EXPECT_EQ(inspected("A: b\r\nRetu").header_octets, 6u);
  EXPECT_EQ(inspected("A: b\r\nRetu:").header_octets, 6u + 5u);
  EXPECT_EQ(inspected("A: b").header_octets, 4u);
  EXPECT_EQ(inspected("A: " + std::string(5000, 'x')).header_octets, 5003u);
}

// A line may be long before it turns out to be body. It counted for as long as that was open, so
// that the header section was over its limit or not by how the content was cut.
TEST(HeaderInspector, SMG_10_a_line_counts_only_when_it_is_known_to_be_a_field) {
  HeaderInspector inspector;
  inspector.begin(HeaderInspector::LineEnd::crlf);
  const std::string content = "A: b\r\n" + std::string(900, 'y') + " no field\r\n";
  for (const char& octet : content) {
    inspector.inspect(
        {reinterpret_cast<const std::uint8_t*>(&octet), 1}, [](const HeaderInspector::Piece&) {},
        [](bool) {});
    EXPECT_LE(inspector.header_octets(), 6u);
  }
  EXPECT_FALSE(inspector.in_header());
}

TEST(HeaderInspector, only_crlf_ends_a_line_in_crlf_form) {
  EXPECT_EQ(inspected("A: b\nReceived: c\r\n\r\n").received, 0u);
  EXPECT_EQ(inspected("A: b\rReceived: c\r\n\r\n").received, 0u);
  EXPECT_EQ(inspected("A: b\n\nReceived: c\r\nReceived: d\r\n\r\n").received, 1u);
  EXPECT_EQ(inspected("A: b\r\r\nReceived: c\r\n\r\n").received, 1u);
}

TEST(HeaderInspector, only_lf_ends_a_line_in_lf_form_and_counts_as_crlf) {
  const Outcome outcome = inspected("Received: a\nReturn-Path: <b>\n c\nX: y\r\n\nReceived: body\n",
                                    HeaderInspector::LineEnd::lf);
  EXPECT_EQ(outcome.received, 1u);
  EXPECT_EQ(outcome.dropped, "Return-Path: <b>\n c\n");
  EXPECT_EQ(outcome.kept, "Received: a\nX: y\r\n\nReceived: body\n");
  EXPECT_EQ(outcome.header_octets, 13u + 18u + 4u + 7u);
}

TEST(HeaderInspector, begins_anew_with_each_message) {
  HeaderInspector inspector;
  EXPECT_FALSE(inspector.in_header());
  const std::string_view half = "Received: x\r\nReturn-P";
  for (int i = 0; i < 2; ++i) {
    inspector.begin(HeaderInspector::LineEnd::crlf);
    EXPECT_EQ(inspector.received_count(), 0u);
    EXPECT_EQ(inspector.header_octets(), 0u);
    inspector.inspect(
        {reinterpret_cast<const std::uint8_t*>(half.data()), half.size()},
        [](const HeaderInspector::Piece&) {}, [](bool) { ADD_FAILURE(); });
    EXPECT_EQ(inspector.received_count(), 1u);
  }
}

}  // namespace
}  // namespace gatepost::smtp
