#include "sink/maildir_name.hpp"

#include <xxhash.h>

#include <charconv>

#include "fmt/format.h"

namespace gatepost {
namespace {

constexpr char hex_digits[] = "0123456789ABCDEF";
constexpr std::size_t hash_suffix_length = 2 + 32;
constexpr std::int64_t foreign_stale_age_s = 36 * 3600;

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// Where an encoded value may not have the octet as it is at its front: hidden names, "..", and
// names that tools take for options.
bool kept_at_front(char octet) {
  return kept_when_encoded(octet) && octet != '.' && octet != '-';
}

// The parts of a name of ours that say who wrote it.
// Of ProcessIdentity::system.
constexpr std::size_t system_length = 24;
std::string_view machine_of(std::string_view system) {
  return system.substr(0, 8);
}
std::string_view boot_of(std::string_view system) {
  return system.substr(8, 8);
}

struct Writer {
  std::uint32_t pid;
  std::string_view system;
  std::string_view life;
  std::string_view host;
};

// Takes a decimal number off the front.
bool take_number(std::string_view& text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take_char(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

bool take_run(std::string_view& text, std::size_t length, std::string_view& run) {
  if (text.size() < length) return false;
  run = text.substr(0, length);
  text.remove_prefix(length);
  return true;
}

std::optional<Writer> parse_writer(std::string_view name) {
  std::uint64_t seconds = 0, usec = 0, pid = 0, sequence = 0;
  std::string_view system, life, id;
  const bool ours = take_number(name, seconds) && take_char(name, '.') && take_char(name, 'M') &&
                    take_number(name, usec) && take_char(name, 'P') && take_number(name, pid) &&
                    pid <= UINT32_MAX && take_char(name, 'Q') && take_number(name, sequence) &&
                    take_char(name, 'X') && take_run(name, system_length, system) &&
                    take_char(name, 'R') && take_run(name, 8, life) && take_char(name, '_') &&
                    take_run(name, bounds::message_id_length, id) && take_char(name, '.');
  if (!ours) return std::nullopt;
  const std::size_t comma = name.find(',');
  return Writer{static_cast<std::uint32_t>(pid), system, life, name.substr(0, comma)};
}

}  // namespace

bool kept_when_encoded(char octet) {
  return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
         (octet >= '0' && octet <= '9') || octet == '-' || octet == '_' || octet == '.' ||
         octet == '+' || octet == '=';
}

void append_encoded(std::string& out, std::string_view value) {
  if (value.empty()) {
    out += '%';
    return;
  }
  bool front = true;
  for (const char octet : value) {
    if (front ? kept_at_front(octet) : kept_when_encoded(octet)) {
      out += octet;
    } else {
      const auto code = static_cast<unsigned char>(octet);
      out += '%';
      out += hex_digits[code >> 4];
      out += hex_digits[code & 15];
    }
    front = false;
  }
}

void bound_component(std::string& out, std::size_t start) {
  const std::size_t length = out.size() - start;
  if (length <= component_length_max) return;
  const XXH128_hash_t hash = XXH3_128bits(out.data() + start, length);
  out.resize(start + component_length_max - hash_suffix_length);
  // An escape is not cut in two, so that the front still reads as what it was.
  for (std::size_t back = 1; back <= 2; ++back) {
    if (out[out.size() - back] == '%') {
      out.resize(out.size() - back);
      break;
    }
  }
  fmt::format_to(std::back_inserter(out), "%~{:016X}{:016X}", hash.high64, hash.low64);
}

std::string encode_component(std::string_view value) {
  std::string out;
  append_encoded(out, value);
  bound_component(out, 0);
  return out;
}

std::optional<std::string> decode_component(std::string_view name) {
  if (name == "%") return std::string();
  std::string value;
  for (std::size_t i = 0; i < name.size(); ++i) {
    char octet = name[i];
    if (octet == '%') {
      if (name.size() - i < 3) return std::nullopt;
      const int high = hex_value(name[i + 1]);
      const int low = hex_value(name[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      octet = static_cast<char>(high * 16 + low);
      i += 2;
      // Only what had to be encoded is: each value has one form.
      if (value.empty() ? kept_at_front(octet) : kept_when_encoded(octet)) return std::nullopt;
    } else if (value.empty() ? !kept_at_front(octet) : !kept_when_encoded(octet)) {
      return std::nullopt;
    }
    value += octet;
  }
  if (value.empty()) return std::nullopt;
  return value;
}

void append_file_name(std::string& out, const ProcessIdentity& identity, WallUs received_at,
                      std::uint64_t sequence, MessageId id) {
  fmt::format_to(std::back_inserter(out), "{}.M{:06}P{}Q{}X{}R{}_{}.{}", received_at / 1'000'000,
                 received_at % 1'000'000, identity.pid, sequence, identity.system, identity.life,
                 id.view(), identity.host);
}

bool is_stale_temporary(std::string_view name, const ProcessIdentity& self, std::int64_t age_s,
                        bool (*process_alive)(std::uint32_t pid)) {
  const std::optional<Writer> writer = parse_writer(name);
  if (writer && writer->host == self.host) {
    if (writer->system == self.system) {
      // A process with our pid that is not us was us in an earlier life.
      if (writer->pid == self.pid) return writer->life != self.life;
      if (!process_alive(writer->pid)) return true;
    } else if (machine_of(writer->system) == machine_of(self.system) &&
               boot_of(writer->system) != boot_of(self.system)) {
      return true;  // This host has been booted since.
    }
    // Another pid namespace of the same boot: a container whose processes cannot be seen from here.
  }
  return age_s > foreign_stale_age_s;
}

}  // namespace gatepost
