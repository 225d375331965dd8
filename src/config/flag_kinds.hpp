// What flags of one kind have in common: rows of the table in flag_table.cpp are made with these.
#pragma once

#include <fmt/format.h>

#include <array>
#include <concepts>
#include <limits>

#include "base/bounds.hpp"
#include "config/flags.hpp"
#include "config/values.hpp"

namespace gatepost::config {

template <std::unsigned_integral Number>
Flag number_flag(std::string_view name, std::string_view topic, std::string_view value_name,
                 Number Config::*member, Range range,
                 Result<std::uint64_t> (*parse)(std::string_view, Range),
                 std::string (*show)(std::uint64_t), std::string_view help) {
  GP_CHECK(range.most <= std::numeric_limits<Number>::max());
  return {.name = name,
          .kind = FlagKind::value,
          .topic = topic,
          .value_name = value_name,
          .help = help,
          .apply = [=](Config& config, std::string_view text) -> Result<Done> {
            auto value = parse(text, range);
            if (!value) return Error{value.error()};
            config.*member = static_cast<Number>(value.value());
            return Done{};
          },
          .show = [=](const Config& config) { return show(config.*member); }};
}

inline std::string count_text(std::uint64_t count) {
  return std::to_string(count);
}

inline Flag count_flag(std::string_view name, std::string_view topic, std::uint32_t Config::*member,
                       Range range, std::string_view help) {
  return number_flag(name, topic, "N", member, range, parse_count, count_text, help);
}
template <std::unsigned_integral Number>
Flag size_flag(std::string_view name, std::string_view topic, Number Config::*member, Range range,
               std::string_view help) {
  return number_flag(name, topic, "SIZE", member, range, parse_size, size_text, help);
}
inline Flag duration_flag(std::string_view name, std::string_view topic,
                          std::uint64_t Config::*member, Range range_ms, std::string_view help) {
  return number_flag(name, topic, "TIME", member, range_ms, parse_duration, duration_text, help);
}

inline Flag on_off_flag(std::string_view name, std::string_view topic, bool Config::*member,
                        std::string_view help) {
  return {.name = name,
          .kind = FlagKind::on_off,
          .topic = topic,
          .value_name = "",
          .help = help,
          .apply = [=](Config& config, std::string_view text) -> Result<Done> {
            if (text != "true" && text != "false") return Error{"allowed is true or false"};
            config.*member = text == "true";
            return Done{};
          },
          .show = [=](const Config& config) { return config.*member ? "true" : "false"; }};
}

template <class Value>
struct Word {
  std::string_view name;
  Value value;
};

// A flag whose value is one of a few words.
template <class Value, std::size_t count>
Flag word_flag(std::string_view name, std::string_view topic, std::string_view value_name,
               Value Config::*member, std::array<Word<Value>, count> words, std::string_view help) {
  return {.name = name,
          .kind = FlagKind::value,
          .topic = topic,
          .value_name = value_name,
          .help = help,
          .apply = [=](Config& config, std::string_view text) -> Result<Done> {
            for (const auto& word : words) {
              if (word.name != text) continue;
              config.*member = word.value;
              return Done{};
            }
            std::string allowed(words[0].name);
            for (std::size_t i = 1; i < count; ++i)
              fmt::format_to(std::back_inserter(allowed), "{}{}", i + 1 < count ? ", " : " or ",
                             words[i].name);
            return Error{"allowed is " + allowed};
          },
          .show =
              [=](const Config& config) {
                for (const auto& word : words) {
                  if (word.value == config.*member) return std::string(word.name);
                }
                return std::string();
              }};
}

inline Flag network_list_flag(std::string_view name, std::string_view topic,
                              std::vector<policy::Network> Config::*member, std::string_view help) {
  return {.name = name,
          .kind = FlagKind::list,
          .topic = topic,
          .value_name = "NETWORK",
          .help = help,
          .apply = [=](Config& config, std::string_view text) -> Result<Done> {
            auto network = parse_network(text);
            if (!network) return Error{network.error()};
            (config.*member).push_back(network.value());
            return Done{};
          },
          .show =
              [=](const Config& config) {
                std::string shown;
                for (const auto& network : config.*member)
                  shown += (shown.empty() ? "" : ", ") + network_text(network);
                return shown;
              },
          .clear = [=](Config& config) { (config.*member).clear(); }};
}

// Text that goes into a reply line as it is (RFC 5321 §4.2: HT, SP and printable ASCII).
inline Flag reply_text_flag(std::string_view name, std::string_view topic,
                            std::string Config::*member, std::string_view help) {
  return {.name = name,
          .kind = FlagKind::value,
          .topic = topic,
          .value_name = "TEXT",
          .help = help,
          .apply = [=](Config& config, std::string_view text) -> Result<Done> {
            // With the longest host name and a code the line stays below 512 octets.
            constexpr std::size_t length_max =
                bounds::reply_line_length_max - bounds::domain_length_max - 16;
            bool printable = true;
            for (char c : text) printable &= c >= ' ' && c <= '~';
            if (!printable || text.size() > length_max)
              return Error{
                  fmt::format("allowed is up to {} characters of printable ASCII", length_max)};
            config.*member = text;
            return Done{};
          },
          .show = [=](const Config& config) { return config.*member; }};
}

// 0 is "auto".
inline Flag auto_count_flag(std::string_view name, std::string_view topic,
                            std::uint32_t Config::*member, std::uint64_t most,
                            std::string_view help, std::string_view default_note) {
  return {.name = name,
          .kind = FlagKind::value,
          .topic = topic,
          .value_name = "N",
          .help = help,
          .apply = [=](Config& config, std::string_view text) -> Result<Done> {
            if (text == "auto") {
              config.*member = 0;
              return Done{};
            }
            auto count = parse_count(text, {1, most});
            if (!count) return Error{fmt::format("allowed is auto or a number from 1 to {}", most)};
            config.*member = static_cast<std::uint32_t>(count.value());
            return Done{};
          },
          .show =
              [=](const Config& config) {
                return config.*member == 0 ? "auto" : std::to_string(config.*member);
              },
          .default_note = default_note};
}

}  // namespace gatepost::config
