// Flags whose values this program checks itself, on top of CLI11.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "load/limits.hpp"
#include "load/quantity.hpp"

namespace gatepost::load {

// Breaks a flag's explanation into lines of a terminal's width.
inline std::string wrapped(std::string_view text) {
  constexpr std::size_t width = 62;
  std::string lines;
  std::size_t column = 0;
  while (!text.empty()) {
    auto end = std::min(text.find(' '), text.size());
    if (column > 0) {
      bool fits = column + 1 + end <= width;
      lines += fits ? ' ' : '\n';
      column = fits ? column + 1 : 0;
    }
    lines += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Collects each flag's text, and afterwards turns them into values in one go, so that every
// mistake is reported in the same form: flag, value, what is allowed.
class Flags {
 public:
  explicit Flags(CLI::App& app) : app_(app) {}

  void group(const char* name) { group_ = name; }
  // parse: takes the text and returns a Result; store: takes the value.
  template <class Parse, class Store>
  void add(const char* name, const std::string& shown, const std::string& help, Parse parse,
           Store store) {
    add_text(name, shown, help, [parse, store](const std::string& text) {
      auto parsed = parse(text);
      if (!parsed) return parsed.error();
      store(parsed.value());
      return std::string();
    });
  }
  template <class Number>
  void count(const char* name, const std::string& help, std::uint64_t least, std::uint64_t most,
             Number& value) {
    add(
        name, "N", help, [=](const std::string& text) { return parse_count(text, least, most); },
        [&value](std::uint64_t n) { value = static_cast<Number>(n); });
  }
  void duration(const char* name, const std::string& help, std::uint64_t& value) {
    add(
        name, "TIME", help,
        [](const std::string& text) {
          return parse_duration(text, 1'000'000, limits::duration_seconds_max * 1'000'000'000);
        },
        [&value](std::uint64_t ns) { value = ns; });
  }
  bool given(const char* name) const { return app_.get_option(name)->count() > 0; }
  // What stands behind the last one of a flag that is given.
  std::string text(const char* name) const { return app_.get_option(name)->results().back(); }

  // The first mistake, or an empty text.
  std::string apply() const {
    for (const auto& flag : flags_) {
      if (flag->option->count() == 0) continue;
      std::string mistake = flag->take(flag->text);
      if (!mistake.empty()) return fmt::format("{}: {}", flag->option->get_name(), mistake);
    }
    return {};
  }

 private:
  struct Flag {
    std::string text;
    CLI::Option* option;
    std::function<std::string(const std::string&)> take;
  };
  void add_text(const char* name, const std::string& shown, const std::string& help,
                std::function<std::string(const std::string&)> take) {
    flags_.push_back(std::make_unique<Flag>());
    Flag& flag = *flags_.back();
    flag.option =
        app_.add_option(name, flag.text, wrapped(help))->option_text(shown)->group(group_);
    flag.take = std::move(take);
  }

  CLI::App& app_;
  std::string group_ = "Options";
  std::vector<std::unique_ptr<Flag>> flags_;
};

}  // namespace gatepost::load
