#include "policy/recipients.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <system_error>
#include <utility>

#include "smtp/path.hpp"

namespace gatepost::policy {
namespace {

constexpr std::size_t file_line_length_max = 4096;
constexpr std::string_view white_space = " \t\r\v\f";
constexpr std::string_view postmaster = "postmaster";

std::uint64_t hash_of(std::string_view local_part, std::uint32_t domain) {
  // FNV-1a over lower case. The table holds what the operator wrote, so nobody else can make its
  // chains long.
  std::uint64_t hash = 14695981039346656037u ^ domain;
  for (char c : local_part) {
    const auto octet = static_cast<unsigned char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    hash = (hash ^ octet) * 1099511628211u;
  }
  return hash ^ hash >> 32;
}

// The part of a file's line before its comment, without white space around it. A "#" is an ordinary
// octet of a local-part, so that it begins a comment only where no address can be, and white space
// may stand in a quoted local-part.
std::string_view without_comment(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(white_space), line.size()));
  bool quoted = false;
  bool after_space = true;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '#' && after_space && !quoted) {
      line = line.substr(0, i);
      break;
    }
    after_space = white_space.find(line[i]) != white_space.npos;
    if (line[i] == '\\' && quoted) {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    }
  }
  return line.substr(0, line.find_last_not_of(white_space) + 1);
}

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

// Calls take(text) -> error or empty for each line that says something.
Result<Done> read_lines(const std::string& path,
                        const std::function<std::string(std::string_view)>& take) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  auto unreadable = [&] {
    const int cause = errno != 0 ? errno : EIO;
    return Error{"cannot read " + path + ": " + std::generic_category().message(cause)};
  };
  if (!file) return unreadable();
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    std::string wrong;
    if (line.size() > file_line_length_max) {
      wrong = "the line is longer than " + std::to_string(file_line_length_max) + " octets";
    } else if (const std::string_view text = without_comment(line); !text.empty()) {
      wrong = take(text);
    }
    if (!wrong.empty())
      return Error{
          std::string(path).append(":").append(std::to_string(number)).append(": ").append(wrong)};
  }
  if (file.bad()) return unreadable();
  return Done{};
}

// Empty when the text is no domain.
std::string canonical(std::string_view domain) {
  std::array<char, bounds::domain_length_max + 1> out;
  if (!smtp::valid_utf8(domain) || !smtp::valid_domain(domain, true)) return {};
  return {out.data(), smtp::canonical_domain(domain, out)};
}

}  // namespace

// Fills a table before anybody else sees it.
struct RecipientTable::Loader {
  RecipientTable& table;

  std::string add_domain(std::string_view text) {
    std::string name = canonical(text);
    if (name.empty()) return quoted(text) + " is not a domain name";
    if (table.domain_numbers_.contains(name)) return {};
    table.domain_numbers_.emplace(name, static_cast<std::uint32_t>(table.domains_.size()));
    table.domains_.push_back({std::move(name), true});
    return {};
  }

  // Finds the accepted domain that a line of the recipients file is about.
  std::string find_domain(std::string_view text, std::string_view name, std::uint32_t& number) {
    const auto found = table.domain_numbers_.find(canonical(name));
    if (found == table.domain_numbers_.end())
      return quoted(text) + " is of a domain that is not accepted: add --accept-domain " +
             std::string(name) + " or remove the line";
    number = found->second;
    return {};
  }

  std::string add_line(std::string_view text) {
    std::uint32_t number = 0;
    if (text.front() == '@') {
      const std::string_view name = text.substr(1);
      if (canonical(name).empty()) return quoted(text) + " is not \"@\" and a domain name";
      std::string wrong = find_domain(text, name, number);
      if (wrong.empty()) table.domains_[number].every_local_part = true;
      return wrong;
    }
    // The grammar of RCPT decides what an address is, so that both mean the same mailbox. A source
    // route has no place here.
    smtp::MailboxStorage storage;
    const std::string argument = "TO:<" + std::string(text) + ">";
    const smtp::Path path = smtp::parse_forward_path(
        argument, {.utf8_allowed = true, .space_after_colon = false}, storage);
    if (path.error != smtp::PathError::none || !path.parameters.empty() || path.mailbox.literal)
      return quoted(text) + " is neither an address nor \"@\" and a domain name";
    if (path.mailbox.domain.empty()) return {};  // bare postmaster is accepted anyway
    std::string wrong = find_domain(text, path.mailbox.domain, number);
    if (!wrong.empty()) return wrong;
    smtp::MailboxStorage plain;
    if (!table.add_recipient(smtp::unquoted_local_part(path.mailbox.local_part, plain), number))
      return "the table holds 4 GiB of recipients, which is all it can";
    return {};
  }
};

