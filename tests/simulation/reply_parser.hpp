// Takes a server's octets apart into replies, and says what is wrong with their form (RFC 5321
// §4.2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gatepost::simulation {

struct Reply {
  std::uint16_t code = 0;
  std::string enhanced;            // "5.5.1", empty when there is none
  std::vector<std::string> lines;  // texts behind the code
  // The last line behind the enhanced code.
  std::string_view text() const;
  std::string shown() const;  // for messages
};

class ReplyParser {
 public:
  // Takes all of `octets`; whole replies go to `replies`. Returns what is wrong, or nothing. After
  // an error there is no telling what is a reply: the parser is not to be used any more.
  std::string take(std::string_view octets, std::vector<Reply>& replies);
  // Octets of a reply that is not whole yet.
  bool in_reply() const { return !line_.empty() || !reply_.lines.empty(); }

 private:
  std::string take_line(std::vector<Reply>& replies);

  std::string line_;  // without its end
  Reply reply_;
};

}  // namespace gatepost::simulation
