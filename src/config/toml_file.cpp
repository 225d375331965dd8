#include "config/toml_file.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

namespace gatepost::config {

namespace {

// A configuration is a page or two; anything else is a wrong path, perhaps a device that never
// ends.
constexpr std::size_t file_size_max = 16 * 1024 * 1024;

Result<std::string> read_file(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text;
  std::array<char, 65536> part;
  while (in && text.size() <= file_size_max) {
    in.read(part.data(), part.size());
    text.append(part.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (text.size() > file_size_max)
    return Error{fmt::format("{}: larger than 16M, so no configuration", path)};
  if (!in.eof() || in.bad())
    return Error{fmt::format("{}: {}", path, std::strerror(errno != 0 ? errno : EIO))};
  return text;
}

std::optional<std::string> scalar_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* truth = node.as_boolean()) return std::string(truth->get() ? "true" : "false");
  return {};
}

}  // namespace

Result<std::vector<Setting>> read_toml_file(const std::string& path) {
  auto text = read_file(path);
  if (!text) return Error{text.error()};

  toml::table table;
  try {
    table = toml::parse(text.value(), path);
  } catch (const toml::parse_error& error) {
    return Error{fmt::format("{}:{}: {}; text and numbers with a unit stand in quotes, as \"50M\"",
                             path, error.source().begin.line, error.description())};
  }

  std::vector<Setting> settings;
  for (const auto& [key, node] : table) {
    Setting setting{std::string(key.str()), {}, key.source().begin.line};
    const auto wrong = [&] {
      return Error{
          fmt::format("{}:{}: {}: allowed is a string, a whole number, true or false, or a list of "
                      "strings; there are no tables",
                      path, setting.line, setting.name)};
    };
    if (const auto* list = node.as_array()) {
      for (const toml::node& element : *list) {
        auto value = scalar_text(element);
        if (!value) return wrong();
        setting.values.push_back(std::move(*value));
      }
    } else {
      auto value = scalar_text(node);
      if (!value) return wrong();
      setting.values.push_back(std::move(*value));
    }
    settings.push_back(std::move(setting));
  }
  // The parser sorts by name; errors shall come in the file's order.
  std::sort(settings.begin(), settings.end(),
            [](const Setting& a, const Setting& b) { return a.line < b.line; });
  return settings;
}

}  // namespace gatepost::config
