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

#include "load/ledger.hpp"
#include "load/stored_message.hpp"

namespace gatepost::load {
namespace {

namespace fs = std::filesystem;

bool kept_in_names(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.+=").find(c) != std::string_view::npos;
}

// As the maildir sink names directories: other octets than these, and a dot or hyphen at the
// front, become %XX.
std::string directory_name(std::string_view value) {
  std::string name;
  for (std::size_t i = 0; i < value.size(); ++i) {
    char c = value[i];
    if (kept_in_names(c) && !(i == 0 && (c == '.' || c == '-')))
      name += c;
    else
      name += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return name;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// The path of an address's maildir below the root.
std::string mailbox_path(std::string layout, std::string_view address) {
  auto at = address.rfind('@');
  std::string local_part(address.substr(0, at));
  std::string domain(at == std::string_view::npos ? "" : address.substr(at + 1));
  std::transform(domain.begin(), domain.end(), domain.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  replace_all(layout, "{domain}", directory_name(domain));
  replace_all(layout, "{local-part}", directory_name(local_part));
  replace_all(layout, "{address}", directory_name(local_part) + "@" + directory_name(domain));
  return layout;
}

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
    if (entry.state == LedgerState::acked) {
      ++result_.acknowledged;
      result_.copies_expected += entry.recipients.size();
    }
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
  std::string name = fs::relative(mailbox, options_.maildir).string();
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
  if (options_.layout == "any") {
    if (wanted && expected.copies.size() < entry.recipients.size())
      problem(result_.missing, fmt::format("{}: in {} mailboxes of {}", entry.id,
                                           expected.copies.size(), entry.recipients.size()));
    if (expected.copies.size() > entry.recipients.size())
      problem(result_.misplaced, fmt::format("{}: in {} mailboxes, has {} recipients", entry.id,
                                             expected.copies.size(), entry.recipients.size()));
    return;
  }
  std::set<std::string> places;
  for (const std::string& recipient : entry.recipients) {
    std::string place = mailbox_path(options_.layout, recipient);
    if (wanted && !expected.copies.contains(place))
      problem(result_.missing, fmt::format("{}: acknowledged, not in {}", entry.id, place));
    places.insert(std::move(place));
  }
  for (const auto& [mailbox, copies] : expected.copies)
    if (!places.contains(mailbox))
      problem(result_.misplaced,
              fmt::format("{}: in {}, which is no recipient's", entry.id, mailbox));
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
  text += r.problem_count() == 0 ? "verified: every acknowledged message is there, once and whole, "
                                   "and nothing else is\n"
                                 : fmt::format("FAILED: {} problems\n", r.problem_count());
  return text;
}

}  // namespace gatepost::load
