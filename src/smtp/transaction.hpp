// One mail transaction: the envelope as it grows, and the state of its content.
//
// Transactions come from a pool per shard and go back to it; what a transaction's recipients need
// beyond its fixed part is bounded by the pool's budget (bytes over all transactions of the shard).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bounds.hpp"
#include "gatepost/envelope.hpp"
#include "scan/scanner.hpp"
#include "smtp/header_inspector.hpp"
#include "smtp/path.hpp"
#include "smtp/reply.hpp"

namespace gatepost::smtp {

class TransactionPool;

class Transaction {
 public:
  // At MAIL. mailbox: canonical; null for "<>".
  void begin(const Mailbox& mailbox, bool null);
  std::string_view reverse_path() const { return {reverse_path_.data(), reverse_path_size_}; }

  enum class Added : std::uint8_t { added, repeated, no_memory };
  // Remembers one accepted recipient; one that is there already (same local-part to the octet, same
  // domain) is not kept twice. local_part: without quoting. stored_as: as Recipient::mailbox.
  // domain: compared form.
  Added add_recipient(const Mailbox& mailbox, std::string_view local_part,
                      std::string_view stored_as, std::string_view domain);
  std::size_t recipient_count() const { return entries_.size(); }
  // Valid until the next add_recipient() or the end of the transaction.
  std::span<const Recipient> recipients();

  // What MAIL said.
  std::uint64_t declared_size = 0;
  BodyType body = BodyType::unspecified;
  bool smtputf8 = false;
  // RCPT commands so far, refused ones too (RFC 9422: RCPTMAX counts commands).
  std::uint32_t rcpt_commands = 0;

  // Content.
  scan::DataScanner data_scanner;
  scan::ChunkScanner chunk_scanner;
  HeaderInspector inspector;
  std::uint64_t chunk_octets = 0;       // announced by BDAT so far
  const FixedReply* failure = nullptr;  // why the content is read but not kept
  bool sink_open = false;
  bool content_begun = false;

 private:
  friend class TransactionPool;
  struct Entry {
    // Into text_: the address, and of local-part, domain and mailbox what is not spelled the same
    // as in it (nearly always nothing).
    std::uint32_t offset;
    std::uint32_t hash;
    std::uint16_t address_size;
    std::uint16_t domain_size;
    std::uint8_t local_part_size;
    std::uint8_t mailbox_size;
    bool own_local_part;
    bool own_domain;
    bool own_mailbox;
  };
  void reset();
  std::size_t footprint() const {
    return text_.capacity() + entries_.capacity() * sizeof(Entry) +
           views_.capacity() * sizeof(Recipient) + index_.capacity() * 4;
  }
  Recipient view(const Entry& entry) const;
  bool repeated(std::uint32_t hash, std::string_view local_part, std::string_view domain) const;
  bool make_room(std::size_t text_size);
  void index_entry(std::uint32_t entry);

  TransactionPool* pool_ = nullptr;
  std::size_t accounted_bytes_ = 0;
  std::uint16_t reverse_path_size_ = 0;
  std::array<char, mailbox_length_max> reverse_path_;
  std::string text_;
  std::vector<Entry> entries_;
  std::vector<Recipient> views_;
  std::vector<std::uint32_t> index_;  // open addressing over entries_, used from some recipients on
};

// Shard's thread only.
class TransactionPool {
 public:
  // What every transaction may grow to, whatever the others occupy: a hundred recipients
  // (RFC 5321 §4.5.3.1.8), so that a few clients with long lists can't keep mail from the others.
  static constexpr std::size_t guaranteed_bytes = 32 * 1024;

  // budget_bytes: what the recipients of all open transactions may occupy beyond that.
  explicit TransactionPool(std::size_t budget_bytes) : budget_bytes_(budget_bytes) {}

  Transaction* take();
  void give_back(Transaction* transaction);
  std::size_t in_use() const { return in_use_; }

 private:
  friend class Transaction;
  // For a transaction that grows by `more` to `total`.
  bool has_room(std::size_t total, std::size_t more) const {
    return total <= guaranteed_bytes || used_bytes_ + more <= budget_bytes_;
  }
  void account(Transaction& transaction);

  std::size_t budget_bytes_;
  std::size_t used_bytes_ = 0;
  std::size_t in_use_ = 0;
  std::vector<std::unique_ptr<Transaction>> all_;
  std::vector<Transaction*> idle_;
};

}  // namespace gatepost::smtp
