#include "load/arguments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "base/nearest_name.hpp"

namespace gatepost::load {
namespace {

std::string unknown_flag(const CLI::App& app, bool is_verify, std::string_view flag) {
  std::vector<std::string_view> names;
  for (const CLI::Option* option : app.get_options())
    names.insert(names.end(), option->get_lnames().begin(), option->get_lnames().end());
  std::string_view bare = flag.substr(std::min(flag.find_first_not_of('-'), flag.size()));
  std::string_view near = nearest_name(bare, names);
  return fmt::format("{}: there is no such flag{}; {}", flag, is_verify ? " of verify" : "",
                     !near.empty() ? fmt::format("did you mean --{}?", near)
                     : is_verify   ? "see gatepost-load verify --help"
                                   : "see --help");
}

std::string stray_word(bool is_verify, std::string_view word, std::string_view target) {
  if (word == "verify") return "'verify': stands first: gatepost-load verify --ledger FILE ...";
  if (is_verify)
    return fmt::format("'{}': verify takes flags only; see gatepost-load verify --help", word);
  return fmt::format("'{}': one target is allowed, and '{}' is given already", word, target);
}

}  // namespace

std::vector<std::string> split_words(int argc, const char* const* argv) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    bool valueless = word.starts_with("--") && word.find('=') == word.size() - 1;
    words.emplace_back(word.substr(0, word.size() - (valueless ? 1 : 0)));
    if (valueless) words.emplace_back();
  }
  return words;
}

std::string check_words(const CLI::App& app, const CLI::App& verify,
                        std::span<const std::string> words) {
  bool is_verify = !words.empty() && words.front() == "verify";
  const CLI::App& taking = is_verify ? verify : app;
  std::set<const CLI::Option*> seen;
  std::string_view target;
  for (std::size_t i = is_verify ? 1 : 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (!word.starts_with('-')) {
      if (is_verify || word == "verify" || !target.empty())
        return stray_word(is_verify, word, target);
      target = word;
      continue;
    }
    std::string name(word.substr(0, word.find('=')));
    const CLI::Option* option = taking.get_option_no_throw(name);
    if (option == nullptr) return unknown_flag(taking, is_verify, name);
    bool has_value = word.size() > name.size();
    if (option->get_items_expected_max() == 0) {
      if (has_value)
        return fmt::format("{}: takes no value, but is given '{}'", name,
                           word.substr(name.size() + 1));
      continue;
    }
    if (!has_value) {
      ++i;
      // CLI11 would take the next flag for the value of one that lacks it.
      if (i == words.size() ||
          (words[i].starts_with('-') && taking.get_option_no_throw(words[i]) != nullptr))
        return fmt::format("{0}: needs a value: {0} {1}; see --help", name,
                           option->get_option_text());
    }
    if (!seen.insert(option).second && option->get_expected_max() <= 1)
      return fmt::format("{}: is given more than once; allowed is once", name);
  }
  return {};
}

std::string in_one_line(std::string_view text) {
  std::string line;
  for (char c : text) {
    auto octet = static_cast<unsigned char>(c);
    if (octet < ' ' || octet == 0x7f)
      line += fmt::format("\\x{:02x}", octet);
    else
      line += c;
  }
  return line;
}

}  // namespace gatepost::load