Result<std::shared_ptr<const RecipientTable>> RecipientTable::load(
    const RecipientSettings& settings) {
  auto table = std::make_shared<RecipientTable>();
  Loader loader{*table};
  table->delimiters_ = settings.recipient_delimiter;
  for (const std::string& name : settings.accept_domains)
    if (std::string wrong = loader.add_domain(name); !wrong.empty())
      return Error{"--accept-domain " + wrong};
  for (const std::string& path : settings.accept_domain_files) {
    auto read = read_lines(path, [&](std::string_view text) { return loader.add_domain(text); });
    if (!read) return Error{read.error()};
  }
  if (!settings.recipients_file.empty()) {
    for (Domain& domain : table->domains_) domain.every_local_part = false;
    auto read = read_lines(settings.recipients_file,
                           [&](std::string_view text) { return loader.add_line(text); });
    if (!read) return Error{read.error()};
  }
  return std::shared_ptr<const RecipientTable>(std::move(table));
}

RecipientCheck RecipientTable::check(std::string_view local_part, std::string_view domain,
                                     const std::array<std::uint8_t, 16>& local_address) const {
  const std::size_t delimiter =
      local_part.empty() ? local_part.npos : local_part.find_first_of(delimiters_, 1);
  const std::string_view name = local_part.substr(0, delimiter);
  const bool to_postmaster = smtp::equals_ignoring_case(name, postmaster);

  if (domain.empty() || domain.front() == '[') {
    std::array<std::uint8_t, 16> address;
    // R5321-4.1.3-06: nobody but postmaster has mail at an address, and only at ours.
    const bool ours = domain.empty() ||
                      (local_address != std::array<std::uint8_t, 16>{} &&
                       smtp::address_literal_value(domain, address) && address == local_address);
    if (!ours || !to_postmaster || domains_.empty()) return {};
    return {RecipientVerdict::accepted, postmaster, domains_.front().name};
  }

  const auto found = domain_numbers_.find(domain);
  if (found == domain_numbers_.end()) return {};
  const Domain& known = domains_[found->second];
  std::string_view mailbox = listed(local_part, found->second);
  if (mailbox.empty()) mailbox = listed(name, found->second);
  if (mailbox.empty() && to_postmaster) mailbox = postmaster;
  if (mailbox.empty() && known.every_local_part) mailbox = name;
  if (mailbox.empty()) return {RecipientVerdict::unknown_user, {}, {}};
  return {RecipientVerdict::accepted, mailbox, known.name};
}

// The slot that holds the recipient, or the free one where it would go. There always is a free one.
std::size_t RecipientTable::slot_of(std::string_view local_part, std::uint32_t domain) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash_of(local_part, domain) & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const Entry& entry = entries_[slots_[slot] - 1];
    const std::string_view text(text_.data() + entry.text_offset, entry.size);
    if (entry.domain == domain && smtp::equals_ignoring_case(text, local_part)) break;
  }
  return slot;
}

std::string_view RecipientTable::listed(std::string_view local_part, std::uint32_t domain) const {
  if (slots_.empty()) return {};
  const std::uint32_t number = slots_[slot_of(local_part, domain)];
  if (number == 0) return {};
  const Entry& entry = entries_[number - 1];
  return {text_.data() + entry.text_offset, entry.size};
}

bool RecipientTable::add_recipient(std::string_view local_part, std::uint32_t domain) {
  constexpr std::size_t limit = std::numeric_limits<std::uint32_t>::max();
  if (text_.size() > limit - local_part.size() || entries_.size() == limit - 1) return false;
  if (slots_.size() < 2 * (entries_.size() + 1)) grow_slots();
  const std::size_t slot = slot_of(local_part, domain);
  if (slots_[slot] != 0) return true;  // listed twice
  entries_.push_back({static_cast<std::uint32_t>(text_.size()), domain,
                      static_cast<std::uint8_t>(local_part.size())});
  text_.append(local_part);
  slots_[slot] = static_cast<std::uint32_t>(entries_.size());
  return true;
}

void RecipientTable::grow_slots() {
  slots_.assign(slots_.empty() ? 64 : slots_.size() * 2, 0);
  for (std::uint32_t number = 0; number < entries_.size(); ++number) {
    const Entry& entry = entries_[number];
    const std::string_view text(text_.data() + entry.text_offset, entry.size);
    slots_[slot_of(text, entry.domain)] = number + 1;
  }
}

Result<std::unique_ptr<RecipientDirectory>> RecipientDirectory::open(RecipientSettings settings) {
  auto table = RecipientTable::load(settings);
  if (!table) return Error{table.error()};
  return std::unique_ptr<RecipientDirectory>(
      new RecipientDirectory(std::move(settings), std::move(table.value())));
}

Result<Done> RecipientDirectory::reload() {
  auto loaded = RecipientTable::load(settings_);
  if (!loaded) return Error{loaded.error()};
  // The old table is let go of outside the lock: shards may still be looking at it.
  std::shared_ptr<const RecipientTable> table = std::move(loaded.value());
  {
    const std::lock_guard lock(mutex_);
    table_.swap(table);
  }
  version_.fetch_add(1, std::memory_order_release);
  return Done{};
}

std::shared_ptr<const RecipientTable> RecipientDirectory::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

}  // namespace gatepost::policy
