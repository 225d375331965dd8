#include "load/body.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "load/hash.hpp"

namespace gatepost::load {
namespace {

constexpr std::size_t counter_digits = 10;

// Lines on which transports trip: leading dots (RFC 5321 §4.5.2), emptiness, the mbox separator,
// white space at the end, a command's name.
constexpr std::string_view awkward_lines[] = {
    ".",    "..",         "...",        ". a dot and a space",
    ".dot", "..two dots", "",           "From here on an mbox reader would see another message",
    "QUIT", "trailing ",  "\tindented", ">From quoted",
};

constexpr std::string_view between_ids = "\r\nMessage-ID: <";
constexpr std::string_view padding_field = "X-Gatepost-Pad: -";
constexpr std::string_view header_end = "\r\n\r\n";  // of the padding field, and the empty line

std::string make_id(std::string_view run, unsigned thread) {
  return fmt::format("{}-{:02}-{:0{}}", run, thread, 0, counter_digits);
}

// What follows on the second id, up to the padding.
std::string make_fields(std::string_view host, std::string_view from, std::string_view date) {
  return fmt::format(
      "@{}>\r\nDate: {}\r\nFrom: <{}>\r\nTo: load test:;\r\nSubject: load\r\n"
      "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n{}",
      host, date, from, padding_field);
}

std::string make_line(Random& random) {
  std::size_t length = 60 + random.below(19);
  std::string line;
  while (line.size() < length) {
    std::size_t word = 2 + random.below(9);
    for (std::size_t i = 0; i < word; ++i)
      line += static_cast<char>('a' + static_cast<char>(random.below(26)));
    line += ' ';
  }
  line.resize(length);
  return line;
}

}  // namespace

BodyText::BodyText(std::uint64_t seed) {
  for (auto& starts : starts_) starts.push_back(0);
  Random random(seed);
  std::size_t awkward = 0;
  while (text_[0].size() < text_octets) {
    if (random.below(12) == 0)
      add_line(awkward_lines[awkward++ % std::size(awkward_lines)]);
    else
      add_line(make_line(random));
  }
}

void BodyText::add_line(std::string_view line) {
  auto& [stuffed, plain, stored] = text_;
  if (line.starts_with('.')) stuffed += '.';
  stuffed.append(line).append("\r\n");
  plain.append(line).append("\r\n");
  stored.append(line).append("\n");
  for (std::size_t form = 0; form < text_.size(); ++form)
    starts_[form].push_back(static_cast<std::uint32_t>(text_[form].size()));
}

BodyText::Run BodyText::fit(std::uint32_t first, std::uint64_t octets) const {
  const auto& starts = starts_[static_cast<std::size_t>(Form::plain)];
  std::uint64_t total = starts.back(), rest = octets % total;
  Run run{first, octets / total * line_count(), octets / total * total};
  // The line that begins at or before `position`.
  auto line_at = [&](std::uint64_t position) {
    return static_cast<std::uint32_t>(std::upper_bound(starts.begin(), starts.end(), position) -
                                      starts.begin() - 1);
  };
  std::uint64_t end = starts[first] + rest;
  if (end <= total) {
    std::uint32_t last = line_at(end);
    run.lines += last - first;
    run.octets += starts[last] - starts[first];
  } else {
    std::uint32_t last = line_at(end - total);
    run.lines += line_count() - first + last;
    run.octets += total - starts[first] + starts[last];
  }
  return run;
}

std::uint64_t least_size(std::string_view from) {
  std::size_t id = make_id(std::string(run_name_length, 'r'), 0).size();
  std::size_t fields = make_fields(message_host, from, std::string(date_length, 'd')).size();
  return id_field.size() + 2 * id + between_ids.size() + fields + header_end.size();
}

Composer::Composer(const BodyText& text, std::string_view run, unsigned thread,
                   std::string_view host, std::string_view from, std::string_view date,
                   std::uint64_t seed)
    : text_(text), random_(seed), id_(make_id(run, thread)) {
  header_ = id_field;
  id_places_[0] = header_.size();
  header_.append(id_).append(between_ids);
  id_places_[1] = header_.size();
  header_.append(id_).append(make_fields(host, from, date));
}

void Composer::compose(std::uint64_t size, Content& content) {
  std::uint64_t value = ++counter_;
  for (std::size_t i = id_.size(); i-- > id_.size() - counter_digits; value /= 10)
    id_[i] = static_cast<char>('0' + value % 10);
  content.id = id_;
  content.header = header_;
  for (std::size_t place : id_places_) content.header.replace(place, id_.size(), id_);

  std::uint64_t least = header_.size() + header_end.size();
  std::uint64_t room = size > least ? size - least : 0;
  content.body = text_.fit(static_cast<std::uint32_t>(random_.below(text_.line_count())), room);
  content.header.append(static_cast<std::size_t>(room - content.body.octets), '-');
  content.header.append(header_end);
  content.size = content.header.size() + content.body.octets;
}

std::string content_hash(const BodyText& text, const Content& content) {
  ContentHash hash;
  std::string header;
  header.reserve(content.header.size());
  for (char c : content.header)
    if (c != '\r') header += c;
  hash.update(header);
  text.for_each_piece(content.body, Form::stored,
                      [&](std::string_view piece) { hash.update(piece); });
  return hash.hex();
}

}  // namespace gatepost::load
