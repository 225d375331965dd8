#include "load/layout.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gatepost::load {
namespace {

constexpr std::string_view placeholders[] = {"{local-part}", "{address}", "{domain}"};

bool kept_in_names(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.+=").find(c) != std::string_view::npos;
}

// As the maildir sink names directories: other octets than these, and a dot or hyphen at the
// front, become %XX.
std::string directory_name(std::string_view value) {
  std::string name;
  for (std::size_t i = 0; i < value.size(); ++i) {
    char c = value[i];
    if (kept_in_names(c) && !(i == 0 && (c == '.' || c == '-')))
      name += c;
    else
      name += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return name;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

}  // namespace

Result<Done> check_layout(std::string_view layout) {
  if (layout == any_layout) return Done{};
  std::string literal(layout);
  for (std::string_view placeholder : placeholders) replace_all(literal, placeholder, "");
  bool tells_apart = layout.find("{local-part}") != std::string_view::npos ||
                     layout.find("{address}") != std::string_view::npos;
  if (!tells_apart || layout.front() == '/' || literal.find('{') != std::string::npos)
    return Error{
        fmt::format("'{}' is not allowed: a path below the --maildir with {{local-part}} "
                    "or {{address}}, and {{domain}}, such as {{domain}}/{{local-part}}; "
                    "or any",
                    layout)};
  return Done{};
}

std::string mailbox_path(std::string layout, std::string_view address) {
  auto at = address.rfind('@');
  std::string local_part(address.substr(0, at));
  std::string domain(at == std::string_view::npos ? "" : address.substr(at + 1));
  std::transform(domain.begin(), domain.end(), domain.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  replace_all(layout, "{domain}", directory_name(domain));
  replace_all(layout, "{local-part}", directory_name(local_part));
  replace_all(layout, "{address}", directory_name(local_part) + "@" + directory_name(domain));
  return layout;
}

std::string without_tag(std::string_view address) {
  auto plus = address.find('+'), at = address.rfind('@');
  bool tagged = plus != std::string_view::npos && at != std::string_view::npos && plus > 0;
  if (!tagged || plus > at) return std::string(address);
  return fmt::format("{}{}", address.substr(0, plus), address.substr(at));
}

}  // namespace gatepost::load
