#include "config/command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "config/flags.hpp"
#include "config/help.hpp"
#include "config/machine_check.hpp"
#include "config/start_block.hpp"
#include "config/toml_file.hpp"
#include "config/validation.hpp"
#include "observe/escape.hpp"
#include "smtp/path.hpp"

namespace gatepost::config {

namespace {

// What stands on the command line, not yet understood.
struct Arguments {
  std::map<std::string, std::vector<std::string>, std::less<>> values;  // by flag
  std::string config_file;
  bool check_config = false;
  bool help = false;
  bool version = false;
};

Error missing_value(std::string_view name) {
  const Flag* flag = find_flag(name);
  return Error{fmt::format("--{}: needs a value: --{} {}", name, name,
                           flag != nullptr ? flag->value_name : "FILE")};
}

Error unknown_argument(std::string_view argument) {
  if (!argument.starts_with("-"))
    return Error{fmt::format("'{}': there are no arguments but flags; see --help", argument)};
  std::string_view name = argument.substr(0, argument.find('='));
  while (name.starts_with('-')) name.remove_prefix(1);
  std::string_view bare = name.starts_with("no-") ? name.substr(3) : name;
  std::string_view near = nearest_flag(bare);
  return Error{fmt::format("{}: there is no such flag; {}", argument.substr(0, argument.find('=')),
                           near.empty() ? "see --help" : fmt::format("did you mean --{}?", near))};
}

// The arguments as CLI11 wants them: the last one first, and "--name=" apart, which it would take
// for a flag whose value is missing.
std::vector<std::string> reversed_arguments(int argc, const char* const* argv) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (word.starts_with("--") && word.find('=') == word.size() - 1) {
      words.emplace_back(word.substr(0, word.size() - 1));
      words.emplace_back();
    } else {
      words.emplace_back(word);
    }
  }
  std::reverse(words.begin(), words.end());
  return words;
}

Result<Arguments> read_arguments(int argc, const char* const* argv) {
  Arguments arguments;
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();  // so that they get a message of ours
  app.add_flag("--help,-h", arguments.help);
  app.add_flag("--version", arguments.version);
  app.add_flag("--check-config", arguments.check_config);
  std::vector<std::string> config_files;
  app.add_option("--config", config_files)->allow_extra_args(false);
  for (const Flag& flag : all_flags()) {
    std::vector<std::string>& values = arguments.values[std::string(flag.name)];
    if (flag.kind == FlagKind::on_off) {
      app.add_flag(fmt::format("--{0},!--no-{0}", flag.name), values);
    } else {
      app.add_option(fmt::format("--{}", flag.name), values)->allow_extra_args(false);
    }
  }
  try {
    app.parse(reversed_arguments(argc, argv));
  } catch (const CLI::ArgumentMismatch& error) {
    // "--listen: 1 required TEXT missing"
    std::string_view what = error.what();
    if (what.starts_with("--")) what.remove_prefix(2);
    return missing_value(what.substr(0, what.find(':')));
  } catch (const CLI::Error& error) {
    return Error{error.what()};
  }
  // CLI11 takes the next flag for the value of one that lacks it.
  for (const auto& [name, values] : arguments.values) {
    for (const std::string& value : values) {
      if (value.starts_with("--") && find_flag(value.substr(2)) != nullptr)
        return missing_value(name);
    }
  }
  if (!app.remaining().empty()) return unknown_argument(app.remaining().front());
  if (config_files.size() > 1)
    return Error{"--config: is given more than once; allowed is one file"};
  if (!config_files.empty()) {
    if (config_files.front().empty()) return missing_value("config");
    arguments.config_file = config_files.front();
  }
  return arguments;
}

// Applies one flag's values. where: what an error begins with, "--timeout" or
// "/etc/gatepost.toml:3: timeout".
Result<Done> apply_values(Config& config, const Flag& flag, const std::vector<std::string>& values,
                          const std::string& where) {
  if (values.empty())
    return Error{
        fmt::format("{}: the list is empty; give a value, or leave it out for the default", where)};
  if (flag.kind == FlagKind::value && values.size() != 1)
    return Error{fmt::format("{}: is given {} values; allowed is one", where, values.size())};
  if (flag.clear) flag.clear(config);
  for (const std::string& value : values) {
    auto applied = flag.apply(config, value);
    if (!applied) return Error{fmt::format("{} '{}': {}", where, value, applied.error())};
  }
  return Done{};
}

