#include "smtp/transaction.hpp"

#include <algorithm>
#include <cstring>

#include "base/check.hpp"

namespace gatepost::smtp {
namespace {

// Up to this many recipients a repeated one is looked for by walking; beyond by an index.
constexpr std::size_t walked_recipients_max = 16;
// A transaction that grew beyond this gives its memory back when it ends.
constexpr std::size_t kept_footprint_max = 16 * 1024;
// The first growth: room for some recipients.
constexpr std::size_t growth_min = 512;
constexpr std::size_t entries_min = 8;

std::uint32_t hash_of(std::string_view local_part, std::string_view domain) {
  // FNV-1a. The index is bounded by the recipient limit, and an attacker who collides hashes gains
  // a walk over his own recipients.
  std::uint32_t hash = 2166136261u;
  auto mix = [&](std::string_view text) {
    for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  };
  mix(local_part);
  mix("@");
  mix(domain);
  return hash;
}

}  // namespace

void Transaction::begin(const Mailbox& mailbox, bool null) {
  reverse_path_size_ = 0;
  if (null) return;
  std::size_t size = mailbox.local_part.size() + 1 + mailbox.domain.size();
  GP_CHECK(size <= reverse_path_.size());
  char* out = reverse_path_.data();
  std::memcpy(out, mailbox.local_part.data(), mailbox.local_part.size());
  out[mailbox.local_part.size()] = '@';
  std::memcpy(out + mailbox.local_part.size() + 1, mailbox.domain.data(), mailbox.domain.size());
  reverse_path_size_ = static_cast<std::uint16_t>(size);
}

bool Transaction::repeated(std::uint32_t hash, std::string_view local_part,
                           std::string_view domain) const {
  auto same = [&](const Entry& entry) {
    if (entry.hash != hash) return false;
    const Recipient there = view(entry);
    return there.local_part == local_part && there.domain == domain;
  };
  if (index_.empty()) {
    for (const Entry& entry : entries_)
      if (same(entry)) return true;
    return false;
  }
  std::size_t mask = index_.size() - 1;
  for (std::size_t at = hash & mask; index_[at] != 0; at = (at + 1) & mask)
    if (same(entries_[index_[at] - 1])) return true;
  return false;
}

void Transaction::index_entry(std::uint32_t entry) {
  if (entries_.size() <= walked_recipients_max) return;
  auto put = [&](std::uint32_t number) {
    std::size_t mask = index_.size() - 1;
    std::size_t at = entries_[number].hash & mask;
    while (index_[at] != 0) at = (at + 1) & mask;
    index_[at] = number + 1;
  };
  if (entries_.size() * 2 > index_.size()) {
    std::size_t size = index_.empty() ? 4 * walked_recipients_max : index_.size() * 2;
    index_.assign(size, 0);
    for (std::uint32_t i = 0; i < entries_.size(); ++i) put(i);
  } else {
    put(entry);
  }
}

// For one more recipient and that much of text. False: it would be too much.
bool Transaction::make_room(std::size_t text_size) {
  const bool more_text = text_.size() + text_size > text_.capacity();
  const bool more_entries = entries_.size() == entries_.capacity();
  if (!more_text && !more_entries) return true;
  std::size_t text = text_.capacity();
  std::size_t entries = entries_.capacity();
  if (more_text) text = std::max({growth_min, text * 2, text_.size() + text_size});
  if (more_entries) entries = std::max(entries_min, entries * 2);
  constexpr std::size_t index_per_entry = 4;
  const std::size_t grown = text + entries * (sizeof(Entry) + sizeof(Recipient) +
                                              index_per_entry * sizeof(std::uint32_t));
  if (!pool_->has_room(grown, grown - std::min(grown, footprint()))) return false;
  text_.reserve(text);
  entries_.reserve(entries);
  views_.reserve(entries);
  index_.reserve(entries * index_per_entry);
  pool_->account(*this);
  return true;
}

Transaction::Added Transaction::add_recipient(const Mailbox& mailbox, std::string_view local_part,
                                              std::string_view stored_as, std::string_view domain) {
  static_assert(bounds::local_part_length_max <= 255);
  GP_CHECK(local_part.size() <= bounds::local_part_length_max &&
           stored_as.size() <= bounds::local_part_length_max);
  std::uint32_t hash = hash_of(local_part, domain);
  if (repeated(hash, local_part, domain)) return Added::repeated;
  std::string_view shown_domain = mailbox.domain.empty() ? domain : mailbox.domain;
  Entry entry{};
  entry.offset = static_cast<std::uint32_t>(text_.size());
  entry.hash = hash;
  entry.address_size =
      static_cast<std::uint16_t>(mailbox.local_part.size() + 1 + shown_domain.size());
  entry.domain_size = static_cast<std::uint16_t>(domain.size());
  entry.local_part_size = static_cast<std::uint8_t>(local_part.size());
  entry.mailbox_size = static_cast<std::uint8_t>(stored_as.size());
  entry.own_local_part = local_part != mailbox.local_part;
  entry.own_domain = domain != shown_domain;
  entry.own_mailbox = stored_as != local_part;
  std::size_t size = entry.address_size;
  if (entry.own_local_part) size += local_part.size();
  if (entry.own_domain) size += domain.size();
  if (entry.own_mailbox) size += stored_as.size();
  if (!make_room(size)) return Added::no_memory;
  text_.append(mailbox.local_part).append("@").append(shown_domain);
  if (entry.own_local_part) text_.append(local_part);
  if (entry.own_domain) text_.append(domain);
  if (entry.own_mailbox) text_.append(stored_as);
  entries_.push_back(entry);
  index_entry(static_cast<std::uint32_t>(entries_.size() - 1));
  return Added::added;
}

Recipient Transaction::view(const Entry& entry) const {
  std::string_view rest = std::string_view(text_).substr(entry.offset);
  const auto take = [&rest](std::size_t size) {
    const std::string_view front = rest.substr(0, size);
    rest.remove_prefix(size);
    return front;
  };
  Recipient view;
  view.address = take(entry.address_size);
  view.local_part = entry.own_local_part ? take(entry.local_part_size)
                                         : view.address.substr(0, entry.local_part_size);
  view.domain = entry.own_domain ? take(entry.domain_size)
                                 : view.address.substr(entry.address_size - entry.domain_size);
  view.mailbox = entry.own_mailbox ? take(entry.mailbox_size) : view.local_part;
  return view;
}

std::span<const Recipient> Transaction::recipients() {
  views_.clear();
  for (const Entry& entry : entries_) views_.push_back(view(entry));
  return views_;
}

void Transaction::reset() {
  reverse_path_size_ = 0;
  declared_size = 0;
  body = BodyType::unspecified;
  smtputf8 = false;
  rcpt_commands = 0;
  chunk_octets = 0;
  failure = nullptr;
  sink_open = false;
  if (footprint() > kept_footprint_max) {
    std::string().swap(text_);
    std::vector<Entry>().swap(entries_);
    std::vector<Recipient>().swap(views_);
    std::vector<std::uint32_t>().swap(index_);
  } else {
    text_.clear();
    entries_.clear();
    views_.clear();
    index_.clear();
  }
  pool_->account(*this);
}

Transaction* TransactionPool::take() {
  if (idle_.empty()) {
    all_.push_back(std::make_unique<Transaction>());
    all_.back()->pool_ = this;
    idle_.push_back(all_.back().get());
  }
  Transaction* transaction = idle_.back();
  idle_.pop_back();
  ++in_use_;
  return transaction;
}

void TransactionPool::account(Transaction& transaction) {
  std::size_t now = transaction.footprint();
  used_bytes_ = used_bytes_ - transaction.accounted_bytes_ + now;
  transaction.accounted_bytes_ = now;
}

void TransactionPool::give_back(Transaction* transaction) {
  GP_CHECK(in_use_ > 0);
  transaction->reset();
  --in_use_;
  idle_.push_back(transaction);
}

}  // namespace gatepost::smtp
