#include "simulation/message_maker.hpp"

#include <algorithm>
#include <array>

namespace gatepost::simulation {
namespace {

constexpr std::array<std::string_view, 8> words{"the ",   "gate ",     "stands ", "open ",
                                                "until ", "somebody ", "closes ", "it. "};

// What somebody may take for the end of data, as it goes over the wire behind some text, and none
// of which is one (smuggling-and-abuse.md §2). Each ends in text.
constexpr std::array<std::string_view, 16> false_ends{"\n.\n",          // A02
                                                      "\n.\r\n",        // A03
                                                      "\r\n.\n",        // A04
                                                      "\r.\r",          // A05
                                                      "\r\n.\r",        // A06
                                                      "\r.\r\n",        // A07
                                                      "\r.\n",          // A08
                                                      "\n.\r",          // A09
                                                      "\r\n.\r\r\n",    // A10
                                                      "\n\r\n",         // A18
                                                      "\r\r\n.\r\r\n",  // A19
                                                      "\n\n.\n\n",      //
                                                      "\r\n\n.\r\n",    //
                                                      "\r\n.\n\r\n",    //
                                                      "\n.\n.\r\n",     //
                                                      "\r\n.\r\n"};     // chunks only: B04

// The same without a bare CR or LF: to be stored as they are.
const std::array<std::string, 6> clean_false_ends{std::string("\r\n.\0\r\n", 6),        // A11
                                                  std::string("\r\n\0.\r\n", 6),        // A12
                                                  std::string("\x8d\x8a.\x8d\x8a", 5),  // A15
                                                  std::string("\x85.\x85", 3),          //
                                                  std::string("\r\n. \r\n", 6),         // A17
                                                  std::string("\r\n..\r\n", 6)};

}  // namespace

MessageMaker::MessageMaker(Random& random, const MessageProfile& profile, const MessageRules& rules,
                           std::uint64_t number, bool chunked)
    : random_(random), profile_(profile), rules_(rules), number_(number), chunked_(chunked) {
  static constexpr char digits[] = "0123456789abcdef";
  token = "tok-" + std::to_string(number) + "-";
  std::uint64_t value = random_.next();
  for (unsigned i = 0; i < 8; ++i, value >>= 4) token += digits[value & 15];
  token += '.';
}

bool MessageMaker::chance(unsigned percent, std::string_view feature) {
  if (!random_.percent(percent)) return false;
  features += ", ";
  features += feature;
  return true;
}

bool MessageMaker::at_line_start() const {
  if (!lone_dots.empty() && lone_dots.back() == content.size()) return false;
  return content.empty() || content.ends_with("\r\n");
}

void MessageMaker::add_line(std::string_view text) {
  content += text;
  content += "\r\n";
}

void MessageMaker::add_raw(std::string_view wire) {
  if (chunked_) {
    content += wire;
    return;
  }
  for (const char octet : wire) {
    if (octet == '.' && at_line_start())
      lone_dots.push_back(content.size());
    else
      content += octet;
  }
}

void MessageMaker::make_harmless() {
  add_line(token);
  for (std::uint64_t lines = random_.below(4); lines > 0; --lines) add_line("zzz said nobody");
}

void MessageMaker::make() {
  if (chance(profile_.empty_content, "empty")) {
    token.clear();
    return;
  }
  dots_ = chance(profile_.dots, "dots");
  eight_bit_ = chance(profile_.eight_bit, "8-bit");
  long_lines_ = chance(profile_.long_lines, "long lines");
  controls_ = chance(profile_.controls, "controls");
  bool with_body = true;
  if (chance(profile_.leading_space, "leading space")) {
    add_line((random_.once_in(2) ? " " : "\t") + token);
  } else if (chance(profile_.no_header, "no header")) {
    add_line(token + " is no field");
  } else {
    header();
    with_body = !chance(profile_.empty_body, "no body");
    if (with_body || random_.once_in(2)) add_line("");
  }
  if (with_body) body();
  end();
}

void MessageMaker::header() {
  const bool many = chance(profile_.many_received, "many Received");
  if (many || random_.percent(40)) received_fields();
  if (chance(profile_.return_path, "Return-Path")) return_path_field();
  add_line("Token: " + token);
  if (random_.once_in(2)) add_line("Subject: a message of a simulation");
  if (random_.once_in(4)) add_line("X-Folded: begun here\r\n\tand ended here");
  if (random_.once_in(6)) add_line("Return-Path-Like: not a Return-Path");
  if (random_.once_in(6)) add_line("X-Return-Path: neither this");
  if (random_.once_in(10)) return_path_field();
  if (eight_bit_ && random_.once_in(3)) add_line("Comments: \xc3\xbc\xff\x80");
}

// Up to the hop limit, or beyond it.
void MessageMaker::received_fields() {
  std::uint64_t count = random_.between(1, 5);
  if (features.ends_with("many Received"))
    count = random_.between(rules_.hop_limit * 9 / 10, rules_.hop_limit);
  if (chance(profile_.too_many_received, "too many Received"))
    count = rules_.hop_limit + random_.between(1, 20);
  for (std::uint64_t i = 0; i < count; ++i) {
    switch (random_.below(4)) {
      case 0:
        add_line("Received: from a.example by b.example; somewhen");
        break;
      case 1:
        add_line("received:");
        break;
      case 2:
        add_line("Received : from c.example\r\n by d.example");
        break;
      default:
        add_line("RECEIVED: \x7f junk");
        break;
    }
  }
}

void MessageMaker::return_path_field() {
  switch (random_.below(5)) {
    case 0:
      return add_line("Return-Path: <forged@evil.example>");
    case 1:
      return add_line("RETURN-path:\r\n\t<forged@evil.example>\r\n ");
    case 2:
      return add_line("return-path  : <>");
    case 3:
      return add_line("Return-Path:");
    default:
      return add_line("Return-Path: a\r\nReturn-Path: b\r\n c");
  }
}

void MessageMaker::body() {
  const std::uint64_t limit = rules_.size_limit;
  std::uint64_t target = random_.once_in(3) ? random_.below(40) : random_.below(700);
  if (chance(profile_.large, "large"))
    target = random_.between(8192, 60'000);
  else if (chance(profile_.medium, "medium"))
    target = random_.between(1024, 8192);
  const std::uint64_t room = limit > content.size() + 200 ? limit - content.size() - 200 : 0;
  target = std::min(target, room);

  const bool smuggles = chance(profile_.smuggling, "smuggling");
  const bool hides = chance(profile_.hidden_commands, "hidden");
  const bool bare = chance(profile_.bare_newlines, "bare");
  const std::uint64_t special_at = content.size() + random_.below(target + 1);
  const std::uint64_t wanted = content.size() + target;
  auto special = [&] {
    if (bare) bare_newline_line();
    if (smuggles) smuggling();
    if (hides) hidden_transaction(true);
  };
  bool special_due = bare || smuggles || hides;
  while (content.size() < wanted) {
    if (special_due && content.size() >= special_at) {
      special();
      special_due = false;
    }
    body_line();
  }
  if (special_due) special();
}

void MessageMaker::body_line() {
  if (dots_ && random_.once_in(4)) return dot_line();
  if (random_.once_in(40)) return add_line("Return-Path: not in the header");
  if (random_.once_in(12)) return add_line("");
  const std::size_t size =
      long_lines_ && random_.once_in(6) ? random_.between(900, 6000) : random_.below(78);
  filler(size);
  if (eight_bit_)
    for (unsigned i = 0; i < 3; ++i) content += static_cast<char>(random_.between(128, 255));
  if (controls_ && random_.once_in(3)) {
    const char octet = static_cast<char>(random_.below(32));
    if (octet != '\r' && octet != '\n') content += octet;
    content += '\x7f';
  }
  content += "\r\n";
}

void MessageMaker::filler(std::size_t octets) {
  for (const std::size_t wanted = content.size() + octets; content.size() < wanted;)
    content += words[random_.below(words.size())];
}

void MessageMaker::dot_line() {
  static constexpr std::array<std::string_view, 7> lines{".",  "..",   "...", ".a",
                                                         ". ", ".\t.", "a."};
  add_line(lines[random_.below(lines.size())]);
}

// A transaction as text. In DATA its lone dot is stuffed as any other.
void MessageMaker::hidden_transaction(bool with_end) {
  const std::string name = std::string(hidden_prefix) + std::to_string(number_);
  if (random_.once_in(3)) add_line("RSET");
  if (random_.once_in(4)) add_line("EHLO evil.example");
  add_line("MAIL FROM:<" + name + "@evil.example>");
  add_line("RCPT TO:<" + name + "@everyone.example>");
  if (random_.once_in(3)) {
    add_line("BDAT 12 LAST");
    add_line("smuggled!!");
  } else {
    add_line("DATA");
    add_line("Smuggled: yes");
    add_line("");
    if (with_end) add_line(".");
  }
  if (random_.once_in(3)) add_line("QUIT");
}

void MessageMaker::smuggling() {
  content += "text";
  if (rules_.bare_newline == BareNewlineMode::keep && random_.once_in(5)) {
    add_raw(clean_false_ends[random_.below(clean_false_ends.size())]);
    hidden_transaction(false);
    return;
  }
  const std::size_t kinds = chunked_ ? false_ends.size() : false_ends.size() - 1;
  const std::string_view false_end = false_ends[random_.below(kinds)];
  add_raw(false_end);
  hidden_transaction(false);
  // The hidden message ends in the same way.
  content += "text";
  add_raw(false_end);
  add_line("behind it");
}

void MessageMaker::bare_newline_line() {
  filler(random_.below(30));
  for (std::uint64_t i = random_.between(1, 3); i > 0; --i) {
    content += random_.once_in(2) ? '\r' : '\n';
    if (random_.once_in(2)) filler(random_.below(20));
    if (random_.once_in(3)) content += '.';
  }
  content += "x\r\n";
}

void MessageMaker::reach_size(std::uint64_t octets) {
  while (content.size() < octets) {
    const std::uint64_t left = octets - content.size();
    if (left < 3) {
      // Room for no whole line: the last one gets longer.
      content.insert(content.size() - 2, static_cast<std::size_t>(left), 'y');
      continue;
    }
    content.append(static_cast<std::size_t>(std::min<std::uint64_t>(left - 2, 70)), 'x');
    content += "\r\n";
  }
}

// Sizes at and over the limit, and the last line end.
void MessageMaker::end() {
  const std::uint64_t limit = rules_.size_limit;
  if (limit <= profile_.over_limit_octets_max && content.ends_with("\r\n")) {
    if (limit * 10 + 10 <= profile_.over_limit_octets_max && !chunked_ && random_.once_in(10) &&
        chance(profile_.over_limit, "far over the limit"))
      reach_size(limit * 10 + random_.between(1, 5000));
    else if (chance(profile_.over_limit, "over the limit"))
      reach_size(limit + random_.between(1, 3000));
    else if (chance(profile_.over_limit, "at the limit"))
      reach_size(limit);
  }
  if (!chunked_) return;
  if (content.ends_with("\r\n") && chance(profile_.no_final_newline, "no final line end"))
    content.resize(content.size() - 2);
}

}  // namespace gatepost::simulation
