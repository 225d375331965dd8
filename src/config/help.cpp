#include "config/help.hpp"

#include <fmt/format.h>

#include "config/flags.hpp"

namespace gatepost::config {

namespace {

constexpr std::size_t column = 30;
constexpr std::size_t width = 100;

// One flag and what it means, wrapped between the columns.
void append_entry(std::string& out, std::string_view left, std::string_view text) {
  if (left.size() + 4 > column) {
    out += fmt::format("  {}\n{:<{}}", left, "", column);
  } else {
    out += fmt::format("  {:<{}}", left, column - 2);
  }
  std::size_t at = column;
  while (!text.empty()) {
    std::size_t length = std::min(text.find(' '), text.size());
    if (at != column) {
      if (at + 1 + length > width) {
        out += fmt::format("\n{:<{}}", "", column);
        at = column;
      } else {
        out += ' ';
        ++at;
      }
    }
    out += text.substr(0, length);
    at += length;
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  out += '\n';
}

std::string left_side(const Flag& flag) {
  if (flag.kind != FlagKind::on_off) return fmt::format("--{} {}", flag.name, flag.value_name);
  return fmt::format("--{}, --no-{}", flag.name, flag.name);
}

std::string right_side(const Flag& flag, const Config& defaults) {
  std::string text(flag.help);
  if (flag.kind == FlagKind::list) text += " May be repeated.";
  std::string shown = flag.show(defaults);
  if (flag.kind == FlagKind::on_off)
    shown = (shown == "true" ? "--" : "--no-") + std::string(flag.name);
  if (!flag.default_note.empty()) shown = flag.default_note;
  return text + fmt::format(" [default: {}]", shown.empty() ? "none" : shown);
}

}  // namespace

std::string help_text() {
  std::string out =
      "Usage: gatepost [FLAG]...\n"
      "Receives Internet mail over SMTP and stores it durably.\n"
      "\n"
      "Without flags it listens on 127.0.0.1:2525, takes mail for localhost and example.org, and\n"
      "writes it to ./var/mail. A server on the Internet needs at least:\n"
      "  gatepost --listen '*:25' --hostname mx1.example.org --accept-domain example.org \\\n"
      "           --sink 'maildir:/srv/mail/{domain}/{local-part}'\n"
      "\n"
      "SIZE is in bytes, or with K, M, G or T behind it (powers of 1024). TIME is in seconds, or "
      "with "
      "ms,\n"
      "s, m, h or d behind it. FLAG=VALUE works too.\n";
  const Config defaults;
  std::string_view topic;
  for (const Flag& flag : all_flags()) {
    if (flag.topic != topic) {
      topic = flag.topic;
      out += fmt::format("\n{}:\n", topic);
    }
    append_entry(out, left_side(flag), right_side(flag, defaults));
  }
  out += "\nGeneral:\n";
  append_entry(
      out, "--config FILE",
      "Read flags from a TOML file: the same names without the dashes, as in message-size-limit = "
      "\"50M\", chunking = false, listen = [\"*:25\"]. Flags given here go before those in the "
      "file.");
  append_entry(out, "--check-config",
               "Check all flags, the files that they name and what this machine has, and exit.");
  append_entry(out, "--version", "Print the version and exit.");
  append_entry(out, "--help", "Print this and exit.");
  out +=
      "\nSignals: SIGTERM and SIGINT drain and stop, a second one stops at once; SIGHUP reads "
      "recipients\n"
      "and domains again. Exit code: 0 stopped as told, 1 could not start or go on, 2 wrong flag "
      "or\n"
      "file.\n";
  return out;
}

}  // namespace gatepost::config
