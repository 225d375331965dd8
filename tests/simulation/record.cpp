#include "simulation/record.hpp"

#include <cstdio>

#include "fmt/format.h"
#include "simulation/process_heap.hpp"

namespace gatepost::simulation {
namespace {

constexpr std::size_t text_length_max = 100;

// FNV-1a over whole words: what counts is that any difference shows.
void mix(std::uint64_t& digest, std::uint64_t value) {
  digest = (digest ^ value) * 0x100000001b3u;
  digest ^= digest >> 29;
}

std::string printable(std::string_view octets) {
  std::string out;
  for (const char octet : octets.substr(0, text_length_max)) {
    const auto value = static_cast<unsigned char>(octet);
    if (value >= ' ' && value < 0x7f)
      out += octet;
    else if (octet == '\r')
      out += "\\r";
    else if (octet == '\n')
      out += "\\n";
    else
      out += fmt::format("\\x{:02x}", value);
  }
  if (octets.size() > text_length_max) out += fmt::format("... ({} octets)", octets.size());
  return out;
}

}  // namespace

std::string Record::line(const Entry& entry) {
  std::string out =
      fmt::format("{:>14.6f}s #{:<7} {:<18} {:>6} {:>6}", static_cast<double>(entry.now_ns) / 1e9,
                  entry.event, entry.what, entry.a, entry.b);
  if (!entry.text.empty()) out += "  " + entry.text;
  return out;
}

void Record::trace(const char* what, std::uint64_t a, std::uint64_t b, std::string_view text) {
  const HeapScope scope(nullptr);
  mix(digest_, now_ns);
  for (const char* c = what; *c != 0; ++c) mix(digest_, static_cast<unsigned char>(*c));
  mix(digest_, a);
  mix(digest_, b);
  for (const char octet : text) mix(digest_, static_cast<unsigned char>(octet));
  entries_.push_back({now_ns, event, what, a, b, std::string()});
  if (!text.empty()) entries_.back().text = printable(text);
  if (verbose) std::printf("%s\n", line(entries_.back()).c_str());
  if (entries_.size() > kept_max) entries_.pop_front();
}

void Record::violation(int check, std::string text) {
  const HeapScope scope(nullptr);
  violations_.push_back({check, std::string(text), event});
  trace("VIOLATION", static_cast<std::uint64_t>(check), 0, text);
}

std::string Record::last_events() const {
  std::string out;
  for (const Entry& entry : entries_) out += line(entry) + "\n";
  return out;
}

}  // namespace gatepost::simulation
