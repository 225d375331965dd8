#include "scan_harness.hpp"

namespace gatepost::scan {
namespace {

bool lf_is_bare(std::string_view input, std::size_t at) {
  return at == 0 || input[at - 1] != '\r';
}

// Whether the octet at `at` is the first one behind a CRLF or of the message.
bool at_true_line_start(std::string_view input, std::size_t at) {
  return at == 0 || (at >= 2 && input.substr(at - 2, 2) == "\r\n");
}

bool behind_bare_lf(std::string_view input, std::size_t at) {
  return at >= 1 && input[at - 1] == '\n' && lf_is_bare(input, at - 1);
}

// input: the whole content, still as it was sent.
Outcome transformed(std::string_view input, Form form, bool dots) {
  const bool normalize = form.bare_newline == BareNewline::normalize;
  const std::string_view line_end = form.line_end == LineEnd::crlf ? "\r\n" : "\n";
  Outcome outcome;
  auto give = [&](std::string_view octets, std::size_t counted) {
    outcome.content += octets;
    outcome.content_octets += counted;
  };
  for (std::size_t at = 0; at < input.size(); ++at) {
    std::string_view octet = input.substr(at, 1);
    if (input.substr(at, 2) == "\r\n") {
      give(line_end, 2);
      ++at;
    } else if (octet == "\r") {
      outcome.findings |= bare_cr;
      give(normalize ? " " : "\r", 1);
    } else if (octet == "\n") {
      outcome.findings |= bare_lf;
      if (normalize)
        give(line_end, 2);
      else
        give("\n", 1);
    } else if (octet == "." && dots &&
               (at_true_line_start(input, at) || (normalize && behind_bare_lf(input, at)))) {
      continue;
    } else {
      if (octet[0] == '\0') outcome.findings |= nul;
      if (static_cast<std::uint8_t>(octet[0]) >= 128) outcome.findings |= eight_bit;
      give(octet, 1);
    }
  }
  return outcome;
}

}  // namespace

Outcome expected_data(std::string_view input, Form form) {
  std::size_t content_size;
  std::size_t end_size;
  if (input.substr(0, 3) == ".\r\n") {
    content_size = 0;
    end_size = 3;
  } else {
    content_size = input.find("\r\n.\r\n");
    if (content_size == std::string_view::npos) {
      ADD_FAILURE() << "only for input with an end of data";
      return {};
    }
    content_size += 2;
    end_size = 3;
  }
  Outcome outcome = transformed(input.substr(0, content_size), form, true);
  outcome.consumed = content_size + end_size;
  outcome.end_of_data = true;
  return outcome;
}

Outcome expected_chunks(std::string_view input, Form form) {
  Outcome outcome = transformed(input, form, false);
  outcome.consumed = input.size();
  outcome.at_line_start =
      at_true_line_start(input, input.size()) ||
      (form.bare_newline == BareNewline::normalize && behind_bare_lf(input, input.size()));
  return outcome;
}

bool ends_in_bare_dot_line(std::string_view input) {
  std::size_t size = input.size();
  if (size >= 2 && input.substr(size - 2) == ".\n") return size == 2 || input[size - 3] == '\n';
  if (size >= 4 && input.substr(size - 3) == ".\r\n") return behind_bare_lf(input, size - 3);
  return false;
}

}  // namespace gatepost::scan
