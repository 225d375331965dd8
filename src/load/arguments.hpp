// The words of a command line, looked at before CLI11 takes them, so that every mistake is told in
// this program's form: the flag, the value, what is allowed.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gatepost::load {

// The words behind the program's name, in their order, "--name=" as two: CLI11 would take it for a
// flag whose value is missing.
std::vector<std::string> split_words(int argc, const char* const* argv);

// What is wrong with the words as such: a flag that there is not, one without its value, with one
// that it doesn't take, or given again, a word that belongs to no flag. Returns the first mistake
// in one line, or an empty text. Values are not looked at. `verify` is the subcommand of `app`.
std::string check_words(const CLI::App& app, const CLI::App& verify,
                        std::span<const std::string> words);

// `text` without line ends and other control characters, which stand as \xNN instead: what someone
// typed may be repeated to a terminal, but not obeyed by it.
std::string in_one_line(std::string_view text);

}  // namespace gatepost::load
