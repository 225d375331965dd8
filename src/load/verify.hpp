// Holds a ledger against maildirs: every acknowledged message once in each recipient's mailbox,
// octet for octet, and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace gatepost::load {

struct VerifyOptions {
  std::string ledger;
  std::string maildir;  // maildirs are looked for at any depth below
  // Where the mailbox of an address is, below `maildir`: {domain}, {local-part} and {address}, see
  // load/layout.hpp. Where user+tag@ has no directory, that of user@ is looked at.
  // "any": any mailbox will do, as long as a message is in as many as it has recipients.
  std::string layout = "{domain}/{local-part}";
};

struct VerifyResult {
  static constexpr std::size_t problems_kept = 20;

  std::uint64_t acknowledged = 0;        // ledger lines
  std::uint64_t copies_expected = 0;     // mailboxes of acknowledged recipients
  std::uint64_t copies_found = 0;        // of them, whole and in place
  std::uint64_t doubtful = 0;            // ledger lines
  std::uint64_t doubtful_delivered = 0;  // copies of those
  std::uint64_t mailboxes = 0;           // maildirs seen
  std::uint64_t files = 0;               // in their new/ and cur/
  std::uint64_t leftovers = 0;           // in tmp/: fine after a crash
  std::uint64_t strangers = 0;           // files below `maildir` outside of any maildir
  std::uint64_t torn_lines = 0;          // ledger lines that a killed generator left half written

  std::uint64_t missing = 0;          // acknowledged, not there
  std::uint64_t doubled = 0;          // there more than once
  std::uint64_t altered = 0;          // there, with other content than was sent
  std::uint64_t partial = 0;          // there, cut short
  std::uint64_t invented = 0;         // there, never acknowledged nor in doubt
  std::uint64_t misplaced = 0;        // in a mailbox that is no recipient's
  std::uint64_t misnamed = 0;         // ,S= in the file's name is not its size
  std::vector<std::string> problems;  // the first ones, one line each

  std::uint64_t problem_count() const {
    return missing + doubled + altered + partial + invented + misplaced + misnamed;
  }
  // Whether anything was proved: where nothing was acknowledged, nothing can be missing.
  bool verified() const { return problem_count() == 0 && acknowledged > 0; }
};

// Reads everything once; memory grows with the number of messages, not with their size. Fails where
// the ledger or a directory can't be read.
Result<VerifyResult> verify(const VerifyOptions& options);

// Several lines for people; the last one is the verdict.
std::string verify_summary(const VerifyResult& result);

}  // namespace gatepost::load
