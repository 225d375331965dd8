#include "load/verify.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>

#include "load/layout.hpp"
#include "load/ledger.hpp"
#include "load/stored_message.hpp"

namespace gatepost::load {
namespace {

namespace fs = std::filesystem;

class Verifier {
 public:
  explicit Verifier(const VerifyOptions& options) : options_(options) {}
  Result<VerifyResult> run();

 private:
  struct Expected {
    LedgerEntry entry;
    std::map<std::string, unsigned> copies;  // by mailbox
  };

  Result<Done> load_ledger();
  Result<Done> walk(const fs::path& directory);
  Result<Done> read_mailbox(const fs::path& mailbox);
  Result<Done> check_file(const fs::path& path, const std::string& mailbox);
  void check_name(const fs::path& path, std::uint64_t size);
  void check_copies(const Expected& expected);
  std::string place_of(const std::string& recipient) const;
  void problem(std::uint64_t& counter, std::string text) {
    ++counter;
    if (result_.problems.size() < VerifyResult::problems_kept)
      result_.problems.push_back(std::move(text));
  }

  const VerifyOptions& options_;
  VerifyResult result_;
  std::unordered_map<std::string, Expected> expected_;
  // Hard links share a body: each is read once.
  std::map<std::pair<dev_t, ino_t>, StoredMessage> seen_;
};

Result<Done> Verifier::load_ledger() {
  unsigned torn = 0;
  auto entries = read_ledger(options_.ledger, &torn);
  if (!entries) return Error{entries.error()};
  result_.torn_lines = torn;
  for (LedgerEntry& entry : entries.value()) {
    if (entry.state == LedgerState::acked) ++result_.acknowledged;
    if (entry.state == LedgerState::doubt) ++result_.doubtful;
    std::string id = entry.id;
    if (!expected_.try_emplace(id, Expected{std::move(entry), {}}).second)
      return Error{fmt::format("--ledger {}: id {} stands there twice", options_.ledger, id)};
  }
  return Done{};
}

Result<Done> Verifier::walk(const fs::path& directory) {
  std::error_code error;
  if (fs::is_directory(directory / "new", error) && fs::is_directory(directory / "cur", error)) {
    ++result_.mailboxes;
    if (auto read = read_mailbox(directory); !read) return read;
  }
  fs::directory_iterator entries(directory, error);
  if (error) return Error{fmt::format("{}: {}", directory.string(), error.message())};
  bool is_mailbox = fs::exists(directory / "new", error) && fs::exists(directory / "cur", error);
  for (const fs::directory_entry& entry : entries) {
    std::string name = entry.path().filename();
    if (is_mailbox && (name == "new" || name == "cur" || name == "tmp")) continue;
    if (entry.is_directory(error) && !entry.is_symlink(error)) {
      if (auto walked = walk(entry.path()); !walked) return walked;
    } else {
      ++result_.strangers;
    }
  }
  return Done{};
}

Result<Done> Verifier::read_mailbox(const fs::path& mailbox) {
  // The walk began with these very words: no need to ask the file system, which throws where a path
  // leads through another namespace (/proc/PID/root).
  std::string name = mailbox.lexically_relative(options_.maildir).string();
  std::error_code error;
  for (const char* part : {"new", "cur", "tmp"}) {
    fs::directory_iterator entries(mailbox / part, error);
    if (error && std::string_view(part) == "tmp") break;
    if (error) return Error{fmt::format("{}: {}", (mailbox / part).string(), error.message())};
    for (const fs::directory_entry& entry : entries) {
      if (std::string_view(part) == "tmp") {
        ++result_.leftovers;
        continue;
      }
      ++result_.files;
      if (auto checked = check_file(entry.path(), name); !checked) return checked;
    }
  }
  return Done{};
}

Result<Done> Verifier::check_file(const fs::path& path, const std::string& mailbox) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0)
    return Error{fmt::format("{}: {}", path.string(), std::strerror(errno))};
  if (!S_ISREG(status.st_mode)) {
    problem(result_.invented, fmt::format("{}: not a regular file", path.string()));
    return Done{};
  }
  check_name(path, static_cast<std::uint64_t>(status.st_size));
  std::pair key{status.st_dev, status.st_ino};
  auto found = seen_.find(key);
  if (found == seen_.end()) {
    auto content = read_file(path);
    if (!content) return Error{content.error()};
    found = seen_.emplace(key, read_stored(content.value())).first;
  }
  const StoredMessage& stored = found->second;
  auto match = expected_.find(stored.id);
  if (match == expected_.end()) {
    problem(result_.invented,
            fmt::format("{}: {}", path.string(),
                        stored.id.empty() ? "not from this generator, or cut short in its header"
                                          : "the ledger does not know this message"));
    return Done{};
  }
  Expected& expected = match->second;
  if (stored.hash != expected.entry.hash || stored.size != expected.entry.size ||
      stored.mixed_ends) {
    bool shorter = stored.size < expected.entry.size;
    problem(shorter ? result_.partial : result_.altered,
            fmt::format("{}: {}, {} octets of content against {} sent{}", path.string(),
                        shorter ? "cut short" : "altered", stored.size, expected.entry.size,
                        stored.mixed_ends ? ", CRLF and LF mixed" : ""));
    ++expected.copies[mailbox];
    return Done{};
  }
  if (++expected.copies[mailbox] == 1) {
    if (expected.entry.state == LedgerState::acked) ++result_.copies_found;
    if (expected.entry.state == LedgerState::doubt) ++result_.doubtful_delivered;
  }
  return Done{};
}

