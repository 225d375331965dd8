// Messages that simulated clients send: content made by chance, which knows how it must look in a
// store, and whether it must be refused.
//
// Content is held as a client of BDAT sends it: octet for octet, lines ended by CRLF, nothing
// stuffed. All of it is plain data and may be copied; nothing refers to anything outside.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/random.hpp"

namespace gatepost::simulation {

// How a stored message's lines end.
enum class StoredForm : std::uint8_t { lf, crlf };

// What the server does about a bare CR or LF in content (SMG-02).
enum class BareNewlineMode : std::uint8_t { keep, normalize };

// What a server must make of a message. Sizes in octets.
struct MessageRules {
  std::uint64_t size_limit = 1024 * 1024;  // as RFC 1870 counts
  unsigned hop_limit = 100;
  BareNewlineMode bare_newline = BareNewlineMode::keep;
  bool final_delivery = true;  // Return-Path fields that came along are dropped
};

// What messages are made of: percentages.
struct MessageProfile {
  unsigned medium = 15;     // 1 to 8 KB in place of less
  unsigned large = 5;       // up to 60 KB
  unsigned over_limit = 1;  // over the size limit; where that is at most over_limit_octets_max
  unsigned empty_content = 1;
  unsigned empty_body = 4;
  unsigned no_header = 3;
  unsigned dots = 30;
  unsigned eight_bit = 25;
  unsigned long_lines = 10;
  unsigned controls = 8;  // NUL and other control octets but CR and LF
  unsigned many_received = 3;
  unsigned too_many_received = 1;
  unsigned return_path = 15;
  unsigned no_final_newline = 15;  // BDAT only
  unsigned leading_space = 1;
  unsigned bare_newlines = 4;     // stray CR and LF
  unsigned smuggling = 5;         // what some servers take for an end of data, with commands behind
  unsigned hidden_commands = 25;  // whole transactions as text
  std::uint64_t over_limit_octets_max = 256 * 1024;
};

class MessageModel {
 public:
  // Why the server must refuse the content.
  enum class Fault : std::uint8_t { none, bare_newline, over_limit, too_many_hops };

  MessageModel() = default;
  // number: unique in the run; the message's token is made of it. chunked: for BDAT, so that it
  // need not end with CRLF. only_harmless: no line of it would do anything if it were run as a
  // command, and none looks like a header field.
  static MessageModel make(Random& random, const MessageProfile& profile, const MessageRules& rules,
                           std::uint64_t number, bool chunked, bool only_harmless = false);
  // One of that content, for tests. for_data: it came by DATA, in mode normalize.
  static MessageModel of(std::string content, const MessageRules& rules, std::uint64_t number,
                         bool for_data = false);

  const std::string& content() const { return content_; }
  // As it goes over the wire after 354: dots stuffed, and the end of data behind it.
  std::string data_form() const;
  // RFC 1870's count.
  std::uint64_t size() const { return content_.size(); }

  // The first one in the server's order of reasons; several may hold.
  Fault fault() const { return faults_.empty() ? Fault::none : faults_.front(); }
  // Whether this code may answer the content: 250 only without faults, and of the refusals by
  // content only those that it has deserved. Refusals by the sink are always permitted where the
  // content is good.
  bool permits(std::uint16_t code) const;
  // Why `code enhanced` may not answer it although permits(code), or nothing: 552 5.3.4, say, where
  // the size is not over the limit.
  bool permits(std::uint16_t code, std::string_view enhanced) const;
  // Bare CR or LF is in it: it may be answered 554 5.5.2 before its end (SMG-04).
  bool has_bare_newline() const { return has_bare_newline_; }
  // More than ten times the size limit: 552 and close before its end (SIZE-12).
  bool far_over_limit() const { return far_over_limit_; }

  // What must stand in the store below the trace fields; of a message without faults (in mode
  // normalize with what is made of bare newlines).
  std::string stored(StoredForm form) const;

  // "tok-NUMBER-HEX."; stands in every content that is not empty.
  const std::string& token() const { return token_; }
  std::uint64_t number() const { return number_; }
  // The number in the first token that stands in `octets`; false when there is none.
  static bool find_number(std::string_view octets, std::uint64_t& number);

  // A few words for messages: "1234 octets, dots, hidden".
  std::string description() const;

 private:
  struct Range {
    std::size_t offset;
    std::size_t size;
  };
  void judge(const MessageRules& rules);
  void look_at_header(bool final_delivery, unsigned& hops);

  std::string content_;
  std::string token_;
  std::string features_;
  std::vector<Range> dropped_;          // Return-Path fields of the header section
  std::vector<Fault> faults_;           // in the server's order
  std::vector<std::size_t> lone_dots_;  // as MessageMaker has them
  std::uint64_t number_ = 0;
  bool has_bare_newline_ = false;
  bool far_over_limit_ = false;
  bool normalized_ = false;
  bool size_in_doubt_ = false;
  bool for_data_ = false;
};

// Sender and recipients of transactions that are hidden in content begin so; nobody else's do.
constexpr std::string_view hidden_prefix = "hidden-";

}  // namespace gatepost::simulation
