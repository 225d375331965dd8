#include "load/ledger.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>

namespace gatepost::load {
namespace {

constexpr std::string_view title =
    "# gatepost-load ledger 1: state, id, size (CRLF), XXH3-128 of the content with LF, "
    "recipients\n";
// What must stand at the front of a ledger of this form.
constexpr std::string_view title_mark = title.substr(0, title.find(':') + 1);
constexpr std::size_t hash_digits = 32;

Error not_a_ledger(const std::string& path) {
  return Error{fmt::format("--ledger {}: not a ledger of gatepost-load, which begins with '{}'",
                           path, title_mark)};
}

// The part of `line` before the next `separator`, which is taken off with it.
std::string_view take_field(std::string_view& line, char separator) {
  auto end = std::min(line.find(separator), line.size());
  std::string_view field = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return field;
}

bool parse_line(std::string_view line, LedgerEntry& entry) {
  std::string_view state = take_field(line, '\t');
  const auto* name = std::find(std::begin(ledger_state_names), std::end(ledger_state_names), state);
  if (name == std::end(ledger_state_names)) return false;
  entry.state = static_cast<LedgerState>(name - std::begin(ledger_state_names));
  entry.id = take_field(line, '\t');
  std::string_view size = take_field(line, '\t');
  auto [last, error] = std::from_chars(size.data(), size.data() + size.size(), entry.size);
  if (error != std::errc{} || last != size.data() + size.size()) return false;
  entry.hash = take_field(line, '\t');
  while (!line.empty()) entry.recipients.emplace_back(take_field(line, ' '));
  return !entry.id.empty() && entry.hash.size() == hash_digits &&
         (entry.state != LedgerState::acked || !entry.recipients.empty());
}

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::open(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return Error{fmt::format("--ledger {}: {}", path, std::strerror(errno))};
  std::unique_ptr<Ledger> ledger(new Ledger(fd, path));
  if (auto begun = ledger->begin(); !begun) return Error{begun.error()};
  return ledger;
}

// Writes what must stand before the first line of this generator.
Result<Done> Ledger::begin() {
  auto done = [&](bool ok) -> Result<Done> {
    if (!ok) return Error{fmt::format("--ledger {}: {}", path_, std::strerror(errno))};
    return Done{};
  };
  off_t size = lseek(fd_, 0, SEEK_END);
  if (size <= 0) return done(append(title));  // new, or nothing that has positions
  std::array<char, title.size()> front{};
  ssize_t have = pread(fd_, front.data(), front.size(), 0);
  if (have < 0) return done(false);
  std::string_view begins(front.data(), static_cast<std::size_t>(have));
  // Not even the title may be whole.
  if (begins.size() < title.size() && title.starts_with(begins))
    return done(ftruncate(fd_, 0) == 0 && append(title));
  if (!begins.starts_with(title_mark)) return not_a_ledger(path_);
  char last = '\n';
  if (pread(fd_, &last, 1, size - 1) != 1) return done(false);
  // A generator that was killed may have left half a line: what follows must not join it.
  return done(last == '\n' || append("\n# torn\n"));
}

Ledger::~Ledger() {
  close(fd_);
}

bool Ledger::append(std::string_view lines) {
  while (!lines.empty()) {
    ssize_t written = write(fd_, lines.data(), lines.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    lines.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void LedgerWriter::add(LedgerState state, std::string_view id, std::uint64_t size,
                       std::string_view hash, std::span<const std::uint32_t> recipients,
                       std::span<const std::string> mailboxes) {
  if (!active()) return;
  fmt::format_to(std::back_inserter(lines_), "{}\t{}\t{}\t{}\t",
                 ledger_state_names[static_cast<std::size_t>(state)], id, size, hash);
  for (std::uint32_t recipient : recipients) lines_.append(mailboxes[recipient]).push_back(' ');
  if (!recipients.empty()) lines_.pop_back();
  lines_ += '\n';
  if (lines_.size() >= flush_octets) flush();
}

void LedgerWriter::flush() {
  if (lines_.empty() || !active()) return;
  ok_ = ledger_->append(lines_) && ok_;
  lines_.clear();
}

Result<std::vector<LedgerEntry>> read_ledger(const std::string& path, unsigned* torn) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{fmt::format("--ledger {}: {}", path, std::strerror(errno))};
  std::vector<LedgerEntry> entries;
  std::string line;
  *torn = 0;
  if ((!std::getline(file, line) || !line.starts_with(title_mark)) && !file.bad())
    return not_a_ledger(path);
  for (unsigned number = 2; std::getline(file, line); ++number) {
    if (file.eof()) {  // no line end behind it
      ++*torn;
      break;
    }
    LedgerEntry entry;
    if (line.starts_with('#') || line.empty()) continue;
    if (parse_line(line, entry)) {
      entries.push_back(std::move(entry));
      continue;
    }
    // Half a line is fine only where the next writer has marked it.
    std::string next;
    if (!std::getline(file, next) || next != "# torn")
      return Error{fmt::format("--ledger {}: line {} is not a ledger line", path, number)};
    ++number;
    ++*torn;
  }
  if (file.bad()) return Error{fmt::format("--ledger {}: {}", path, std::strerror(errno))};
  return entries;
}

}  // namespace gatepost::load