Result<Done> apply_file(Config& config, const std::string& path, Arguments& arguments) {
  auto settings = read_toml_file(path);
  if (!settings) return Error{"--config " + settings.error()};
  for (const Setting& setting : settings.value()) {
    const std::string where = fmt::format("{}:{}: {}", path, setting.line, setting.name);
    const Flag* flag = find_flag(setting.name);
    if (flag == nullptr) {
      std::string_view near = nearest_flag(setting.name);
      bool usable = !near.empty() && find_flag(near) != nullptr;
      return Error{fmt::format("--config {}: there is no such key; {}", where,
                               usable ? fmt::format("did you mean {}?", near)
                                      : "allowed are the names of flags, see --help")};
    }
    // What the command line says replaces what the file says; the file must be right all the same.
    std::vector<std::string>& given = arguments.values[setting.name];
    Config scratch = config;
    auto applied = apply_values(given.empty() ? config : scratch, *flag, setting.values, where);
    if (!applied) return Error{"--config " + applied.error()};
    if (given.empty()) arguments.values.erase(setting.name);
  }
  return Done{};
}

Result<Config> make_config(Arguments& arguments, const Machine& machine) {
  Config config;
  if (smtp::valid_domain(machine.hostname, false) &&
      machine.hostname.find('.') != std::string::npos)
    config.hostname = machine.hostname;
  config.config_file = arguments.config_file;

  Given given;
  const auto note_given = [&](std::string_view name, bool& seen) {
    auto found = arguments.values.find(name);
    // apply_file() erases what came from the file.
    seen = found == arguments.values.end() || !found->second.empty();
  };
  if (!config.config_file.empty()) {
    auto applied = apply_file(config, config.config_file, arguments);
    if (!applied) return Error{applied.error()};
  }
  note_given("accept-domain", given.accept_domain);
  note_given("banner-text", given.banner_text);
  note_given("soft-error-limit", given.soft_error_limit);

  for (const Flag& flag : all_flags()) {
    auto found = arguments.values.find(flag.name);
    if (found == arguments.values.end() || found->second.empty()) continue;
    std::vector<std::string>& values = found->second;
    if (flag.kind == FlagKind::on_off)
      values.erase(values.begin(), values.end() - 1);  // the last one holds
    auto applied = apply_values(config, flag, values, fmt::format("--{}", flag.name));
    if (!applied) return Error{applied.error()};
  }
  auto complete_and_right = complete(config, given, machine.cores);
  if (!complete_and_right) return Error{complete_and_right.error()};
  return config;
}

// One line, whatever the operator or a file put into it.
void append_line(std::string& out, std::string_view before, std::string_view text) {
  out += before;
  observe::append_escaped_text(out, text, observe::TextPlace::sentence);
  out += '\n';
}

Parsed failed(std::string_view text) {
  Parsed parsed;
  parsed.exit_code = 2;
  append_line(parsed.err, "gatepost: ", text);
  return parsed;
}

Parsed checked(const Config& config, const Machine& machine) {
  const Findings findings = check_on(machine, config);
  Parsed parsed;
  for (const std::string& text : findings.errors) append_line(parsed.err, "gatepost: ", text);
  for (const std::string& text : findings.warnings) append_line(parsed.err, "warning: ", text);
  if (findings.errors.empty())
    parsed.out = "configuration ok\n";
  else
    parsed.exit_code = 2;
  return parsed;
}

Parsed printed(std::string text) {
  Parsed parsed;
  parsed.out = std::move(text);
  return parsed;
}

}  // namespace

Parsed parse_command_line(int argc, const char* const* argv, const Machine& machine) {
  auto arguments = read_arguments(argc, argv);
  if (!arguments) return failed(arguments.error());
  if (arguments.value().help) return printed(help_text());
  if (arguments.value().version) return printed(fmt::format("gatepost {}\n", version));
  auto config = make_config(arguments.value(), machine);
  if (!config) return failed(config.error());
  if (arguments.value().check_config) return checked(config.value(), machine);
  Parsed parsed;
  parsed.run = true;
  parsed.config = std::move(config.value());
  return parsed;
}

}  // namespace gatepost::config
