#include "sink/maildir_template.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>

#include "fmt/format.h"
#include "sink/maildir_name.hpp"

namespace gatepost {
namespace {

using Part = MaildirTemplate::Part;

constexpr std::string_view allowed_placeholders = "{domain}, {local-part} and {address}";
// Room below a maildir for "/new/" and the longest file name.
constexpr std::size_t below_mailbox_length_max = 5 + component_length_max;

struct Placeholder {
  std::string_view text;
  Part::Kind kind;
};
constexpr std::array placeholders{Placeholder{"{domain}", Part::Kind::domain},
                                  Placeholder{"{local-part}", Part::Kind::local_part},
                                  Placeholder{"{address}", Part::Kind::address}};

bool has_placeholder(const MaildirTemplate::Component& component) {
  return std::any_of(component.begin(), component.end(),
                     [](const Part& part) { return part.kind != Part::Kind::literal; });
}

// "a-" + "b" and "a" + "-b" must not meet in one directory: two placeholders need something
// between them that an encoded value never holds.
bool values_stay_apart(const MaildirTemplate::Component& component) {
  bool apart = true;
  for (const Part& part : component) {
    if (part.kind == Part::Kind::literal) {
      apart = apart || std::any_of(part.literal.begin(), part.literal.end(), [](char octet) {
                return octet != '%' && !kept_when_encoded(octet);
              });
    } else {
      if (!apart) return false;
      apart = false;
    }
  }
  return true;
}

}  // namespace

Result<MaildirTemplate::Component> MaildirTemplate::parse_component(std::string_view text) {
  Component parts;
  while (!text.empty()) {
    if (text.front() == '{') {
      const auto* found =
          std::find_if(placeholders.begin(), placeholders.end(),
                       [&](const Placeholder& each) { return text.starts_with(each.text); });
      if (found == placeholders.end()) {
        return Error{fmt::format("unknown placeholder at \"{}\": allowed are {}", text,
                                 allowed_placeholders)};
      }
      parts.push_back({found->kind, {}});
      text.remove_prefix(found->text.size());
    } else {
      const std::size_t length = std::min(text.find('{'), text.size());
      parts.push_back({Part::Kind::literal, std::string(text.substr(0, length))});
      text.remove_prefix(length);
    }
  }
  if (!values_stay_apart(parts)) {
    return Error{
        "two placeholders in one directory name need a character such as '@' between them"};
  }
  return parts;
}

Result<MaildirTemplate> MaildirTemplate::parse(std::string_view text) {
  if (text.empty()) return Error{"the path is empty"};
  if (text.find('\0') != std::string_view::npos) return Error{"the path holds a NUL"};

  std::string absolute(text);
  if (text.front() != '/') {
    char directory[PATH_MAX];
    if (getcwd(directory, sizeof directory) == nullptr) {
      return Error{"the path is relative and there is no working directory; give an absolute one"};
    }
    absolute = fmt::format("{}/{}", directory, text);
  }

  MaildirTemplate result;
  std::size_t longest = below_mailbox_length_max;
  std::string_view rest = absolute;
  while (!rest.empty()) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view name = rest.substr(0, slash);
    rest.remove_prefix(std::min(slash + 1, rest.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") return Error{"the path must not hold a component \"..\""};

    result.text_ += '/';
    result.text_ += name;
    // The working directory's own braces are no placeholders.
    const bool given = text.front() == '/' || rest.size() < text.size();
    Component component{{Part::Kind::literal, std::string(name)}};
    if (given) {
      Result<Component> parsed = parse_component(name);
      if (!parsed) return Error{parsed.error()};
      component = std::move(parsed.value());
    }
    const bool varies = has_placeholder(component);
    longest += 1 + (varies ? component_length_max : name.size());
    if (!varies && name.size() > component_length_max) {
      return Error{fmt::format("\"{}\" is longer than {} characters", name, component_length_max)};
    }
    if (varies || !result.components_.empty()) {
      result.components_.push_back(std::move(component));
    } else {
      result.root_ += '/';
      result.root_ += name;
    }
  }
  if (result.text_.empty()) return Error{"the root directory cannot be a maildir"};
  if (result.root_.empty()) result.root_ += '/';
  if (longest >= PATH_MAX) {
    return Error{
        fmt::format("the path may grow to {} characters; {} is the most", longest, PATH_MAX - 1)};
  }
  return result;
}

void MaildirTemplate::append_mailbox(std::string& out, const Recipient& recipient) const {
  if (root_.size() > 1) out += root_;
  for (const Component& component : components_) {
    out += '/';
    const std::size_t start = out.size();
    for (const Part& part : component) {
      switch (part.kind) {
        case Part::Kind::literal:
          out += part.literal;
          break;
        case Part::Kind::domain:
          append_encoded(out, recipient.domain);
          break;
        case Part::Kind::local_part:
          append_encoded(out, recipient.mailbox);
          break;
        case Part::Kind::address:
          append_encoded(out, recipient.mailbox);
          out += '@';
          append_encoded(out, recipient.domain);
          break;
      }
    }
    bound_component(out, start);
  }
}

}  // namespace gatepost
