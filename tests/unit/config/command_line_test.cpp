#include <gtest/gtest.h>

#include <sstream>

#include "command_line_for_test.hpp"
#include "config/flags.hpp"

namespace gatepost::config {
namespace {

Config config_of(const std::vector<std::string>& arguments,
                 const Machine& machine = {.hostname = "", .cores = 4}) {
  Parsed parsed = parse(arguments, machine);
  EXPECT_TRUE(parsed.run) << parsed.err << parsed.out;
  EXPECT_EQ(parsed.err, "");
  return parsed.config;
}

TEST(CommandLine, without_flags_is_closed_to_the_world) {
  Config config = config_of({});
  EXPECT_EQ(config.listen, (std::vector<ListenAddress>{{"127.0.0.1", 2525}}));
  EXPECT_EQ(config.recipients.accept_domains,
            (std::vector<std::string>{"localhost", "example.org"}));
  EXPECT_EQ(config.sink, "maildir:./var/mail/{domain}/{local-part}");
  EXPECT_TRUE(config.embedded_default);
  EXPECT_EQ(config.message_size_limit_bytes, 52'428'800u);
  EXPECT_EQ(config.hostname, "localhost.localdomain");
}

TEST(CommandLine, takes_the_value_of_every_flag) {
  Config config = config_of({"--listen",
                             "*:25",
                             "--listen=[::1]:2525",
                             "--hostname",
                             "mx1.example.org",
                             "--accept-domain",
                             "a.example",
                             "--accept-domain",
                             "b.example",
                             "--recipient-delimiter",
                             "-+",
                             "--sink",
                             "discard:",
                             "--message-size-limit",
                             "10M",
                             "--header-size-limit",
                             "65536",
                             "--recipient-limit",
                             "100",
                             "--recipient-overshoot-limit",
                             "7",
                             "--hopcount-limit",
                             "50",
                             "--timeout",
                             "5m",
                             "--min-data-rate",
                             "0",
                             "--soft-error-limit",
                             "3",
                             "--hard-error-limit",
                             "4",
                             "--error-sleep-time",
                             "250ms",
                             "--junk-command-limit",
                             "5",
                             "--max-connections",
                             "123",
                             "--max-connections-per-ip",
                             "0",
                             "--client-ipv6-prefix-length",
                             "48",
                             "--drain-timeout",
                             "1",
                             "--commit-timeout",
                             "2s",
                             "--bare-newline",
                             "normalize",
                             "--bare-newline-exceptions",
                             "192.0.2.0/24",
                             "--deny-client",
                             "2001:db8::/32",
                             "--strict-mail-syntax",
                             "--early-talkers",
                             "allow",
                             "--no-chunking",
                             "--no-smtputf8",
                             "--refuse-text",
                             "go away",
                             "--simd",
                             "scalar",
                             "--buffer-mode",
                             "bundle",
                             "--buffer-size",
                             "4K",
                             "--buffer-memory",
                             "1M",
                             "--direct-descriptors",
                             "off",
                             "--log-level",
                             "debug",
                             "--log-format",
                             "json",
                             "--metrics-listen",
                             "127.0.0.1:9125",
                             "--maildir-sync",
                             "portable",
                             "--maildir-threads",
                             "3",
                             "--min-free-space",
                             "1G",
                             "--shards",
                             "2",
                             "--pin",
                             "--banner-text",
                             "ESMTP hello"});
  EXPECT_EQ(config.listen, (std::vector<ListenAddress>{{"*", 25}, {"::1", 2525}}));
  EXPECT_EQ(config.hostname, "mx1.example.org");
  EXPECT_EQ(config.recipients.accept_domains, (std::vector<std::string>{"a.example", "b.example"}));
  EXPECT_FALSE(config.embedded_default);
  EXPECT_EQ(config.recipients.recipient_delimiter, "-+");
  EXPECT_EQ(config.sink, "discard:");
  EXPECT_EQ(config.message_size_limit_bytes, 10u << 20);
  EXPECT_EQ(config.header_size_limit_bytes, 65536u);
  EXPECT_EQ(config.recipient_limit, 100u);
  EXPECT_EQ(config.recipient_overshoot_limit, 7u);
  EXPECT_EQ(config.hopcount_limit, 50u);
  EXPECT_EQ(config.timeout_ms, 300'000u);
  EXPECT_EQ(config.min_data_rate_bytes_per_second, 0u);
  EXPECT_EQ(config.soft_error_limit, 3u);
  EXPECT_EQ(config.hard_error_limit, 4u);
  EXPECT_EQ(config.error_sleep_time_ms, 250u);
  EXPECT_EQ(config.junk_command_limit, 5u);
  EXPECT_EQ(config.max_connections, 123u);
  EXPECT_EQ(config.max_connections_per_ip, 0u);
  EXPECT_EQ(config.client_ipv6_prefix_bits, 48u);
  EXPECT_EQ(config.drain_timeout_ms, 1000u);
  EXPECT_EQ(config.commit_timeout_ms, 2000u);
  EXPECT_EQ(config.bare_newline, BareNewline::normalize);
  ASSERT_EQ(config.bare_newline_exceptions.size(), 1u);
  EXPECT_EQ(config.bare_newline_exceptions[0].prefix_bits, 120u);
  ASSERT_EQ(config.deny_client.size(), 1u);
  EXPECT_EQ(config.deny_client[0].prefix_bits, 32u);
  EXPECT_TRUE(config.strict_mail_syntax);
  EXPECT_EQ(config.early_talkers, EarlyTalkers::allow);
  EXPECT_FALSE(config.chunking);
  EXPECT_FALSE(config.binarymime);
  EXPECT_FALSE(config.smtputf8);
  EXPECT_EQ(config.refuse_text, "go away");
  EXPECT_EQ(config.simd, scan::Kernel::scalar);
  EXPECT_EQ(config.buffer_mode, ring::BufferMode::bundle);
  EXPECT_EQ(config.buffer_size_bytes, 4096u);
  EXPECT_EQ(config.buffer_count(), 256u);
  EXPECT_EQ(config.direct_descriptors, Choice::off);
  EXPECT_EQ(config.log_level, observe::LogLevel::debug);
  EXPECT_EQ(config.log_format, observe::LogFormat::json);
  EXPECT_EQ(config.metrics_listen, (ListenAddress{"127.0.0.1", 9125}));
  EXPECT_EQ(config.maildir_sync, MaildirSync::portable);
  EXPECT_EQ(config.maildir_threads, 3u);
  EXPECT_EQ(config.min_free_space_bytes, 1u << 30);
  EXPECT_EQ(config.shards, 2u);
  EXPECT_EQ(config.pin, Choice::on);
  EXPECT_EQ(config.banner_text, "ESMTP hello");
}

TEST(CommandLine, every_default_can_be_written_and_read_back) {
  const Config defaults;
  for (const Flag& flag : all_flags()) {
    if (flag.kind == FlagKind::list || !flag.default_note.empty()) continue;
    Config config;
    auto applied = flag.apply(config, flag.show(defaults));
    EXPECT_TRUE(applied.ok()) << flag.name << ": " << applied.error();
    EXPECT_EQ(flag.show(config), flag.show(defaults)) << flag.name;
  }
}

TEST(CommandLine, what_is_shown_of_a_flag_can_be_given_again) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> given{
      {"listen", {"*:25", "[::1]:2525"}},
      {"accept-domain", {"a.example", "b.example", "@/etc/domains", "@/etc/more"}},
      {"deny-client", {"192.0.2.0/24", "2001:db8::/32"}},
      {"bare-newline-exceptions", {"192.0.2.1/32"}},
      {"accept-domain", {"@/etc/domains"}},
      {"metrics-listen", {"[::1]:9125"}},
      {"shards", {"7"}},
      {"pin", {"true"}},
      {"pin", {"false"}},
      {"log-level", {"debug"}},
      {"buffer-mode", {"incremental"}}};
  for (const auto& [name, values] : given) {
    const Flag* flag = find_flag(name);
    ASSERT_NE(flag, nullptr) << name;
    Config config;
    if (flag->clear) flag->clear(config);
    std::string all;
    for (const std::string& value : values) {
      EXPECT_TRUE(flag->apply(config, value).ok()) << name << " " << value;
      all += (all.empty() ? "" : ", ") + value;
    }
    EXPECT_EQ(flag->show(config), all) << name;
  }
}

TEST(CommandLine, a_value_may_look_like_a_flag_that_there_is_none_of) {
  EXPECT_EQ(config_of({"--banner-text", "--hello"}).banner_text, "--hello");
}

TEST(CommandLine, the_last_of_a_switch_and_its_contrary_holds) {
  EXPECT_TRUE(config_of({"--no-chunking", "--chunking"}).chunking);
  EXPECT_FALSE(config_of({"--chunking", "--no-chunking"}).chunking);
}

TEST(CommandLine, takes_empty_and_dashed_values) {
  EXPECT_EQ(config_of({"--banner-text", ""}).banner_text, "");
  EXPECT_EQ(config_of({"--banner-text="}).banner_text, "");
  EXPECT_EQ(config_of({"--recipient-delimiter", ""}).recipients.recipient_delimiter, "");
  EXPECT_EQ(config_of({"--recipient-delimiter", "-"}).recipients.recipient_delimiter, "-");
  EXPECT_EQ(config_of({"--recipient-delimiter=-"}).recipients.recipient_delimiter, "-");
}

TEST(CommandLine, R5321_3_1_01_the_softwares_name_can_be_hidden) {
  Config hidden = config_of({"--no-banner-name"});
  EXPECT_FALSE(hidden.banner_name);
  EXPECT_EQ(hidden.banner_text, "ESMTP");
  EXPECT_EQ(config_of({"--no-banner-name", "--banner-text", "ESMTP x"}).banner_text, "ESMTP x");
  EXPECT_EQ(config_of({}).banner_text, "ESMTP Gatepost");
}

TEST(CommandLine, a_server_that_refuses_everyone_needs_no_domains) {
  EXPECT_EQ(config_of({"--listen", "0.0.0.0:25", "--refuse-all", "521"}).refuse_all, 521);
}

TEST(CommandLine, a_lower_hard_limit_lowers_the_soft_default) {
  Config config = config_of({"--hard-error-limit", "5"});
  EXPECT_EQ(config.hard_error_limit, 5u);
  EXPECT_EQ(config.soft_error_limit, 5u);
}

TEST(CommandLine, uses_the_machines_name_when_it_is_fully_qualified) {
  EXPECT_EQ(config_of({}, {"mx7.example.net", 1}).hostname, "mx7.example.net");
  EXPECT_EQ(config_of({}, {"mx7", 1}).hostname, "localhost.localdomain");
  EXPECT_EQ(config_of({}, {"not_a_domain.example", 1}).hostname, "localhost.localdomain");
  EXPECT_EQ(config_of({"--hostname", "a.example"}, {"mx7.example.net", 1}).hostname, "a.example");
}

TEST(CommandLine, runs_a_pinned_shard_on_each_core) {
  Config config = config_of({}, {"", 4});
  EXPECT_EQ(config.shards, 4u);
  EXPECT_EQ(config.pin, Choice::on);
  EXPECT_EQ(config_of({"--shards", "auto", "--no-pin"}, {"", 4}).pin, Choice::off);
  EXPECT_EQ(config_of({"--shards", "3"}, {"", 4}).pin, Choice::off);
  EXPECT_EQ(config_of({}, {"", 1}).pin, Choice::off);
  EXPECT_EQ(config_of({"--shards", "3", "--pin"}, {"", 4}).pin, Choice::on);
}

TEST(CommandLine, an_ipv6_client_is_a_network_of_84_bits_unless_told) {
  EXPECT_EQ(config_of({}).client_ipv6_prefix_bits, 84u);
  EXPECT_EQ(config_of({"--client-ipv6-prefix-length", "1"}).client_ipv6_prefix_bits, 1u);
  EXPECT_EQ(config_of({"--client-ipv6-prefix-length", "128"}).client_ipv6_prefix_bits, 128u);
}

TEST(CommandLine, addresses_that_one_socket_does_not_cover_stand_side_by_side) {
  EXPECT_EQ(config_of({"--listen", "127.0.0.1:25", "--listen", "[::1]:25", "--listen",
                       "127.0.0.2:25", "--listen", "127.0.0.1:26"})
                .listen.size(),
            4u);
  EXPECT_EQ(config_of({"--listen", "0.0.0.0:25", "--listen", "[::1]:25", "--listen", "*:26",
                       "--accept-domain", "a.example"})
                .listen.size(),
            3u);
}

TEST(CommandLine, a_backslash_that_was_given_is_shown_escaped_once) {
  EXPECT_EQ(
      parse({"--recipient-delimiter", "\\"}).err,
      "gatepost: --recipient-delimiter '\\\\': allowed are up to 8 printable characters other "
      "than @, \" and backslash, or nothing\n");
}

TEST(CommandLine, texts_of_replies_are_as_long_as_a_reply_line_has_room) {
  EXPECT_EQ(config_of({"--banner-text", std::string(241, 'x')}).banner_text.size(), 241u);
  EXPECT_EQ(parse({"--banner-text", std::string(242, 'x')}).exit_code, 2);
}

TEST(CommandLine, checks_without_running) {
  Parsed parsed = parse({"--check-config", "--config", configs_folder + "/good.toml", "--sink",
                         "maildir:" + testing::TempDir() + "/{domain}/{local-part}"});
  EXPECT_FALSE(parsed.run);
  EXPECT_EQ(parsed.exit_code, 0);
  EXPECT_EQ(parsed.out, "configuration ok\n");
  EXPECT_EQ(parsed.err, "");
}

TEST(CommandLine, names_its_version) {
  Parsed parsed = parse({"--version"});
  EXPECT_EQ(parsed.exit_code, 0);
  EXPECT_EQ(parsed.out, std::string("gatepost ") + GATEPOST_VERSION + "\n");
}

TEST(ConfigurationFile, gives_every_kind_of_value) {
  Config config = config_of({"--config", configs_folder + "/good.toml"});
  EXPECT_EQ(config.listen, (std::vector<ListenAddress>{{"127.0.0.1", 2526}, {"::1", 2526}}));
  EXPECT_EQ(config.hostname, "mx1.example.org");
  EXPECT_EQ(config.banner_text, "ESMTP # not a comment");
  EXPECT_EQ(config.recipients.accept_domains,
            (std::vector<std::string>{"example.org", "example.net"}));
  EXPECT_EQ(config.message_size_limit_bytes, 10u << 20);
  EXPECT_EQ(config.header_size_limit_bytes, 65536u);
  EXPECT_EQ(config.timeout_ms, 60'000u);
  EXPECT_FALSE(config.chunking);
  EXPECT_TRUE(config.strict_mail_syntax);
  EXPECT_EQ(config.bare_newline_exceptions.size(), 2u);
  EXPECT_EQ(config.sink, "maildir:/srv/mail/{domain}/{local-part}");
  EXPECT_FALSE(config.embedded_default);
}

TEST(ConfigurationFile, gives_way_to_the_command_line) {
  Config config = config_of({"--config", configs_folder + "/good.toml", "--listen", "127.0.0.1:99",
                             "--timeout", "5", "--chunking", "--accept-domain", "only.example"});
  EXPECT_EQ(config.listen, (std::vector<ListenAddress>{{"127.0.0.1", 99}}));
  EXPECT_EQ(config.timeout_ms, 5000u);
  EXPECT_TRUE(config.chunking);
  EXPECT_EQ(config.recipients.accept_domains, (std::vector<std::string>{"only.example"}));
  EXPECT_EQ(config.hostname, "mx1.example.org");
}

TEST(Help, names_every_flag_within_100_columns) {
  Parsed parsed = parse({"--help"});
  EXPECT_EQ(parsed.exit_code, 0);
  EXPECT_EQ(parsed.err, "");
  for (const Flag& flag : all_flags())
    EXPECT_NE(parsed.out.find("\n  --" + std::string(flag.name) +
                              (flag.kind == FlagKind::on_off ? ", --no-" : " ")),
              std::string::npos)
        << flag.name;
  std::istringstream in(parsed.out);
  for (std::string line; std::getline(in, line);) {
    EXPECT_LE(line.size(), 100u) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
}

TEST(Help, says_where_mail_for_a_delimited_user_goes_and_what_debug_adds) {
  std::string help = parse({"--help"}).out;
  // Wherever the lines are broken.
  std::string flat;
  for (char c : help)
    if (c != '\n' && (c != ' ' || !flat.ends_with(' '))) flat += c;
  EXPECT_NE(flat.find("mail for user+list@ goes to the mailbox of user@"), std::string::npos);
  EXPECT_NE(flat.find("debug adds every command and reply"), std::string::npos);
}

TEST(Help, works_beside_flags_that_are_wrong) {
  EXPECT_EQ(parse({"--help", "--timeout", "never"}).exit_code, 0);
}

}  // namespace
}  // namespace gatepost::config
