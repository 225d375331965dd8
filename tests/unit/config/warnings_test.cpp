#include "config/warnings.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "command_line_for_test.hpp"

namespace gatepost::config {
namespace {

Config config_of(const std::vector<std::string>& arguments) {
  Parsed parsed = parse(arguments);
  EXPECT_TRUE(parsed.run) << parsed.err;
  return parsed.config;
}

std::shared_ptr<const policy::RecipientTable> table_of(const Config& config) {
  auto table = policy::RecipientTable::load(config.recipients);
  EXPECT_TRUE(table.ok()) << table.error();
  return table.value();
}

// All of them, each with its level in front.
std::string warnings_of(const std::vector<std::string>& arguments) {
  Config config = config_of(arguments);
  std::vector<Warning> warnings = flag_warnings(config);
  for (Warning& warning : recipient_warnings(config, *table_of(config)))
    warnings.push_back(std::move(warning));
  std::string all;
  for (const Warning& warning : warnings) {
    EXPECT_EQ(warning.text.find('\n'), std::string::npos);
    all += std::string(log_level_name(warning.level)) + " " + warning.text + "\n";
  }
  return all;
}

std::string written(const std::string& name, const std::string& content) {
  std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path) << content;
  return path;
}

TEST(Warnings, an_ordinary_server_gets_none) {
  EXPECT_EQ(warnings_of({"--listen", "*:25", "--accept-domain", "a.example", "--accept-domain",
                         "b.example"}),
            "");
}

TEST(Warnings, mail_that_is_thrown_away_is_said_at_every_log_level) {
  EXPECT_EQ(warnings_of({"--sink", "discard:", "--accept-domain", "a.example"}),
            "error --sink discard: answers 250 and throws all mail away\n");
}

TEST(Warnings, the_example_domains_are_said_at_every_log_level) {
  EXPECT_EQ(warnings_of({}),
            "error no --accept-domain: running on the built-in example domains, for trying out "
            "only\n");
}

TEST(Warnings, R5321_4_5_3_1_7_01_a_limit_below_64_kib) {
  EXPECT_EQ(
      warnings_of({"--message-size-limit", "65535", "--accept-domain", "a.example"}),
      "warn --message-size-limit 65535: RFC 5321 section 4.5.3.1.7 wants every server to take "
      "messages of 64K at least\n");
  EXPECT_EQ(warnings_of({"--message-size-limit", "64K", "--accept-domain", "a.example"}), "");
}

TEST(Warnings, a_server_that_refuses_everyone) {
  EXPECT_EQ(warnings_of({"--refuse-all", "521"}),
            "warn --refuse-all 521: every client is turned away\n");
}

TEST(Warnings, a_recipients_file_that_lists_nobody) {
  const std::string path = written("recipients_none", "# nobody yet\n\npostmaster\n");
  EXPECT_EQ(warnings_of({"--recipients", path, "--accept-domain", "a.example"}),
            "warn --recipients " + path +
                ": lists no address and no @domain, so that all mail but that for postmaster is "
                "refused\n");
  for (const char* content : {"u@a.example\n", "@a.example\n"})
    EXPECT_EQ(warnings_of({"--recipients", written("recipients_some", content), "--accept-domain",
                           "b.example", "--accept-domain", "a.example"}),
              "")
        << content;
}

TEST(Warnings, templates_that_merge_mailboxes) {
  const auto warned = [](const std::string& sink, std::vector<std::string> domains) {
    std::vector<std::string> arguments{"--sink", sink};
    for (std::string& domain : domains) {
      arguments.push_back("--accept-domain");
      arguments.push_back(std::move(domain));
    }
    return warnings_of(arguments);
  };
  const std::vector<std::string> one{"a.example"};
  const std::vector<std::string> two{"a.example", "b.example"};
  EXPECT_EQ(warned("maildir:/srv/mail", one),
            "warn --sink maildir:/srv/mail: all recipients share one maildir: the template has "
            "neither {local-part} nor {address}\n");
  EXPECT_EQ(warned("maildir:/srv/{domain}", two),
            "warn --sink maildir:/srv/{domain}: all recipients of a domain share one maildir: the "
            "template has neither {local-part} nor {address}\n");
  EXPECT_EQ(warned("maildir:/srv/{local-part}", two),
            "warn --sink maildir:/srv/{local-part}: users of the same name in the 2 accepted "
            "domains share one maildir: the template has neither {domain} nor {address}\n");
  EXPECT_EQ(warned("maildir:/srv/{local-part}", one), "");
  EXPECT_EQ(warned("maildir:/srv/{address}", two), "");
  EXPECT_EQ(warned("maildir:/srv/{domain}/{local-part}", two), "");
}

TEST(Warnings, the_size_of_the_table_is_told_in_words) {
  std::string many;
  for (int i = 0; i < 1234; ++i) many += "u" + std::to_string(i) + "@a.example\n";
  const auto told = [](const std::vector<std::string>& arguments) {
    Config config = config_of(arguments);
    return recipients_text(config, *table_of(config));
  };
  EXPECT_EQ(told({"--recipients", written("recipients_many", many), "--accept-domain", "a.example",
                  "--accept-domain", "b.example"}),
            "1,234 addresses, 2 domains");
  EXPECT_EQ(told({"--recipients", written("recipients_one", "u@a.example\n"), "--accept-domain",
                  "a.example"}),
            "1 address, 1 domain");
  EXPECT_EQ(told({"--accept-domain", "a.example"}), "every local part, 1 domain");
}

}  // namespace
}  // namespace gatepost::config
