// Text from the wire in log lines: whatever it is, the line stays one line, a path stays inside its
// angle brackets, and nothing is lost that the escapes promise to keep.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "observe/escape.hpp"

namespace {

using gatepost::observe::TextPlace;

bool has_control(std::string_view text) {
  for (char c : text) {
    auto octet = static_cast<std::uint8_t>(c);
    if (octet < 0x20 || octet == 0x7f) return true;
  }
  return false;
}

unsigned hex_value(char digit) {
  GP_CHECK((digit >= '0' && digit <= '9') || (digit >= 'A' && digit <= 'F'));
  return static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'A' + 10);
}

// Reads "\\" and "\xHH" back; there are no other escapes.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
    } else if (text.substr(i, 2) == "\\\\") {
      out += '\\';
      ++i;
    } else {
      GP_CHECK(text.substr(i, 2) == "\\x" && text.size() >= i + 4);
      out += static_cast<char>(hex_value(text[i + 2]) << 4 | hex_value(text[i + 3]));
      i += 3;
    }
  }
  return out;
}

void check_text(std::string_view text, TextPlace place) {
  std::string line;
  gatepost::observe::append_escaped_text(line, text, place);
  GP_CHECK(!has_control(line));
  if (place == TextPlace::enclosed) GP_CHECK(line.find_first_of("<>") == std::string::npos);
  GP_CHECK(unescaped(line) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check_text(text, TextPlace::enclosed);
  check_text(text, TextPlace::sentence);
  return 0;
}
