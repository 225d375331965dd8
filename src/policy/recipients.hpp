// Which recipients are ours (RFC 5321 §3.6.2, §4.5.1): the accepted domains and, where there is
// one, the table of recipients.
//
// A RecipientTable is an immutable snapshot. The RecipientDirectory holds the current one and
// replaces it whole on reload; each shard looks through a RecipientView of its own, which costs one
// atomic load a check.
//
// Rules
//   - Domains compare in canonical form (smtp::canonical_domain): a subdomain is another domain.
//   - Without a recipients file every local-part of an accepted domain is accepted.
//   - postmaster, in any case, is accepted at every accepted domain, without a domain, and at the
//     address literal of the address that the client reached; the last two belong to the first
//     accepted domain.
//   - Local-parts compare octet by octet but for the case of ASCII letters: nobody should run two
//     mailboxes that differ in case only (R5321-4.1.2-15). Mail goes to the mailbox as it is
//     spelled in the file; the recipient's own spelling is kept beside that (R5321-2.4-02). Where
//     no file lists it, there is nothing to go by but the recipient's spelling.
//   - A delimiter behind the first octet ends the name: user+tag is user, unless user+tag is listed
//     itself.
//   - "%" and "!" mean nothing (R5321-7.9-02).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"

namespace gatepost::policy {

struct RecipientSettings {
  std::vector<std::string> accept_domains{};       // any spelling, also U-labels
  std::vector<std::string> accept_domain_files{};  // one domain a line
  std::string recipients_file{};                   // one address or @domain a line; empty: none
  std::string recipient_delimiter = "+";           // each octet delimits; empty: off
};
// In both kinds of file blank lines are skipped, and "#" at the beginning of a line or behind white
// space begins a comment.

enum class RecipientVerdict : std::uint8_t {
  accepted,
  unknown_user,  // 550 5.1.1
  relay_denied   // 550 5.7.1
};

struct RecipientCheck {
  RecipientVerdict verdict = RecipientVerdict::relay_denied;
  // Where the recipient's mail belongs, both empty unless accepted: the mailbox's local-part, which
  // points into the table or into the local-part that was asked for, and the domain in canonical
  // form, which points into the table.
  std::string_view mailbox;
  std::string_view domain;
};

// Immutable; any thread.
class RecipientTable {
 public:
  // Reads the files. Blocks; not for a shard's thread. Errors name the file, the line and what is
  // wrong: a file that can't be read, a line that is no domain or no address, an address whose
  // domain is not accepted.
  static Result<std::shared_ptr<const RecipientTable>> load(const RecipientSettings& settings);

  // local_part: without quoting. domain: canonical, an address literal with its brackets, or empty
  // for bare postmaster. local_address: the address of ours that the client reached, IPv4 as
  // ::ffff:a.b.c.d; all zero when there is none, which matches nothing. Does not allocate.
  RecipientCheck check(std::string_view local_part, std::string_view domain,
                       const std::array<std::uint8_t, 16>& local_address) const;

  std::size_t domain_count() const { return domains_.size(); }
  std::size_t recipient_count() const { return entries_.size(); }
  // In the order given: flags before files.
  std::string_view domain(std::size_t index) const { return domains_[index].name; }

 private:
  struct Loader;
  struct Domain {
    std::string name;
    bool every_local_part;
  };
  struct Entry {  // one listed address
    std::uint32_t text_offset;
    std::uint32_t domain;
    std::uint8_t size;
  };
  struct DomainHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const {
      return std::hash<std::string_view>{}(name);
    }
  };

  // The local-part as the file spells it; empty when it is not listed.
  std::string_view listed(std::string_view local_part, std::uint32_t domain) const;
  std::size_t slot_of(std::string_view local_part, std::uint32_t domain) const;
  bool add_recipient(std::string_view local_part, std::uint32_t domain);
  void grow_slots();

  std::vector<Domain> domains_;
  std::unordered_map<std::string, std::uint32_t, DomainHash, std::equal_to<>> domain_numbers_;
  std::string delimiters_;
  // Open addressing: a million recipients cost their text and some 20 octets each.
  std::string text_;  // local-parts, as they are written in the file
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  // number of an entry and 1; 0: free; a power of two of them
};

class RecipientDirectory {
 public:
  // Loads the first table; the error is that of RecipientTable::load().
  static Result<std::unique_ptr<RecipientDirectory>> open(RecipientSettings settings);

  // Reads the files anew and puts the result in the place of the table in use; on an error that one
  // stays. Any thread but a shard's.
  Result<Done> reload();

  // The table in use now. Any thread.
  std::shared_ptr<const RecipientTable> table() const;
  // Changes whenever the table does. Any thread.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  RecipientDirectory(RecipientSettings settings, std::shared_ptr<const RecipientTable> table)
      : settings_(std::move(settings)), table_(std::move(table)) {}

  const RecipientSettings settings_;
  mutable std::mutex mutex_;
  std::shared_ptr<const RecipientTable> table_;
  std::atomic<std::uint64_t> version_{1};
};

// One per shard, on its thread. The directory must outlive it.
class RecipientView {
 public:
  explicit RecipientView(const RecipientDirectory& directory) : directory_(&directory) {}
  // The table in use; what points into it is good until the next call.
  const RecipientTable& table() {
    if (const std::uint64_t now = directory_->version(); now != version_) {
      // The version is read first: a table that is newer than it is looked for once more, never
      // missed.
      table_ = directory_->table();
      version_ = now;
    }
    return *table_;
  }

 private:
  const RecipientDirectory* directory_;
  std::shared_ptr<const RecipientTable> table_;
  std::uint64_t version_ = 0;
};

}  // namespace gatepost::policy
