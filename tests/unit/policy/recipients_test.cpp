#include "policy/recipients.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "smtp/path.hpp"

namespace gatepost::policy {
namespace {

constexpr std::array<std::uint8_t, 16> our_address = {0, 0, 0,    0,    0,   0, 0, 0,
                                                      0, 0, 0xff, 0xff, 192, 0, 2, 25};

class Folder {
 public:
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "gatepost-recipients-XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name, std::string_view content) const {
    const std::filesystem::path path = path_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  std::string path(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

std::shared_ptr<const RecipientTable> loaded(const RecipientSettings& settings) {
  auto table = RecipientTable::load(settings);
  EXPECT_TRUE(table.ok()) << (table.ok() ? "" : table.error());
  return table.ok() ? table.value() : nullptr;
}

std::string error_of(const RecipientSettings& settings) {
  auto table = RecipientTable::load(settings);
  return table.ok() ? "(loaded)" : table.error();
}

struct Answer {
  RecipientVerdict verdict;
  std::string mailbox;
  std::string domain;
};

// The answer about a recipient as RCPT gives it, on its way through the grammar.
Answer answer(const RecipientTable& table, const std::string& address,
              const std::array<std::uint8_t, 16>& local_address = our_address) {
  smtp::MailboxStorage storage, plain;
  const std::string argument = "TO:<" + address + ">";
  const smtp::Path path = smtp::parse_forward_path(argument, {.utf8_allowed = true}, storage);
  EXPECT_EQ(path.error, smtp::PathError::none) << address;
  std::array<char, bounds::domain_length_max + 1> domain;
  const std::size_t size = smtp::canonical_domain(path.mailbox.domain, domain);
  const RecipientCheck check =
      table.check(smtp::unquoted_local_part(path.mailbox.local_part, plain), {domain.data(), size},
                  local_address);
  return {check.verdict, std::string(check.mailbox), std::string(check.domain)};
}

std::string verdict(const RecipientTable& table, const std::string& address,
                    const std::array<std::uint8_t, 16>& local_address = our_address) {
  const Answer given = answer(table, address, local_address);
  switch (given.verdict) {
    case RecipientVerdict::accepted:
      return "accepted " + given.domain;
    case RecipientVerdict::unknown_user:
      return "unknown";
    case RecipientVerdict::relay_denied:
      return "denied";
  }
  return "?";
}

TEST(Recipients, R5321_2_4_02_mail_goes_to_the_mailbox_as_the_file_spells_it) {
  const Folder folder;
  const auto table = loaded({.accept_domains = {"example.test", "open.test"},
                             .recipients_file = folder.file(
                                 "recipients",
                                 "Ann.Lee@example.test\njoe@example.test\njoe+work@example.test\n"
                                 "@open.test\nBob@open.test\n")});
  EXPECT_EQ(answer(*table, "ann.lee@example.test").mailbox, "Ann.Lee");
  EXPECT_EQ(answer(*table, "JOE@EXAMPLE.TEST").mailbox, "joe");
  EXPECT_EQ(answer(*table, "\"Joe\"@example.test").mailbox, "joe");
  EXPECT_EQ(answer(*table, "Joe+list@example.test").mailbox, "joe");
  EXPECT_EQ(answer(*table, "joe+WORK@example.test").mailbox, "joe+work");
  EXPECT_EQ(answer(*table, "jim@example.test").mailbox, "");
  // Where a domain takes everybody, who is listed keeps his spelling, and the others theirs.
  EXPECT_EQ(answer(*table, "bob+x@open.test").mailbox, "Bob");
  EXPECT_EQ(answer(*table, "MiXeD@open.test").mailbox, "MiXeD");
  EXPECT_EQ(answer(*table, "MiXeD+x@open.test").mailbox, "MiXeD");
  EXPECT_EQ(answer(*table, "+x@open.test").mailbox, "+x");
}

TEST(Recipients, R5321_2_3_5_03_postmaster_in_any_case_is_one_mailbox) {
  const Folder folder;
  const auto table = loaded({.accept_domains = {"example.test", "other.test"},
                             .recipients_file = folder.file("recipients", "u@example.test\n")});
  for (const char* address :
       {"postmaster", "POSTMASTER", "PostMaster@example.test", "\"Post\\master\"@example.test",
        "postMASTER+x@example.test", "Postmaster@[192.0.2.25]"}) {
    const Answer given = answer(*table, address);
    EXPECT_EQ(given.mailbox, "postmaster") << address;
    EXPECT_EQ(given.domain, "example.test") << address;
  }
  EXPECT_EQ(answer(*table, "PostMaster@other.test").domain, "other.test");
}

TEST(Recipients, R5321_3_6_2_01_R5321_7_9_02_only_accepted_domains_are_ours) {
  const auto table = loaded({.accept_domains = {"example.test", "example.org"}});
  EXPECT_EQ(verdict(*table, "u@example.test"), "accepted example.test");
  EXPECT_EQ(verdict(*table, "U@EXAMPLE.Org"), "accepted example.org");
  for (const char* address :
       {"u@remote.test", "u@sub.example.test", "u@example.test.remote.test", "u@example", "u@test",
        "u@xexample.test", "\"u@example.test\"@remote.test"})
    EXPECT_EQ(verdict(*table, address), "denied") << address;
}

TEST(Recipients, R5321_7_9_02_percent_and_exclamation_mark_are_plain) {
  const Folder folder;
  const auto open = loaded({.accept_domains = {"example.test"}});
  const auto listed = loaded({.accept_domains = {"example.test"},
                              .recipients_file = folder.file("r", "u@example.test\n")});
  for (const char* address : {"u%remote.test@example.test", "remote.test!u@example.test",
                              "\"u@remote.test\"@example.test"}) {
    EXPECT_EQ(verdict(*open, address), "accepted example.test") << address;
    EXPECT_EQ(verdict(*listed, address), "unknown") << address;
  }
  EXPECT_EQ(verdict(*open, "u%example.test@remote.test"), "denied");
}

TEST(Recipients, R5321_3_3_11_unlisted_users_are_unknown) {
  const Folder folder;
  const auto table = loaded({.accept_domains = {"example.test", "all.test", "empty.test"},
                             .recipients_file = folder.file("recipients",
                                                            "# staff\n"
                                                            "\n"
                                                            "alice@example.test\n"
                                                            "  bob@EXAMPLE.test \t# the builder\r\n"
                                                            "@all.test\n"
                                                            "\"a #b\"@example.test # quoted\n"
                                                            "tag#1@example.test\n"
                                                            "alice@example.test\n"
                                                            "postmaster\n"
                                                            "last@example.test")});
  EXPECT_EQ(table->recipient_count(), 5u);
  for (const char* local : {"alice", "bob", "\"a #b\"", "tag#1", "last", "\"alice\"", "\"\\bob\""})
    EXPECT_EQ(verdict(*table, std::string(local) + "@example.test"), "accepted example.test")
        << local;
  for (const char* local : {"carol", "alic", "alicee", "a", "staff", "tag"})
    EXPECT_EQ(verdict(*table, std::string(local) + "@example.test"), "unknown") << local;
  EXPECT_EQ(verdict(*table, "anybody@all.test"), "accepted all.test");
  EXPECT_EQ(verdict(*table, "alice@empty.test"), "unknown");
  EXPECT_EQ(verdict(*table, "alice@remote.test"), "denied");
}

TEST(Recipients, R5321_4_1_2_15_case_makes_no_other_user) {
  const Folder folder;
  const auto table =
      loaded({.accept_domains = {"example.test"},
              .recipients_file = folder.file("r", "MiXeD@example.test\n\u00c4@example.test\n")});
  for (const char* local : {"MiXeD", "mixed", "MIXED"})
    EXPECT_EQ(verdict(*table, std::string(local) + "@example.test"), "accepted example.test");
  // Of ASCII only: octets of UTF-8 are not touched (UTF8-18).
  EXPECT_EQ(verdict(*table, "\u00c4@example.test"), "accepted example.test");
  EXPECT_EQ(verdict(*table, "\u00e4@example.test"), "unknown");
}

TEST(Recipients, R5321_4_5_1_02_R5321_4_1_1_3_03_R5321_2_3_5_03_postmaster_always_has_mail) {
  const Folder folder;
  const auto table = loaded({.accept_domains = {"first.test", "second.test"},
                             .recipients_file = folder.file("r", "u@first.test\n")});
  for (const char* name : {"postmaster", "POSTMASTER", "pOsTmAsTeR", "\"postmaster\""}) {
    EXPECT_EQ(verdict(*table, name), "accepted first.test") << name;
    EXPECT_EQ(verdict(*table, std::string(name) + "@first.test"), "accepted first.test");
    EXPECT_EQ(verdict(*table, std::string(name) + "@second.test"), "accepted second.test");
    EXPECT_EQ(verdict(*table, std::string(name) + "@remote.test"), "denied");
  }
  EXPECT_EQ(verdict(*table, "postmasters@first.test"), "unknown");
}

TEST(Recipients, R5321_4_1_3_06_postmaster_has_mail_at_our_address_and_nobody_else) {
  const auto table = loaded({.accept_domains = {"example.test"}});
  EXPECT_EQ(verdict(*table, "postmaster@[192.0.2.25]"), "accepted example.test");
  EXPECT_EQ(verdict(*table, "PostMaster@[IPv6:::ffff:192.0.2.25]"), "accepted example.test");
  EXPECT_EQ(verdict(*table, "postmaster@[192.0.2.26]"), "denied");
  EXPECT_EQ(verdict(*table, "u@[192.0.2.25]"), "denied");
  EXPECT_EQ(verdict(*table, "u@[192.0.2.26]"), "denied");
  std::array<std::uint8_t, 16> six{0x20, 0x01, 0x0d, 0xb8};
  six[15] = 1;
  EXPECT_EQ(verdict(*table, "postmaster@[IPv6:2001:DB8::1]", six), "accepted example.test");
  EXPECT_EQ(verdict(*table, "postmaster@[IPv6:2001:db8::2]", six), "denied");
  EXPECT_EQ(verdict(*table, "postmaster@[IPv6:::]", {}), "denied")
      << "no address is no address of ours";
  EXPECT_EQ(table->check("postmaster", "[192.0.2.]", our_address).verdict,
            RecipientVerdict::relay_denied);
}

TEST(Recipients, UTF8_18_u_labels_and_a_labels_of_a_domain_are_alike) {
  const Folder folder;
  for (const char* name : {"m\u00fcnchen.test", "xn--mnchen-3ya.test", "XN--MNCHEN-3YA.test"}) {
    const auto table = loaded(
        {.accept_domains = {name}, .recipients_file = folder.file("r", "u@M\u00dcNCHEN.test\n")});
    for (const char* address :
         {"u@m\u00fcnchen.test", "u@M\u00dcNCHEN.test", "u@xn--mnchen-3ya.test"})
      EXPECT_EQ(verdict(*table, address), "accepted xn--mnchen-3ya.test") << name << address;
  }
}

TEST(Recipients, plus_addressing_ends_the_name_at_the_first_delimiter) {
  const Folder folder;
  RecipientSettings settings{
      .accept_domains = {"example.test"},
      .recipients_file =
          folder.file("r", "user@example.test\nfull+listed@example.test\n+odd@example.test\n")};
  const auto plus = loaded(settings);
  EXPECT_EQ(verdict(*plus, "user+tag@example.test"), "accepted example.test");
  EXPECT_EQ(verdict(*plus, "user+@example.test"), "accepted example.test");
  EXPECT_EQ(verdict(*plus, "user+a+b@example.test"), "accepted example.test");
  EXPECT_EQ(verdict(*plus, "full+listed@example.test"), "accepted example.test");
  EXPECT_EQ(verdict(*plus, "full@example.test"), "unknown");
  EXPECT_EQ(verdict(*plus, "full+other@example.test"), "unknown");
  EXPECT_EQ(verdict(*plus, "+odd@example.test"), "accepted example.test");
  EXPECT_EQ(verdict(*plus, "+odd+tag@example.test"), "accepted example.test");
  EXPECT_EQ(verdict(*plus, "+user@example.test"), "unknown");
  EXPECT_EQ(verdict(*plus, "user-tag@example.test"), "unknown");
  EXPECT_EQ(verdict(*plus, "postmaster+tag@example.test"), "accepted example.test");

  settings.recipient_delimiter = "-=";
  const auto others = loaded(settings);
  EXPECT_EQ(verdict(*others, "user-tag@example.test"), "accepted example.test");
  EXPECT_EQ(verdict(*others, "user=tag-x@example.test"), "accepted example.test");
  EXPECT_EQ(verdict(*others, "user+tag@example.test"), "unknown");

  settings.recipient_delimiter = "";
  const auto off = loaded(settings);
  EXPECT_EQ(verdict(*off, "user+tag@example.test"), "unknown");
  EXPECT_EQ(verdict(*off, "user@example.test"), "accepted example.test");
}

TEST(Recipients, without_domains_nothing_is_accepted) {
  const auto table = loaded({});
  for (const char* address : {"postmaster", "postmaster@[192.0.2.25]", "u@example.test"})
    EXPECT_EQ(verdict(*table, address), "denied") << address;
}

TEST(Recipients, many_are_all_found) {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 5000; ++i)
    text += "user" + std::to_string(i) + (i % 2 != 0 ? "@odd.test\n" : "@even.test\n");
  const auto table = loaded(
      {.accept_domains = {"odd.test", "even.test"}, .recipients_file = folder.file("r", text)});
  EXPECT_EQ(table->recipient_count(), 5000u);
  for (int i = 0; i < 5000; ++i) {
    const std::string local = "user" + std::to_string(i);
    EXPECT_EQ(verdict(*table, local + "@odd.test"), i % 2 != 0 ? "accepted odd.test" : "unknown");
    EXPECT_EQ(verdict(*table, local + "@even.test"), i % 2 == 0 ? "accepted even.test" : "unknown");
  }
}

TEST(Recipients, a_user_of_one_domain_is_none_of_another) {
  const Folder folder;
  // Small tables that are as full as they get, so that the search for one passes many others.
  for (int round = 0; round < 50; ++round) {
    const std::string prefix = "r" + std::to_string(round) + "u";
    std::string text;
    for (int i = 0; i < 32; ++i) text += prefix + std::to_string(i) + "@a.test\n";
    const auto table =
        loaded({.accept_domains = {"a.test", "b.test"}, .recipients_file = folder.file("r", text)});
    for (int i = 0; i < 32; ++i)
      EXPECT_EQ(verdict(*table, prefix + std::to_string(i) + "@b.test"), "unknown");
  }
}

TEST(Recipients, domains_come_from_files_too) {
  const Folder folder;
  const auto table = loaded({.accept_domains = {"first.test"},
                             .accept_domain_files = {folder.file(
                                 "domains", "# ours\n Second.Test # two\n\nfirst.test\n")}});
  ASSERT_EQ(table->domain_count(), 2u);
  EXPECT_EQ(table->domain(0), "first.test");
  EXPECT_EQ(table->domain(1), "second.test");
  EXPECT_EQ(verdict(*table, "u@second.test"), "accepted second.test");
}

TEST(Recipients, a_hash_in_a_quoted_local_part_is_no_comment) {
  const Folder folder;
  const auto table = loaded({.accept_domains = {"example.test"},
                             .recipients_file = folder.file("recipients",
                                                            "\"a #b\"@example.test # a comment\n"
                                                            "\"c\\\" #d\"@example.test\n")});
  EXPECT_EQ(table->recipient_count(), 2u);
  EXPECT_EQ(answer(*table, "\"a #b\"@example.test").mailbox, "a #b");
  EXPECT_EQ(answer(*table, "\"c\\\" #d\"@example.test").mailbox, "c\" #d");
  EXPECT_EQ(verdict(*table, "a@example.test"), "unknown");
}

TEST(Recipients, errors_name_file_line_and_cause) {
  const Folder folder;
  const auto with_recipients = [&](std::string_view text) {
    return RecipientSettings{.accept_domains = {"example.test"},
                             .recipients_file = folder.file("recipients", text)};
  };
  const std::string file = folder.path("recipients");
  EXPECT_EQ(error_of(with_recipients("u@example.test\n\nu@other.test\n")),
            file +
                ":3: \"u@other.test\" is of a domain that is not accepted: add --accept-domain "
                "other.test "
                "or remove the line");
  EXPECT_EQ(error_of(with_recipients("@other.test")),
            file +
                ":1: \"@other.test\" is of a domain that is not accepted: add --accept-domain "
                "other.test or "
                "remove the line");
  for (const char* text :
       {"example.test", "u@", "u v@example.test", "u@example.test v@example.test",
        "<u@example.test>", "u@a_b.test", "u@[192.0.2.1]", "u@example.test>", "u@example.test> X",
        "a..b@example.test", "a\\b@example.test", "u@example.test.", "\xff@example.test"})
    EXPECT_EQ(error_of(with_recipients(std::string("# x\n") + text)),
              file + ":2: \"" + text + "\" is neither an address nor \"@\" and a domain name");
  for (const char* text : {"@", "@a:u@example.test", "@example.test:u@example.test", "@a b"})
    EXPECT_EQ(error_of(with_recipients(text)),
              file + ":1: \"" + std::string(text) + "\" is not \"@\" and a domain name");
  EXPECT_EQ(error_of(with_recipients(std::string(5000, 'a'))),
            file + ":1: the line is longer than 4096 octets");
  EXPECT_EQ(error_of({.accept_domains = {"a_b"}}), "--accept-domain \"a_b\" is not a domain name");
  EXPECT_EQ(error_of({.accept_domains = {"a\xff.test"}}),
            "--accept-domain \"a\xff.test\" is not a domain name");
  EXPECT_EQ(error_of({.accept_domain_files = {folder.file("d", "a.test\nb..test\n")}}),
            folder.path("d") + ":2: \"b..test\" is not a domain name");
  EXPECT_EQ(error_of({.recipients_file = folder.path("missing")}),
            "cannot read " + folder.path("missing") + ": No such file or directory");
  EXPECT_EQ(error_of({.recipients_file = folder.path("")}),
            "cannot read " + folder.path("") + ": Is a directory");
}

TEST(RecipientDirectory, reload_replaces_the_table_and_views_follow) {
  const Folder folder;
  auto opened =
      RecipientDirectory::open({.accept_domains = {"example.test"},
                                .recipients_file = folder.file("r", "old@example.test\n")});
  ASSERT_TRUE(opened.ok());
  RecipientDirectory& directory = *opened.value();
  RecipientView view(directory);
  EXPECT_EQ(verdict(view.table(), "old@example.test"), "accepted example.test");

  folder.file("r", "new@example.test\n");
  const auto kept = directory.table();
  ASSERT_TRUE(directory.reload().ok());
  EXPECT_EQ(verdict(view.table(), "old@example.test"), "unknown");
  EXPECT_EQ(verdict(view.table(), "new@example.test"), "accepted example.test");
  EXPECT_EQ(verdict(*kept, "old@example.test"), "accepted example.test") << "a snapshot changed";
}

TEST(RecipientDirectory, a_bad_file_opens_none) {
  const Folder folder;
  auto directory = RecipientDirectory::open({.recipients_file = folder.path("missing")});
  ASSERT_FALSE(directory.ok());
  EXPECT_EQ(directory.error(),
            "cannot read " + folder.path("missing") + ": No such file or directory");
}

TEST(RecipientDirectory, a_bad_file_leaves_the_table_in_use) {
  const Folder folder;
  auto opened =
      RecipientDirectory::open({.accept_domains = {"example.test"},
                                .recipients_file = folder.file("r", "old@example.test\n")});
  ASSERT_TRUE(opened.ok());
  RecipientDirectory& directory = *opened.value();
  RecipientView view(directory);
  const std::uint64_t version = directory.version();
  folder.file("r", "new@example.test\nnonsense\n");
  const auto reloaded = directory.reload();
  ASSERT_FALSE(reloaded.ok());
  EXPECT_EQ(
      reloaded.error(),
      folder.path("r") + ":2: \"nonsense\" is neither an address nor \"@\" and a domain name");
  EXPECT_EQ(directory.version(), version);
  EXPECT_EQ(verdict(view.table(), "old@example.test"), "accepted example.test");
  EXPECT_EQ(verdict(view.table(), "new@example.test"), "unknown");
}

TEST(RecipientDirectory, views_on_other_threads_see_whole_tables_while_it_reloads) {
  const Folder folder;
  auto opened = RecipientDirectory::open({.accept_domains = {"example.test"},
                                          .recipients_file = folder.file("r", "a@example.test\n")});
  ASSERT_TRUE(opened.ok());
  RecipientDirectory& directory = *opened.value();
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0};
  std::thread shard([&] {
    RecipientView view(directory);
    while (!stop.load()) {
      const RecipientTable& table = view.table();
      const bool a =
          table.check("a", "example.test", our_address).verdict == RecipientVerdict::accepted;
      const bool b =
          table.check("b", "example.test", our_address).verdict == RecipientVerdict::accepted;
      if (a == b) ++torn;
    }
  });
  for (int i = 0; i < 200; ++i) {
    folder.file("r", i % 2 == 0 ? "b@example.test\n" : "a@example.test\n");
    ASSERT_TRUE(directory.reload().ok());
  }
  stop = true;
  shard.join();
  EXPECT_EQ(torn.load(), 0);
}

}  // namespace
}  // namespace gatepost::policy
