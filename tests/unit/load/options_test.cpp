#include "load/options.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "load/body.hpp"

namespace gatepost::load {
namespace {

CommandLine parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "gatepost-load");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

// The mistake is named in one line, and nothing is run.
void expect_refused(std::vector<const char*> arguments, std::string_view named) {
  CommandLine line = parse(arguments);
  EXPECT_FALSE(line.run || line.verify) << named;
  EXPECT_EQ(line.exit_code, 2) << named;
  EXPECT_NE(line.message.find(named), std::string::npos) << line.message;
  EXPECT_EQ(line.message.find('\n'), std::string::npos) << line.message;
}

TEST(LoadOptions, defaults_are_bounded) {
  CommandLine line = parse({"127.0.0.1:2525"});
  ASSERT_TRUE(line.run) << line.message;
  EXPECT_EQ(line.run->messages, 10'000u);
  EXPECT_EQ(line.run->duration_ns, 600'000'000'000u);
  EXPECT_EQ(line.run->connections, 10u);
  EXPECT_EQ(line.run->threads, 1u);
  EXPECT_EQ(line.run->rate, 0);
  EXPECT_EQ(line.run->session.mailboxes.size(), 50u);
  EXPECT_EQ(line.run->session.helo, "[127.0.0.1]");
  EXPECT_TRUE(line.run->session.pipelining);
  EXPECT_FALSE(line.run->session.chunking);
  EXPECT_EQ(line.run->on_disconnect, OnDisconnect::fail);
}

TEST(LoadOptions, a_duration_alone_bounds_the_run) {
  CommandLine line = parse({"127.0.0.1:2525", "--duration", "10s"});
  ASSERT_TRUE(line.run);
  EXPECT_EQ(line.run->duration_ns, 10'000'000'000u);
  EXPECT_GT(line.run->messages, 100'000'000u);
}

TEST(LoadOptions, R5321_4_5_3_2_01_timeouts_are_the_RFCs_and_flags) {
  Timeouts t = parse({"[::1]:25"}).run->timeouts;
  constexpr std::uint64_t minute = 60'000'000'000;
  EXPECT_EQ(t.greeting, 5 * minute);
  EXPECT_EQ(t.mail, 5 * minute);
  EXPECT_EQ(t.rcpt, 5 * minute);
  EXPECT_EQ(t.data, 2 * minute);
  EXPECT_EQ(t.block, 3 * minute);
  EXPECT_EQ(t.end_of_data, 10 * minute);
  CommandLine line = parse({"[::1]:25", "--end-timeout", "2s", "--data-timeout", "100ms"});
  ASSERT_TRUE(line.run);
  EXPECT_EQ(line.run->timeouts.end_of_data, 2'000'000'000u);
  EXPECT_EQ(line.run->timeouts.data, 100'000'000u);
  EXPECT_EQ(line.run->session.helo, "[IPv6:::1]");
}

TEST(LoadOptions, flags_are_taken) {
  CommandLine line = parse({"127.0.0.1:2525",
                            "--rate",
                            "1500.5",
                            "--threads",
                            "2",
                            "--connections",
                            "20",
                            "--to",
                            "a{1-3}@x.test",
                            "--to",
                            "b@x.test",
                            "--recipients-per-message",
                            "4",
                            "--no-pipelining",
                            "--bdat",
                            "--chunk-size",
                            "64K",
                            "--mix",
                            "slow=5%",
                            "--from",
                            "",
                            "--reconnect",
                            "--json",
                            "--helo",
                            "client.example.org",
                            "--ledger",
                            "f"});
  ASSERT_TRUE(line.run) << line.message;
  EXPECT_EQ(line.run->rate, 1500.5);
  EXPECT_EQ(line.run->session.mailboxes.size(), 4u);
  EXPECT_FALSE(line.run->session.pipelining);
  EXPECT_TRUE(line.run->session.chunking);
  EXPECT_EQ(line.run->session.chunk_size, 65536u);
  EXPECT_EQ(line.run->session.from, "");
  EXPECT_EQ(line.run->on_disconnect, OnDisconnect::reconnect);
  EXPECT_EQ(line.run->ledger, "f");
  EXPECT_EQ(line.run->session.helo, "client.example.org");
  EXPECT_EQ(parse({"127.0.0.1:1", "--tolerate-disconnect"}).run->on_disconnect,
            OnDisconnect::tolerate);
  EXPECT_EQ(parse({"127.0.0.1:1", "--sources", "2"}).run->source_addresses, 2u);
}

TEST(LoadOptions, refuses_targets_that_are_not_on_this_machine) {
  for (const char* target :
       {"192.0.2.1:25", "10.0.0.1:2525", "0.0.0.0:25", "[2001:db8::1]:25", "[::ffff:192.0.2.1]:25",
        "[::]:25", "[1::1]:25", "[0:1::1]:25", "[0:0:1::1]:25", "128.0.0.1:25"}) {
    EXPECT_FALSE(parse_target(target, false)) << target;
    EXPECT_TRUE(parse_target(target, true)) << target;
    expect_refused({target}, "--allow-remote");
  }
  for (const char* target : {"127.0.0.1:25", "127.255.1.2:1", "[::1]:65535", "localhost:2525"})
    EXPECT_TRUE(parse_target(target, false)) << target;
  for (const char* target :
       {"", "25", ":25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "::1:25",
        "[::1]", "mx.example.org:25", "[]:25", "[::1:25", "[:25"})
    EXPECT_FALSE(parse_target(target, true)) << target;
}

TEST(LoadOptions, wrong_flags_are_named_in_one_line) {
  const char* target = "127.0.0.1:2525";
  expect_refused({}, "ADDRESS:PORT");
  expect_refused({target, "--bogus"}, "--bogus");
  expect_refused({target, "--messages", "0"}, "--messages: '0' is not allowed");
  expect_refused({target, "--messages", "many"}, "--messages: 'many'");
  expect_refused({target, "--messages"}, "--messages");
  expect_refused({target, "--connections", "1000000"}, "--connections");
  expect_refused({target, "--threads", "4", "--connections", "3"}, "--connections");
  expect_refused({target, "--rate", "0"}, "--rate");
  expect_refused({target, "--rate", "-5"}, "--rate");
  expect_refused({target, "--size", "4Q"}, "--size: '4Q'");
  expect_refused({target, "--mix", "nice=5%"}, "--mix");
  expect_refused({target, "--to", "nobody"}, "--to");
  expect_refused({target, "--from", "<a@b>"}, "--from");
  expect_refused({target, "--helo", "a b"}, "--helo");
  expect_refused({target, "--recipients-per-message", "51"}, "--recipients-per-message");
  expect_refused({target, "--duration", "25h"}, "--duration");
  expect_refused({target, "--reconnect", "--tolerate-disconnect"}, "--tolerate-disconnect");
  expect_refused({"[::1]:25", "--sources", "2"}, "--sources");
  expect_refused({target, "127.0.0.1:2526"}, "'127.0.0.1:2526': one target is allowed");
  expect_refused({target, "--ledger", ""}, "--ledger: '' is not allowed");
}

// A process of its own, because a hard limit can't be raised again.
[[noreturn]] void parse_with_few_files() {
  rlimit few{200, 200};
  setrlimit(RLIMIT_NOFILE, &few);
  CommandLine line = parse({"127.0.0.1:2525", "--connections", "150"});
  bool told =
      line.message.find("--connections: '150' is not allowed: this process may open 200 ") !=
      std::string::npos;
  bool fits = parse({"127.0.0.1:2525", "--connections", "136"}).run.has_value();
  std::exit(line.exit_code == 2 && told && fits ? 0 : 1);
}

TEST(LoadOptions, more_connections_than_files_may_be_open_are_refused) {
  EXPECT_EXIT(parse_with_few_files(), testing::ExitedWithCode(0), "");
}

TEST(LoadOptions, wrong_words_are_told_in_the_words_of_this_program) {
  const char* target = "127.0.0.1:2525";
  expect_refused({target, "--size"}, "--size: needs a value: --size DIST; see --help");
  expect_refused({target, "--size", "--json"}, "--size: needs a value: --size DIST");
  expect_refused({target, "--rate", "-5"}, "--rate: '-5' is not allowed: a number above 0 and up");
  expect_refused({target, "--messages="}, "--messages: '' is not allowed: a whole number");
  expect_refused({target, "--verbose"}, "--verbose: there is no such flag; see --help");
  expect_refused({target, "--verbose=2"}, "--verbose: there is no such flag; see --help");
  expect_refused({target, "--conections", "5"},
                 "--conections: there is no such flag; did you mean --connections?");
  expect_refused({target, "--bdta"}, "--bdta: there is no such flag; did you mean --bdat?");
  expect_refused({target, "--recipients=5"}, "did you mean --recipients-per-message?");
  expect_refused({target, "-j"}, "-j: there is no such flag; see --help");
  expect_refused({target, "--json=yes"}, "--json: takes no value, but is given 'yes'");
  expect_refused({target, "--seed", "1", "--seed", "2"},
                 "--seed: is given more than once; allowed is once");
  expect_refused({target, "--foo\n\x1b[2J\x7f"}, "--foo\\x0a\\x1b[2J\\x7f: there is no such flag");
  expect_refused({target, "verify"}, "'verify': stands first");
  const char *ledger = "--ledger=l", *maildir = "--maildir=m";
  expect_refused({"verify", ledger, maildir, "--lay", "any"},
                 "--lay: there is no such flag of verify; did you mean --layout?");
  expect_refused({"verify", ledger, maildir, "--json"},
                 "--json: there is no such flag of verify; see gatepost-load verify --help");
  expect_refused({"verify", ledger, maildir, "var/mail"}, "'var/mail': verify takes flags only");
  expect_refused({"verify", ledger, "--maildir"}, "--maildir: needs a value: --maildir DIR");
}

TEST(LoadOptions, no_size_is_below_what_a_header_takes) {
  const char* target = "127.0.0.1:2525";
  const std::uint64_t least = least_size("load@sender.example.org");
  const std::string enough = std::to_string(least), less = std::to_string(least - 1);
  const std::string told =
      "--size: '" + less + "' is not allowed: a message has " + enough + " octets at least";
  expect_refused({target, "--size", less.c_str()}, told);
  expect_refused({target, "--size", "10"}, "--size: '10' is not allowed");
  expect_refused({target, "--size", "10:1%,4K:99%"}, enough);
  expect_refused({target, "--size", "uniform:1-4K"}, enough);
  expect_refused({target, "--size", "lognormal:10,1.5"}, enough);
  EXPECT_TRUE(parse({target, "--size", enough.c_str()}).run);
  EXPECT_TRUE(parse({target, "--size", "lognormal:1K,5"}).run) << "few draws are below";
  EXPECT_TRUE(parse({target, "--size", less.c_str(), "--from", ""}).run) << "a shorter From";
}

TEST(LoadOptions, chunks_are_of_BDAT_only) {
  expect_refused({"127.0.0.1:2525", "--chunk-size", "64K"},
                 "--chunk-size: '64K' is not allowed without --bdat");
}

TEST(LoadOptions, what_kinds_of_clients_take_goes_with_such_clients) {
  const char* target = "127.0.0.1:2525";
  expect_refused({target, "--slow-octets", "9"}, "--slow-octets: '9' is not allowed without slow");
  expect_refused({target, "--slow-interval", "1s", "--mix", "abort=5%"}, "--slow-interval: '1s'");
  expect_refused({target, "--silent-time", "1s", "--mix", "slow=5%"}, "--silent-time: '1s'");
  EXPECT_TRUE(parse({target, "--slow-octets", "9", "--mix", "slow=5%"}).run);
  EXPECT_TRUE(parse({target, "--silent-time", "1s", "--mix", "halfclose=5%"}).run);
  EXPECT_TRUE(parse({target, "--silent-time", "1s", "--mix", "silent=5%"}).run);
}

TEST(LoadOptions, the_version_is_told) {
  CommandLine line = parse({"--version"});
  EXPECT_FALSE(line.run || line.verify);
  EXPECT_EQ(line.exit_code, 0);
  EXPECT_EQ(line.message, "gatepost-load " GATEPOST_VERSION "\n");
}

TEST(LoadOptions, help_is_no_mistake) {
  CommandLine line = parse({"--help"});
  EXPECT_EQ(line.exit_code, 0);
  for (const char* word :
       {"--rate", "--ledger", "verify", "127.0.0.1:2525", "Exit code", "the --rate was not held"})
    EXPECT_NE(line.message.find(word), std::string::npos) << word;
  CommandLine verify = parse({"verify", "--help"});
  EXPECT_EQ(verify.exit_code, 0);
  EXPECT_NE(verify.message.find("--layout"), std::string::npos);
}

TEST(LoadOptions, verify_needs_its_ledger_and_maildir) {
  CommandLine line = parse({"verify", "--ledger", "l", "--maildir", "m"});
  ASSERT_TRUE(line.verify) << line.message;
  EXPECT_FALSE(line.run);
  EXPECT_EQ(line.verify->ledger, "l");
  EXPECT_EQ(line.verify->maildir, "m");
  expect_refused({"verify", "--ledger", "l"}, "--maildir: verify needs it");
  expect_refused({"verify", "--maildir", "m"}, "--ledger: verify needs it");
}

TEST(LoadOptions, a_layout_tells_mailboxes_apart) {
  auto with = [](const char* layout) {
    return std::vector<const char*>{"verify", "--ledger", "l",   "--maildir",
                                    "m",      "--layout", layout};
  };
  for (const char* layout : {"foo", "", "{domain}", "{user}/{local-part}", "{local-part",
                             "/srv/mail/{domain}/{local-part}"})
    expect_refused(with(layout), "--layout: '" + std::string(layout) + "' is not allowed: a path");
  for (const char* layout : {"any", "{local-part}", "{address}", "{domain}/users/{local-part}"})
    EXPECT_TRUE(parse(with(layout)).verify) << layout;
}

}  // namespace
}  // namespace gatepost::load
