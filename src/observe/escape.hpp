// Makes text from the wire safe to stand in one line of a log.
#pragma once

#include <string>
#include <string_view>

namespace gatepost::observe {

// Where the text stands: between "<" and ">", or in running text.
enum class TextPlace { enclosed, sentence };

// Appends `text` to `out` for a text line: printable ASCII and well-formed UTF-8 as they are, "\\"
// for a backslash, "\xHH" for every other octet: controls, DEL, malformed UTF-8, "<" and ">" in an
// enclosed text, and characters that end lines or turn the reading direction (U+0080..U+009F,
// U+2028..U+202E, U+2066..U+2069, U+200E, U+200F, U+FEFF).
void append_escaped_text(std::string& out, std::string_view text, TextPlace place);

}  // namespace gatepost::observe
