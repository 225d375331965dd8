// Makes the content of one message, feature by feature, as chance and a profile have it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/message_model.hpp"
#include "simulation/random.hpp"

namespace gatepost::simulation {

class MessageMaker {
 public:
  MessageMaker(Random& random, const MessageProfile& profile, const MessageRules& rules,
               std::uint64_t number, bool chunked);
  void make();
  // Lines that, taken for commands, are unknown ones.
  void make_harmless();

  std::string content;
  std::string token;
  std::string features;  // ", dots, hidden"
  // Offsets in content in front of which the wire has a dot that no line of content explains: what
  // stands there was written raw, and its dot is taken off by the server.
  std::vector<std::size_t> lone_dots;

 private:
  bool chance(unsigned percent, std::string_view feature);
  void header();
  void received_fields();
  void return_path_field();
  void body();
  void body_line();
  void filler(std::size_t octets);
  void dot_line();
  void hidden_transaction(bool with_end);
  void smuggling();
  void bare_newline_line();
  void add_line(std::string_view text);
  void add_raw(std::string_view wire);
  bool at_line_start() const;
  void reach_size(std::uint64_t octets);
  void end();

  Random& random_;
  const MessageProfile& profile_;
  const MessageRules& rules_;
  std::uint64_t number_;
  bool chunked_;
  bool dots_ = false;
  bool eight_bit_ = false;
  bool long_lines_ = false;
  bool controls_ = false;
};

}  // namespace gatepost::simulation
