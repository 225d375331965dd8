// What the server was given and what it said, for `verify` to hold against what was delivered.
//
// A text file, one message a line, fields separated by one tab:
//
//   STATE  ID  SIZE  HASH  RECIPIENT RECIPIENT ...
//
//   acked    250 came after the end of data: each recipient's mailbox must hold it once
//   doubt    the end of data may have reached the server, no reply came back: once or not at all
//   cut      the content was begun and its end never sent: must not be delivered
//   refused  the whole content was answered with 4yz or 5yz: must not be delivered
//
// SIZE is in octets with CRLF, HASH is content_hash() (load/body.hpp). The first line says that the
// file is a ledger; without it a file is neither read nor appended to. Lines that begin with # hold
// no message. Files are appended to: ids of different runs differ.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gatepost::load {

enum class LedgerState : std::uint8_t { acked, doubt, cut, refused };
constexpr std::string_view ledger_state_names[] = {"acked", "doubt", "cut", "refused"};

struct LedgerEntry {
  LedgerState state = LedgerState::acked;
  std::string id;
  std::uint64_t size = 0;
  std::string hash;
  std::vector<std::string> recipients;
};

// The file. Any number of threads may append.
class Ledger {
 public:
  // Creates the file, or opens it to go on at its end, whatever a killed generator left there.
  // Fails where it can't be opened or written, and on a file that is something else than a ledger,
  // which is left as it is.
  static Result<std::unique_ptr<Ledger>> open(const std::string& path);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Appends whole lines in one write(2) on an O_APPEND descriptor, so that writers don't mix.
  // Returns false, and keeps on returning it, once something could not be written.
  bool append(std::string_view lines);
  const std::string& path() const { return path_; }

 private:
  Ledger(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Result<Done> begin();
  int fd_;
  std::string path_;
};

// One thread's lines on their way to the file.
class LedgerWriter {
 public:
  explicit LedgerWriter(Ledger* ledger) : ledger_(ledger) {}  // nullptr: nothing is written
  ~LedgerWriter() { flush(); }
  LedgerWriter(const LedgerWriter&) = delete;
  LedgerWriter& operator=(const LedgerWriter&) = delete;

  bool active() const { return ledger_ != nullptr; }
  // recipients: positions in `mailboxes`.
  void add(LedgerState state, std::string_view id, std::uint64_t size, std::string_view hash,
           std::span<const std::uint32_t> recipients, std::span<const std::string> mailboxes);
  void flush();
  // Whether everything so far could be written.
  bool ok() const { return ok_; }

 private:
  static constexpr std::size_t flush_octets = 64 * 1024;
  Ledger* ledger_;
  std::string lines_;
  bool ok_ = true;
};

// Reads a whole ledger. Fails where it can't be read, where the first line does not say that it is
// one, or a line is none (with its number). A last line without its end, as a killed generator may
// leave it, is ignored and counted in `*torn`.
Result<std::vector<LedgerEntry>> read_ledger(const std::string& path, unsigned* torn);

}  // namespace gatepost::load
