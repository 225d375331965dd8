#include "load/verify.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "load/body.hpp"
#include "load/layout.hpp"
#include "load/ledger.hpp"

namespace gatepost::load {
namespace {

namespace fs = std::filesystem;

// A folder with a ledger and maildirs, and messages to put there.
class LoadVerify : public testing::Test {
 protected:
  LoadVerify() : text_(1), composer_(text_, "run", 0, "x", "a@b", "date", 1) {
    std::string pattern = (fs::temp_directory_path() / "gatepost-load-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    fs::create_directory(folder_ / "mail");
  }
  ~LoadVerify() override { fs::remove_all(folder_); }

  std::string stored(const Content& content) const {
    std::string octets;
    for (char c : content.header)
      if (c != '\r') octets += c;
    text_.for_each_piece(content.body, Form::stored,
                         [&](std::string_view piece) { octets += piece; });
    return octets;
  }
  // Makes a message, writes its ledger line, and returns what a mailbox should hold.
  std::string message(LedgerState state, std::vector<std::uint32_t> recipients,
                      std::uint64_t size = 3000) {
    Content content;
    composer_.compose(size, content);
    auto ledger = Ledger::open(ledger_path());
    LedgerWriter writer(ledger.value().get());
    writer.add(state, content.id, content.size, content_hash(text_, content), recipients,
               mailboxes_);
    return "Return-Path: <a@b>\nReceived: from x\n\tby y; now\n" + stored(content);
  }
  void deliver(const std::string& mailbox, const std::string& octets,
               const std::string& part = "new") {
    fs::path maildir = folder_ / "mail" / mailbox;
    for (const char* each : {"new", "cur", "tmp"}) fs::create_directories(maildir / each);
    std::ofstream(maildir / part / std::to_string(++files_), std::ios::binary) << octets;
  }
  VerifyResult check(const std::string& layout = "{domain}/{local-part}") {
    VerifyOptions options;
    options.ledger = ledger_path();
    options.maildir = (folder_ / "mail").string();
    options.layout = layout;
    auto result = verify(options);
    EXPECT_TRUE(result) << result.error();
    return result ? result.value() : VerifyResult{};
  }
  std::string ledger_path() const { return (folder_ / "ledger").string(); }

  BodyText text_;
  Composer composer_;
  fs::path folder_;
  int files_ = 0;
  std::vector<std::string> mailboxes_{"u0@example.org", "u1@example.org", "U2@Example.ORG",
                                      ".odd/x@example.org"};
};

TEST_F(LoadVerify, all_is_well) {
  std::string one = message(LedgerState::acked, {0});
  std::string two = message(LedgerState::acked, {0, 1, 2}, 300'000);
  deliver("example.org/u0", one);
  deliver("example.org/u0", two, "cur");
  deliver("example.org/u1", two);
  deliver("example.org/U2", two);
  deliver("example.org/u1", "half", "tmp");
  VerifyResult result = check();
  EXPECT_EQ(result.problem_count(), 0u) << verify_summary(result);
  EXPECT_EQ(result.acknowledged, 2u);
  EXPECT_EQ(result.copies_expected, 4u);
  EXPECT_EQ(result.copies_found, 4u);
  EXPECT_EQ(result.files, 4u);
  EXPECT_EQ(result.mailboxes, 3u);
  EXPECT_EQ(result.leftovers, 1u);
  EXPECT_NE(verify_summary(result).find("verified:"), std::string::npos);
}

TEST_F(LoadVerify, CRLF_ends_are_as_good) {
  std::string octets = message(LedgerState::acked, {0}), crlf;
  for (char c : octets) {
    if (c == '\n') crlf += '\r';
    crlf += c;
  }
  deliver("example.org/u0", crlf);
  EXPECT_EQ(check().problem_count(), 0u);
}

TEST_F(LoadVerify, names_of_odd_addresses_are_encoded) {
  mailboxes_.insert(mailboxes_.end(), {"-x@example.org", "a{Z[9:`z@example.org"});
  deliver("example.org/%2Eodd%2Fx", message(LedgerState::acked, {3}));
  deliver("example.org/%2Dx", message(LedgerState::acked, {4}));
  deliver("example.org/a%7BZ%5B9%3A%60z", message(LedgerState::acked, {5}));
  EXPECT_EQ(check().problem_count(), 0u);
}

TEST_F(LoadVerify, hard_links_are_copies) {
  std::string octets = message(LedgerState::acked, {0, 1});
  deliver("example.org/u0", octets);
  for (const char* each : {"new", "cur"})
    fs::create_directories(folder_ / "mail/example.org/u1" / each);
  fs::create_hard_link(folder_ / "mail/example.org/u0/new/1",
                       folder_ / "mail/example.org/u1/new/1");
  VerifyResult result = check();
  EXPECT_EQ(result.problem_count(), 0u);
  EXPECT_EQ(result.copies_found, 2u);
}

TEST_F(LoadVerify, finds_what_is_missing) {
  std::string octets = message(LedgerState::acked, {0, 1});
  deliver("example.org/u0", octets);
  VerifyResult result = check();
  EXPECT_EQ(result.missing, 1u);
  EXPECT_EQ(result.problem_count(), 1u);
  ASSERT_EQ(result.problems.size(), 1u);
  EXPECT_NE(result.problems[0].find("example.org/u1"), std::string::npos);
  EXPECT_NE(verify_summary(result).find("FAILED: 1 problem\n"), std::string::npos);
  message(LedgerState::acked, {2});
  EXPECT_NE(verify_summary(check()).find("FAILED: 2 problems\n"), std::string::npos);
}

TEST_F(LoadVerify, a_tag_is_looked_for_in_its_own_mailbox_or_else_in_that_before_it) {
  mailboxes_ = {"u+one@example.org", "u+two@example.org", "u@example.org", "+x@example.org"};
  std::string octets = message(LedgerState::acked, {0, 1, 2});
  deliver("example.org/u", octets);
  VerifyResult together = check();
  EXPECT_EQ(together.problem_count(), 0u) << verify_summary(together);
  EXPECT_EQ(together.copies_expected, 1u);
  EXPECT_EQ(together.copies_found, 1u);
  deliver("example.org/u+one", octets);
  VerifyResult apart = check();
  EXPECT_EQ(apart.problem_count(), 0u) << verify_summary(apart);
  EXPECT_EQ(apart.copies_expected, 2u);
  fs::remove(folder_ / "mail/example.org/u+one/new/2");
  EXPECT_EQ(check().missing, 1u) << "the mailbox is there, the message is not";
  message(LedgerState::acked, {3});  // before whose plus is nothing
  EXPECT_EQ(check().missing, 2u);
}

TEST_F(LoadVerify, a_plus_in_the_domain_is_no_tag) {
  EXPECT_EQ(without_tag("u+a+b@example.org"), "u@example.org");
  for (const char* address : {"u@example.org", "+u@example.org", "u@a+b", "u+a"})
    EXPECT_EQ(without_tag(address), address);
}

TEST_F(LoadVerify, nothing_acknowledged_is_nothing_verified) {
  { auto ledger = Ledger::open(ledger_path()); }
  VerifyResult empty = check();
  EXPECT_EQ(empty.problem_count(), 0u);
  EXPECT_FALSE(empty.verified());
  EXPECT_NE(verify_summary(empty).find("NOT VERIFIED"), std::string::npos);
  EXPECT_EQ(verify_summary(empty).find("verified:"), std::string::npos);
  message(LedgerState::refused, {0});
  message(LedgerState::doubt, {0});
  EXPECT_FALSE(check().verified());
  deliver("example.org/u0", message(LedgerState::acked, {0}));
  EXPECT_TRUE(check().verified());
}

TEST_F(LoadVerify, a_file_in_tmp_is_not_delivered) {
  std::string octets = message(LedgerState::acked, {0});
  deliver("example.org/u0", octets, "tmp");
  EXPECT_EQ(check().missing, 1u);
}

TEST_F(LoadVerify, finds_what_is_doubled) {
  std::string octets = message(LedgerState::acked, {0});
  deliver("example.org/u0", octets);
  deliver("example.org/u0", octets, "cur");
  VerifyResult result = check();
  EXPECT_EQ(result.doubled, 1u);
  EXPECT_EQ(result.problem_count(), 1u);
}

TEST_F(LoadVerify, finds_every_altered_octet_and_cut) {
  std::string octets = message(LedgerState::acked, {0});
  std::size_t body = octets.find("\n\n") + 2;
  std::string changed = octets;
  changed[body + 500] ^= 1;
  std::string undotted = octets + ".\n", cut = octets.substr(0, octets.size() - 1);
  std::string mixed = octets;
  mixed.insert(body + octets.substr(body).find('\n'), "\r");
  deliver("example.org/u0", changed);
  EXPECT_EQ(check().altered, 1u);
  fs::remove_all(folder_ / "mail/example.org");
  deliver("example.org/u0", undotted);
  EXPECT_EQ(check().altered, 1u);
  fs::remove_all(folder_ / "mail/example.org");
  deliver("example.org/u0", mixed);
  EXPECT_EQ(check().altered, 1u);
  fs::remove_all(folder_ / "mail/example.org");
  deliver("example.org/u0", cut);
  VerifyResult result = check();
  EXPECT_EQ(result.partial, 1u);
  EXPECT_EQ(result.problem_count(), 1u);
  EXPECT_EQ(result.copies_found, 0u);
}

TEST_F(LoadVerify, finds_partial_files_that_lost_even_their_id) {
  message(LedgerState::refused, {0});
  deliver("example.org/u0", "");
  deliver("example.org/u0", "Received: from x\n\tby");
  deliver("example.org/u0", "X-Gatepost-Load: run-00-00000");
  EXPECT_EQ(check().invented, 3u);
}

TEST_F(LoadVerify, finds_what_was_never_acknowledged) {
  for (LedgerState state : {LedgerState::cut, LedgerState::refused})
    deliver("example.org/u0", message(state, {0}));
  deliver("example.org/u0", "X-Gatepost-Load: some-other-run\n\nbody\n");
  deliver("example.org/u1", "From: spam\n\nbody\n");
  VerifyResult result = check();
  EXPECT_EQ(result.invented, 4u);
  EXPECT_EQ(result.problem_count(), 4u);
}

TEST_F(LoadVerify, messages_in_doubt_may_be_there_once_or_not_at_all) {
  message(LedgerState::doubt, {0});
  std::string half_there = message(LedgerState::doubt, {0, 1});
  deliver("example.org/u0", half_there);
  VerifyResult result = check();
  EXPECT_EQ(result.problem_count(), 0u) << verify_summary(result);
  EXPECT_EQ(result.doubtful, 2u);
  EXPECT_EQ(result.doubtful_delivered, 1u);
  deliver("example.org/u0", half_there);
  EXPECT_EQ(check().doubled, 1u);
}

TEST_F(LoadVerify, messages_in_doubt_must_be_whole) {
  std::string octets = message(LedgerState::doubt, {0});
  deliver("example.org/u0", octets.substr(0, octets.size() - 100));
  EXPECT_EQ(check().partial, 1u);
}

TEST_F(LoadVerify, finds_messages_in_a_wrong_mailbox) {
  std::string octets = message(LedgerState::acked, {0});
  deliver("example.org/u1", octets);
  VerifyResult result = check();
  EXPECT_EQ(result.misplaced, 1u);
  EXPECT_EQ(result.missing, 1u);
  EXPECT_EQ(check("any").problem_count(), 0u);
}

TEST_F(LoadVerify, with_any_layout_copies_are_counted) {
  std::string octets = message(LedgerState::acked, {0, 1});
  deliver("one", octets);
  EXPECT_EQ(check("any").missing, 1u);
  deliver("two", octets);
  EXPECT_EQ(check("any").problem_count(), 0u);
  deliver("three", octets);
  EXPECT_EQ(check("any").misplaced, 1u);
}

TEST_F(LoadVerify, holds_sizes_in_names_against_files) {
  std::string octets = message(LedgerState::acked, {0});
  deliver("example.org/u0", octets);
  fs::path maildir = folder_ / "mail/example.org/u0/new";
  fs::rename(maildir / "1", maildir / ("1,S=" + std::to_string(octets.size())));
  EXPECT_EQ(check().problem_count(), 0u);
  fs::rename(maildir / ("1,S=" + std::to_string(octets.size())), maildir / "1,S=5:2,S");
  EXPECT_EQ(check().misnamed, 1u);
}

TEST_F(LoadVerify, a_size_in_a_name_that_is_no_number_is_wrong) {
  std::string octets = message(LedgerState::acked, {0});
  deliver("example.org/u0", octets);
  fs::path maildir = folder_ / "mail/example.org/u0/new";
  fs::rename(maildir / "1", maildir / "1,S=big");
  VerifyResult result = check();
  EXPECT_EQ(result.misnamed, 1u);
  EXPECT_EQ(result.problem_count(), 1u);
}

TEST_F(LoadVerify, looks_into_folders_of_mailboxes_and_past_what_is_none) {
  std::string octets = message(LedgerState::acked, {0});
  deliver("example.org/u0", octets);
  fs::path mail = folder_ / "mail";
  // A maildir inside of one, as Maildir++ has them, holds mail as well.
  deliver("example.org/u0/.Sent", octets);
  EXPECT_EQ(check().misplaced, 1u);
  fs::remove_all(mail / "example.org/u0/.Sent");
  // None of these is a maildir.
  fs::create_directories(mail / "half/new");
  fs::create_directories(mail / "other_half/cur");
  std::ofstream(mail / "half/new/1") << octets;
  std::ofstream(mail / "note") << "x";
  std::ofstream(mail / "example.org/u0/subscriptions") << "x";
  fs::create_directory_symlink(mail / "example.org", mail / "linked");
  VerifyResult result = check();
  EXPECT_EQ(result.problem_count(), 0u) << verify_summary(result);
  EXPECT_EQ(result.mailboxes, 1u);
  EXPECT_EQ(result.strangers, 4u);
  EXPECT_NE(verify_summary(result).find("files outside of any maildir (not checked)"),
            std::string::npos);
}

TEST_F(LoadVerify, a_maildir_without_tmp_is_one) {
  deliver("example.org/u0", message(LedgerState::acked, {0}));
  fs::remove(folder_ / "mail/example.org/u0/tmp");
  VerifyResult result = check();
  EXPECT_TRUE(result.verified()) << verify_summary(result);
  EXPECT_EQ(result.mailboxes, 1u);
}

TEST_F(LoadVerify, what_is_no_file_is_no_message) {
  std::string octets = message(LedgerState::acked, {0});
  deliver("example.org/u0", octets);
  fs::path inbox = folder_ / "mail/example.org/u0/new";
  fs::create_symlink(inbox / "1", inbox / "2");
  fs::create_directory(inbox / "3");
  VerifyResult result = check();
  EXPECT_EQ(result.invented, 2u);
  EXPECT_EQ(result.problem_count(), 2u);
  EXPECT_EQ(result.copies_found, 1u);
}

TEST_F(LoadVerify, what_may_not_be_read_is_an_error) {
  deliver("example.org/u0", message(LedgerState::acked, {0}));
  fs::path file = folder_ / "mail/example.org/u0/new/1";
  fs::permissions(folder_, fs::perms::all);
  VerifyOptions options{.ledger = ledger_path(), .maildir = (folder_ / "mail").string()};
  for (const fs::path& closed : {file, file.parent_path(), file.parent_path().parent_path()}) {
    fs::permissions(closed, fs::perms::none);
    bool changed = geteuid() == 0 && seteuid(65534) == 0;  // rights do not bind root
    auto result = verify(options);
    if (changed) {
      ASSERT_EQ(seteuid(0), 0);
    }
    ASSERT_FALSE(result) << closed;
    EXPECT_EQ(result.error(), closed.string() + ": Permission denied");
    fs::permissions(closed, fs::perms::owner_all | fs::perms::others_all);
  }
}

TEST_F(LoadVerify, an_id_that_stands_twice_is_no_ledger_of_one_generator) {
  message(LedgerState::acked, {0});
  std::ifstream in(ledger_path());
  std::string title, line;
  std::getline(in, title);
  std::getline(in, line);
  std::ofstream(ledger_path(), std::ios::app) << line << "\n";
  auto result = verify({.ledger = ledger_path(), .maildir = (folder_ / "mail").string()});
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().ends_with(" stands there twice")) << result.error();
}

TEST_F(LoadVerify, torn_lines_are_told) {
  deliver("example.org/u0", message(LedgerState::acked, {0}));
  std::ofstream(ledger_path(), std::ios::app) << "acked\trun";
  EXPECT_NE(verify_summary(check()).find("lines torn by a killed generator"), std::string::npos);
}

TEST_F(LoadVerify, with_any_layout_a_message_in_doubt_may_be_missing) {
  message(LedgerState::doubt, {0, 1});
  VerifyResult result = check("any");
  EXPECT_EQ(result.problem_count(), 0u);
  EXPECT_EQ(result.copies_expected, 0u);
}

TEST_F(LoadVerify, keeps_the_first_twenty_problems) {
  for (int i = 0; i < 30; ++i) message(LedgerState::acked, {0});
  VerifyResult result = check();
  EXPECT_EQ(result.missing, 30u);
  EXPECT_EQ(result.problems.size(), VerifyResult::problems_kept);
  EXPECT_NE(verify_summary(result).find("and 10 more"), std::string::npos);
}

TEST_F(LoadVerify, says_what_it_could_not_read) {
  VerifyOptions options;
  options.ledger = ledger_path();
  options.maildir = (folder_ / "mail").string();
  EXPECT_FALSE(verify(options)) << "no ledger";
  message(LedgerState::acked, {0});
  options.maildir = (folder_ / "nowhere").string();
  auto result = verify(options);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().find("nowhere"), std::string::npos);
}

TEST_F(LoadVerify, the_ledger_reads_back_what_was_written) {
  {
    auto ledger = Ledger::open(ledger_path());
    ASSERT_TRUE(ledger);
    LedgerWriter writer(ledger.value().get());
    std::string hash(32, 'a');
    std::vector<std::uint32_t> both{1, 0};
    writer.add(LedgerState::acked, "id-1", 4096, hash, both, mailboxes_);
    writer.add(LedgerState::cut, "id-2", 1, hash, {}, mailboxes_);
    EXPECT_TRUE(writer.ok());
  }
  message(LedgerState::doubt, {2});  // appends
  unsigned torn = 0;
  auto read = read_ledger(ledger_path(), &torn);
  ASSERT_TRUE(read) << read.error();
  ASSERT_EQ(read.value().size(), 3u);
  const LedgerEntry& first = read.value()[0];
  EXPECT_EQ(first.state, LedgerState::acked);
  EXPECT_EQ(first.id, "id-1");
  EXPECT_EQ(first.size, 4096u);
  EXPECT_EQ(first.recipients, (std::vector<std::string>{"u1@example.org", "u0@example.org"}));
  EXPECT_EQ(read.value()[1].state, LedgerState::cut);
  EXPECT_TRUE(read.value()[1].recipients.empty());
  EXPECT_EQ(read.value()[2].state, LedgerState::doubt);
  EXPECT_EQ(torn, 0u);
}

TEST_F(LoadVerify, half_a_line_of_a_killed_generator_does_no_harm) {
  std::string octets = message(LedgerState::acked, {0});
  deliver("example.org/u0", octets);
  std::ofstream(ledger_path(), std::ios::app) << "acked\trun-00-00";
  VerifyResult at_the_end = check();
  EXPECT_EQ(at_the_end.problem_count(), 0u);
  EXPECT_EQ(at_the_end.torn_lines, 1u);
  deliver("example.org/u1", message(LedgerState::acked, {1}));  // the next run appends
  VerifyResult in_the_middle = check();
  EXPECT_EQ(in_the_middle.problem_count(), 0u) << verify_summary(in_the_middle);
  EXPECT_EQ(in_the_middle.torn_lines, 1u);
  EXPECT_EQ(in_the_middle.acknowledged, 2u);
}

TEST_F(LoadVerify, what_is_no_ledger_is_neither_read_nor_appended_to) {
  for (const char* octets : {"random", "\x7f\x45LF\n", "acked\trun-00-00\n",
                             "# gatepost-load ledger 2: something new\n"}) {
    std::ofstream(ledger_path(), std::ios::binary) << octets;
    unsigned torn = 0;
    auto read = read_ledger(ledger_path(), &torn);
    ASSERT_FALSE(read) << octets;
    EXPECT_NE(read.error().find("begins with '# gatepost-load ledger 1:'"), std::string::npos)
        << read.error();
    EXPECT_FALSE(Ledger::open(ledger_path())) << octets;
    EXPECT_EQ(fs::file_size(ledger_path()), std::strlen(octets));
  }
}

TEST_F(LoadVerify, a_generator_killed_at_its_first_write_leaves_a_ledger_to_go_on_with) {
  for (const char* octets : {"", "# gatepost-load led", "# gatepost-load ledger 1: state, id"}) {
    std::ofstream(ledger_path(), std::ios::binary) << octets;
    fs::remove_all(folder_ / "mail/example.org");
    deliver("example.org/u0", message(LedgerState::acked, {0}));
    VerifyResult result = check();
    EXPECT_TRUE(result.verified()) << octets;
    EXPECT_EQ(result.acknowledged, 1u);
    EXPECT_EQ(result.torn_lines, 0u);
  }
  std::ofstream(ledger_path(), std::ios::binary | std::ios::trunc).flush();
  unsigned torn = 0;
  EXPECT_FALSE(read_ledger(ledger_path(), &torn)) << "an empty file says nothing";
}

TEST_F(LoadVerify, a_damaged_ledger_is_refused) {
  message(LedgerState::acked, {0});
  std::ofstream(ledger_path(), std::ios::app) << "nonsense\n";
  unsigned torn = 0;
  auto read = read_ledger(ledger_path(), &torn);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().find("line 3"), std::string::npos) << read.error();
}

TEST_F(LoadVerify, every_field_of_a_ledger_line_is_needed) {
  message(LedgerState::acked, {0});
  std::ifstream in(ledger_path());
  std::string title;
  std::getline(in, title);
  in.close();
  const std::string hash(32, 'a');
  const auto entries_of = [&](const std::string& line) {
    std::ofstream(ledger_path(), std::ios::trunc) << title << "\n\n" << line << "\n# end\n";
    unsigned torn = 0;
    auto read = read_ledger(ledger_path(), &torn);
    return read ? static_cast<int>(read.value().size()) : -1;
  };
  EXPECT_EQ(entries_of("acked\tid\t5\t" + hash + "\tu@b"), 1);
  EXPECT_EQ(entries_of("cut\tid\t5\t" + hash + "\t"), 1) << "nobody was named yet";
  for (const std::string& line :
       {"lost\tid\t5\t" + hash + "\tu@b", "acked\t\t5\t" + hash + "\tu@b",
        "acked\tid\tx\t" + hash + "\tu@b", "acked\tid\t5x\t" + hash + "\tu@b",
        std::string("acked\tid\t5\taaaa\tu@b"), "acked\tid\t5\t" + hash + "\t"})
    EXPECT_EQ(entries_of(line), -1) << line;
  unsigned torn = 0;
  std::ofstream(ledger_path(), std::ios::trunc) << title << "\nacked\tid\n";
  EXPECT_FALSE(read_ledger(ledger_path(), &torn)) << "half a line, and nobody has marked it";
}

TEST_F(LoadVerify, a_ledger_that_cannot_be_had_is_told_by_its_name) {
  for (const std::string& path : {(folder_ / "nowhere/ledger").string(), folder_.string()}) {
    auto opened = Ledger::open(path);
    ASSERT_FALSE(opened);
    EXPECT_TRUE(opened.error().starts_with("--ledger " + path + ": ")) << opened.error();
    unsigned torn = 0;
    auto read = read_ledger(path, &torn);
    ASSERT_FALSE(read);
    EXPECT_TRUE(read.error().starts_with("--ledger " + path + ": ")) << read.error();
  }
}

TEST_F(LoadVerify, a_ledger_that_takes_no_more_is_noticed) {
  auto ledger = Ledger::open(ledger_path());
  ASSERT_TRUE(ledger);
  LedgerWriter writer(ledger.value().get());
  const std::string hash(32, 'a');
  std::vector<std::uint32_t> one{0};
  const auto size_before = fs::file_size(ledger_path());
  // What many lines take is written before anybody asks for it.
  for (int i = 0; i < 2000; ++i)
    writer.add(LedgerState::acked, "id-" + std::to_string(i), 1, hash, one, mailboxes_);
  EXPECT_GT(fs::file_size(ledger_path()), size_before);
  writer.flush();
  EXPECT_TRUE(writer.ok());

  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  auto* old_handler = std::signal(SIGXFSZ, SIG_IGN);  // write(2) then fails with EFBIG
  rlimit full{fs::file_size(ledger_path()), before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &full);
  writer.add(LedgerState::acked, "too-much", 1, hash, one, mailboxes_);
  writer.flush();
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_FALSE(writer.ok());
  writer.add(LedgerState::acked, "fits-again", 1, hash, one, mailboxes_);
  writer.flush();
  EXPECT_FALSE(writer.ok()) << "what is missing stays missing";
}

TEST_F(LoadVerify, without_a_ledger_nothing_is_written) {
  LedgerWriter writer(nullptr);
  EXPECT_FALSE(writer.active());
  writer.add(LedgerState::acked, "id", 1, std::string(32, 'a'), {}, mailboxes_);
  writer.flush();
  EXPECT_TRUE(writer.ok());
}

TEST(LoadLedger, a_full_disk_is_noticed) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  auto ledger = Ledger::open("/dev/full");
  EXPECT_FALSE(ledger) << "not even the title could be written";
}

}  // namespace
}  // namespace gatepost::load
