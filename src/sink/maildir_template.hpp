// Where a recipient's maildir is: "/srv/mail/{domain}/{local-part}".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "gatepost/envelope.hpp"

namespace gatepost {

class MaildirTemplate {
 public:
  // text: a path; relative ones are taken from the working directory, once, now. Its components
  // may hold {domain}, {local-part} and {address}. Errors say what is allowed: an empty path, a
  // "..", an unknown placeholder, two placeholders in one component that nothing tells apart, a
  // path that could grow beyond what the kernel takes.
  static Result<MaildirTemplate> parse(std::string_view text);

  // The absolute template.
  const std::string& text() const { return text_; }
  // The directories before the first component with a placeholder; all of them without one.
  const std::string& root() const { return root_; }

  // Appends the absolute path of the recipient's maildir. It always lies at the same depth below
  // root(): placeholders never give a '/', "." or "..".
  // The local part keeps its case (RFC 5321 §2.4): "Bob" and "bob" are two maildirs. The domain
  // comes in lower case.
  void append_mailbox(std::string& out, const Recipient& recipient) const;

  // What stands in one component, in order.
  struct Part {
    enum class Kind { literal, domain, local_part, address };
    Kind kind = Kind::literal;
    std::string literal;
  };
  using Component = std::vector<Part>;
  // The components below root(), each with a placeholder in it or after one.
  const std::vector<Component>& components() const { return components_; }

 private:
  static Result<Component> parse_component(std::string_view text);

  std::string text_;
  std::string root_;
  std::vector<Component> components_;
};

}  // namespace gatepost