// Maildir names may tell the file's size as ",S=4711".
void Verifier::check_name(const fs::path& path, std::uint64_t size) {
  std::string name = path.filename();
  auto at = name.find(",S=");
  if (at == std::string::npos) return;
  std::uint64_t told = 0;
  auto parsed = std::from_chars(name.data() + at + 3, name.data() + name.size(), told);
  if (parsed.ec != std::errc{} || told != size)
    problem(result_.misnamed, fmt::format("{}: has {} octets", path.string(), size));
}

// Compares where the copies are with where they must, and may, be.
void Verifier::check_copies(const Expected& expected) {
  const LedgerEntry& entry = expected.entry;
  bool wanted = entry.state == LedgerState::acked;
  bool allowed = wanted || entry.state == LedgerState::doubt;
  for (const auto& [mailbox, copies] : expected.copies) {
    if (!allowed)
      problem(result_.invented,
              fmt::format("{}: {} in the ledger, yet delivered to {}", entry.id,
                          ledger_state_names[static_cast<std::size_t>(entry.state)], mailbox));
    else if (copies > 1)
      problem(result_.doubled, fmt::format("{}: {} times in {}", entry.id, copies, mailbox));
  }
  if (!allowed) return;
  if (options_.layout == any_layout) {
    if (wanted) result_.copies_expected += entry.recipients.size();
    if (wanted && expected.copies.size() < entry.recipients.size())
      problem(result_.missing, fmt::format("{}: in {} mailboxes of {}", entry.id,
                                           expected.copies.size(), entry.recipients.size()));
    if (expected.copies.size() > entry.recipients.size())
      problem(result_.misplaced, fmt::format("{}: in {} mailboxes, has {} recipients", entry.id,
                                             expected.copies.size(), entry.recipients.size()));
    return;
  }
  std::set<std::string> places;
  for (const std::string& recipient : entry.recipients) places.insert(place_of(recipient));
  if (wanted) result_.copies_expected += places.size();
  for (const std::string& place : places)
    if (wanted && !expected.copies.contains(place))
      problem(result_.missing, fmt::format("{}: acknowledged, not in {}", entry.id, place));
  for (const auto& [mailbox, copies] : expected.copies)
    if (!places.contains(mailbox))
      problem(result_.misplaced,
              fmt::format("{}: in {}, which is no recipient's", entry.id, mailbox));
}

// A server that takes what follows a plus for a tag delivers user+tag@example.org to user's mailbox
// (RFC 5233 §1); one that does not has a mailbox of that name.
std::string Verifier::place_of(const std::string& recipient) const {
  std::string whole = mailbox_path(options_.layout, recipient);
  std::string untagged = without_tag(recipient);
  std::error_code error;
  if (untagged == recipient || fs::is_directory(fs::path(options_.maildir) / whole, error))
    return whole;
  return mailbox_path(options_.layout, untagged);
}

Result<VerifyResult> Verifier::run() {
  if (auto loaded = load_ledger(); !loaded) return Error{loaded.error()};
  std::error_code error;
  if (!fs::is_directory(options_.maildir, error))
    return Error{fmt::format("--maildir {}: not a directory that can be read", options_.maildir)};
  if (auto walked = walk(options_.maildir); !walked) return Error{walked.error()};
  for (const auto& [id, expected] : expected_) check_copies(expected);
  return std::move(result_);
}

}  // namespace

Result<VerifyResult> verify(const VerifyOptions& options) {
  return Verifier(options).run();
}

std::string verify_summary(const VerifyResult& r) {
  std::string text;
  auto line = [&](std::string_view label, std::uint64_t value) {
    text += fmt::format("  {:<44} {:>12}\n", label, value);
  };
  text += "ledger\n";
  line("acknowledged messages", r.acknowledged);
  line("copies they must have left", r.copies_expected);
  line("messages in doubt", r.doubtful);
  if (r.torn_lines > 0) line("lines torn by a killed generator", r.torn_lines);
  text += "maildirs\n";
  line("mailboxes", r.mailboxes);
  line("files in new/ and cur/", r.files);
  line("copies whole and in place", r.copies_found);
  line("copies of messages in doubt (allowed)", r.doubtful_delivered);
  line("leftovers in tmp/ (fine after a crash)", r.leftovers);
  if (r.strangers > 0) line("files outside of any maildir (not checked)", r.strangers);
  text += "problems\n";
  line("missing", r.missing);
  line("doubled", r.doubled);
  line("altered", r.altered);
  line("cut short", r.partial);
  line("invented", r.invented);
  line("in a wrong mailbox", r.misplaced);
  line("with a wrong size in the name", r.misnamed);
  for (const std::string& each : r.problems) text += fmt::format("  - {}\n", each);
  if (r.problem_count() > r.problems.size())
    text += fmt::format("  - and {} more\n", r.problem_count() - r.problems.size());
  if (r.problem_count() > 0)
    text +=
        fmt::format("FAILED: {} problem{}\n", r.problem_count(), r.problem_count() == 1 ? "" : "s");
  else if (!r.verified())
    text += "NOT VERIFIED: the ledger has no acknowledged message, so nothing was proved\n";
  else
    text += "verified: every acknowledged message is there, once and whole, and nothing else is\n";
  return text;
}

}  // namespace gatepost::load
