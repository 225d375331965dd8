#include "smtp/path.hpp"

#include <algorithm>

#include "smtp/octets.hpp"

namespace gatepost::smtp {
namespace {

using octets::is;

bool starts_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         equals_ignoring_case(text.substr(0, prefix.size()), prefix);
}

// One walk from "<" to ">", each production taking its octets off the front. UTF-8 was found well
// formed before, so each octet beyond ASCII is part of a character that RFC 6531 §3.3 adds to
// atext, qtext and labels, and no delimiter can hide in one.
class PathParser {
 public:
  PathParser(std::string_view text, PathOptions options, MailboxStorage& storage)
      : rest_(text), options_(options), storage_(storage) {}

  // rest_: behind "<". For forward-paths only, the domain of postmaster may be missing.
  bool mailbox(Mailbox& mailbox, bool may_lack_domain) {
    const bool routed = peek() == '@';
    if (routed && !source_route(mailbox)) return false;
    if (!(peek() == '"' ? quoted_string(mailbox) : dot_string(mailbox))) return false;
    if (peek() == '>' && may_lack_domain && !routed &&
        equals_ignoring_case(mailbox.local_part, "postmaster")) {
      return true;
    }
    return take('@') && domain_or_literal(mailbox);
  }

  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view rest() const { return rest_; }

 private:
  // What no production begins with, at the end of the text.
  static constexpr char nothing = '\0';
  char peek() const { return rest_.empty() ? nothing : rest_.front(); }

  std::string_view take_front(std::size_t size) {
    const std::string_view front = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return front;
  }

  // A-d-l ":" is checked and then forgotten (R5321-4.1.2-01, R5321-3.6.1-02).
  bool source_route(Mailbox& mailbox) {
    do {
      if (!take('@')) return false;
      const std::size_t end = std::min(rest_.find_first_of(",:>"), rest_.size());
      const std::string_view domain = take_front(end);
      if (!valid_domain(domain, true)) return false;
      mailbox.non_ascii |= std::any_of(domain.begin(), domain.end(), octets::non_ascii);
    } while (take(','));
    return take(':');
  }

  bool dot_string(Mailbox& mailbox) {
    std::size_t at = 0;
    bool after_dot = true;  // an atom must come, also at the beginning
    for (; at < rest_.size(); ++at) {
      const char c = rest_[at];
      if (c == '.') {
        if (after_dot) return false;  // R5321-4.1.2-09
        after_dot = true;
        continue;
      }
      if (octets::non_ascii(c)) {
        mailbox.non_ascii = true;
      } else if (!is(c, octets::atext)) {
        break;
      }
      after_dot = false;
    }
    if (after_dot || at > bounds::local_part_length_max) return false;
    mailbox.local_part = take_front(at);
    return true;
  }

  // Writes the content, rid of backslashes that it does not need, between quotes, and leaves these
  // out when it is a dot-string without them (R5321-4.1.2-13, R5321-4.1.2-14).
  bool quoted_string(Mailbox& mailbox) {
    char* const first = storage_.local_part.data() + 1;
    char* out = first;
    bool needs_quotes = false;
    bool after_dot = true;
    std::size_t at = 1;
    for (; at < rest_.size() && rest_[at] != '"'; ++at) {
      // As sent, without the quotes; the closing one is still to come.
      if (at > bounds::local_part_length_max) return false;
      char c = rest_[at];
      if (c == '\\') {
        if (++at > bounds::local_part_length_max || at == rest_.size()) return false;
        c = rest_[at];
        // A quoted-pair is ASCII only, also with SMTPUTF8 (RFC 6531 §3.3 adds to qtext alone).
        if (!is(c, octets::printable)) return false;
      }
      if (octets::non_ascii(c)) {
        mailbox.non_ascii = true;
      } else if (!is(c, octets::printable)) {
        return false;  // R5321-4.1.2-11
      } else if (c == '.') {
        needs_quotes |= after_dot;
      } else if (!is(c, octets::atext)) {
        needs_quotes = true;
        if (c == '"' || c == '\\') *out++ = '\\';
      }
      after_dot = c == '.';
      *out++ = c;
    }
    if (at >= rest_.size() || out == first) return false;  // no end, or "" (R5321-4.1.2-12)
    rest_.remove_prefix(at + 1);
    if (needs_quotes || after_dot) {
      storage_.local_part[0] = '"';
      *out++ = '"';
      mailbox.local_part = {storage_.local_part.data(),
                            static_cast<std::size_t>(out - storage_.local_part.data())};
    } else {
      mailbox.local_part = {first, static_cast<std::size_t>(out - first)};
    }
    return true;
  }

  bool domain_or_literal(Mailbox& mailbox) {
    const std::string_view domain = take_front(std::min(rest_.find('>'), rest_.size()));
    mailbox.domain = domain;
    if (domain.starts_with('[')) {
      mailbox.literal = true;
      return valid_address_literal(domain);
    }
    if (!valid_domain(domain, true)) return false;
    if (!std::any_of(domain.begin(), domain.end(), octets::non_ascii)) return true;
    mailbox.non_ascii = true;
    // Without SMTPUTF8 the address is refused anyway, so that nobody gets IDNA's work for nothing.
    if (!options_.utf8_allowed) return true;
    std::array<char, bounds::domain_length_max + 1> canonical;
    return canonical_domain(domain, canonical) != 0;
  }

  std::string_view rest_;
  PathOptions options_;
  MailboxStorage& storage_;
};

Path failed(PathError error) {
  Path path;
  path.error = error;
  return path;
}

Path parse_path(std::string_view argument, std::string_view keyword, bool reverse,
                PathOptions options, MailboxStorage& storage) {
  if (!valid_utf8(argument)) return failed(PathError::malformed_utf8);
  if (!starts_ignoring_case(argument, keyword)) return failed(PathError::argument);
  std::string_view text = argument.substr(keyword.size());
  if (options.space_after_colon)
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  if (!text.starts_with('<')) return failed(PathError::argument);

  Path path;
  PathParser parser(text.substr(1), options, storage);
  if (reverse && parser.take('>')) {
    path.null = true;
  } else if (!parser.mailbox(path.mailbox, !reverse) || !parser.take('>')) {
    return failed(PathError::syntax);
  }
  path.parameters = parser.rest();
  // R5321-4.1.2-04: nothing may be glued to the path's end.
  if (!path.parameters.empty() && path.parameters.front() != ' ')
    return failed(PathError::argument);
  if (path.mailbox.non_ascii && !options.utf8_allowed) path.error = PathError::not_ascii;
  return path;
}

}  // namespace

Path parse_reverse_path(std::string_view argument, PathOptions options, MailboxStorage& storage) {
  return parse_path(argument, "FROM:", true, options, storage);
}

Path parse_forward_path(std::string_view argument, PathOptions options, MailboxStorage& storage) {
  return parse_path(argument, "TO:", false, options, storage);
}

std::string_view unquoted_local_part(std::string_view local_part, MailboxStorage& storage) {
  if (local_part.size() < 2 || local_part.front() != '"') return local_part;
  const std::string_view inner = local_part.substr(1, local_part.size() - 2);
  char* out = storage.local_part.data();
  for (std::size_t i = 0; i < inner.size() && i < bounds::local_part_length_max; ++i) {
    if (inner[i] == '\\' && i + 1 < inner.size()) ++i;
    *out++ = inner[i];
  }
  return {storage.local_part.data(), static_cast<std::size_t>(out - storage.local_part.data())};
}

}  // namespace gatepost::smtp
