#include "load/options.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <tuple>

#include "load/address_pattern.hpp"
#include "load/arguments.hpp"
#include "load/body.hpp"
#include "load/flags.hpp"
#include "load/layout.hpp"
#include "load/limits.hpp"
#include "load/quantity.hpp"

namespace gatepost::load {
namespace {

constexpr std::uint64_t second = 1'000'000'000;
constexpr std::uint64_t messages_default = 10'000;
constexpr std::uint64_t duration_default_ns = 600 * second;

constexpr std::string_view about =
    R"(Sends mail to an SMTP server over io_uring and measures how it takes it.

Closed loop (default): each connection sends its next message when the last one
is answered; the server sets the pace. Open loop (--rate): messages begin at
fixed moments, whether the server keeps up or not, and latencies count from
those moments, so that a stall shows in every message that it held up.

A run is always bounded: by --messages (default 10000 unless --duration is
given) and by --duration (default 10m).)";

constexpr std::string_view examples =
    R"(Examples:
  gatepost-load 127.0.0.1:2525
        10000 messages of 4 KiB over 10 connections, to 50 mailboxes
  gatepost-load 127.0.0.1:2525 --connections 50 --messages-per-connection 1
        a connection for each message, 50 at a time
  gatepost-load 127.0.0.1:2525 --rate 2000 --duration 1m --size 4K:70%,64K:25%,1M:5%
        2000 messages a second for a minute, in three sizes
  gatepost-load 127.0.0.1:2525 --mix slow=5%,abort=2%,reset=1%,silent=1%
        some clients are slow, some break off. The table's latencies are those of the
        normal ones; what slow ones take stands in a line of its own. A slow one keeps
        its connection busy: leave enough --connections for the others
  gatepost-load 127.0.0.1:2525 --ledger sent.ledger --reconnect --duration 30s
  gatepost-load verify --ledger sent.ledger --maildir var/mail
        proves that what got 250 is stored once and whole, and nothing else is

Exit code: 0 all messages were taken (verify: all is there); 1 some were refused
or lost (verify: something is wrong, or there was nothing to verify); 2 wrong
arguments or nothing could be run; 3 all were taken, but the --rate was not held:
more than 1 % of them never began, or one later than by 1 s and 100 intervals.)";

constexpr std::string_view verify_about =
    R"(Holds a ledger of gatepost-load against maildirs: every acknowledged message
must be in each recipient's mailbox exactly once and octet for octet (CRLF and
LF ends are taken as the same), messages in doubt at most once, and nothing else
may be in new/ and cur/. Return-Path and Received fields on top are the server's
own and are taken off. Prints a summary and the first 20 problems.

user+tag@example.org has a mailbox of its own where its directory is there, else
that of user@example.org.

Exit code: 0 all is well; 1 problems were found, or the ledger has no
acknowledged message, so that nothing was proved; 2 something could not be read,
or is no ledger.)";

void add_amount_flags(Flags& flags, RunOptions& run) {
  flags.group("How much");
  flags.count("--messages", "begin this many (10000 without --duration)", 1, limits::messages_max,
              run.messages);
  flags.duration("--duration", "begin none later than this, such as 10s (10m)", run.duration_ns);
  flags.duration("--grace", "what is underway at the end has this long (30s)", run.grace_ns);
  flags.add(
      "--rate", "R", "open loop: begin R messages a second over all connections",
      [](const std::string& text) { return parse_positive(text, limits::rate_max); },
      [&run](double rate) { run.rate = rate; });
  flags.count("--connections", "open at most this many at a time (10)", 1, limits::connections_max,
              run.connections);
  flags.count("--messages-per-connection", "then QUIT and connect anew; 0 = never (0)", 0,
              limits::messages_max, run.messages_per_connection);
  flags.count("--threads", "each with its own ring and share of the connections (1)", 1,
              limits::threads_max, run.threads);
  flags.count("--sources", "connect from 127.0.0.1 to 127.0.0.N in turn, for limits per address", 1,
              limits::source_addresses_max, run.source_addresses);
}

void add_message_flags(Flags& flags, RunOptions& run, std::vector<std::string>& to, CLI::App& app) {
  flags.group("Messages");
  flags.add(
      "--size", "DIST",
      "4K (default) | 4K:70%,64K:25%,1M:5% | uniform:1K-64K | lognormal:12K,1.5, header and all. "
      "The header takes some 300; lognormal draws below that are sent as that",
      [](const std::string& text) { return SizeDistribution::parse(text); },
      [&run](const SizeDistribution& sizes) { run.sizes = sizes; });
  app.add_option("--to", to,
                 wrapped("recipients; {1-50} stands for fifty; repeatable "
                         "(user{1-50}@example.org)"))
      ->option_text("ADDRESS")
      ->allow_extra_args(false)
      ->group("Messages");
  flags.count("--recipients-per-message", "different ones, in turn (1)", 1,
              limits::recipients_per_message_max, run.recipients_per_message);
  flags.add(
      "--from", "ADDRESS", "sender; empty for the null reverse-path (load@sender.example.org)",
      [](const std::string& text) -> Result<std::string> {
        if (!text.empty() && !is_plain_address(text))
          return Error{
              fmt::format("'{}' is not allowed: an address such as load@example.org, or "
                          "nothing",
                          text)};
        return text;
      },
      [&run](const std::string& from) { run.session.from = from; });
  flags.add(
      "--helo", "NAME", "domain or literal for EHLO ([127.0.0.1])",
      [](const std::string& text) -> Result<std::string> {
        if (!is_plain_address("a@" + text))
          return Error{fmt::format("'{}' is not allowed: a domain or an address literal", text)};
        return text;
      },
      [&run](const std::string& helo) { run.session.helo = helo; });
  flags.count("--seed", "of sizes, bodies and the mix: same seed, same run (1)", 0,
              ~std::uint64_t{0}, run.seed);
}

void add_dialogue_flags(Flags& flags, RunOptions& run, CLI::App& app) {
  flags.group("Dialogue");
  app.add_flag_callback(
         "--pipelining", [&run] { run.session.pipelining = true; },
         "MAIL, RCPT and DATA in one go where offered (the default)")
      ->group("Dialogue");
  app.add_flag_callback(
         "--no-pipelining", [&run] { run.session.pipelining = false; },
         "wait for each reply, even where PIPELINING is offered")
      ->group("Dialogue");
  app.add_flag("--bdat", run.session.chunking, "BDAT instead of DATA where offered (RFC 3030)")
      ->group("Dialogue");
  flags.add(
      "--chunk-size", "SIZE", "of a BDAT chunk, with --bdat only (whole message)",
      [](const std::string& text) {
        return parse_size(text, limits::chunk_size_min, limits::message_size_max);
      },
      [&run](std::uint64_t size) { run.session.chunk_size = size; });
  flags.duration("--greeting-timeout", "for the connection and 220 (5m)", run.timeouts.greeting);
  flags.duration("--command-timeout", "for EHLO, RSET, QUIT (5m)", run.timeouts.command);
  flags.duration("--mail-timeout", "for MAIL (5m)", run.timeouts.mail);
  flags.duration("--rcpt-timeout", "for each RCPT (5m)", run.timeouts.rcpt);
  flags.duration("--data-timeout", "for 354 (2m)", run.timeouts.data);
  flags.duration("--block-timeout", "for 256 KiB of content to be taken (3m)", run.timeouts.block);
  flags.duration("--end-timeout", "for the reply to the end of data (10m)",
                 run.timeouts.end_of_data);
}

void add_client_flags(Flags& flags, RunOptions& run) {
  flags.group("Slow and broken clients");
  flags.add(
      "--mix", "KIND=SHARE%,...",
      "slow (content a few octets at a time), abort (closes in the content), reset (RST there), "
      "halfclose (FIN there, goes on reading), silent (says nothing), garbage (unknown commands)",
      [](const std::string& text) { return Mix::parse(text); },
      [&run](const Mix& mix) { run.mix = mix; });
  flags.count("--slow-octets", "octets in a step of a slow client (16)", 1, 65536, run.slow_octets);
  flags.duration("--slow-interval", "between its steps (10ms)", run.slow_interval_ns);
  flags.duration("--silent-time", "until a silent or half-closed client leaves (5s)",
                 run.silent_ns);
}

std::string check_run(RunOptions& run, const std::vector<std::string>& to) {
  for (const std::string& pattern : to) {
    auto expanded = expand_addresses(pattern, run.session.mailboxes);
    if (!expanded) return "--to: " + expanded.error();
  }
  if (std::uint64_t least = least_size(run.session.from); run.sizes.smallest() < least)
    return fmt::format(
        "--size: '{}' is not allowed: a message has {} octets at least, which its header takes",
        run.sizes.text(), least);
  if (run.recipients_per_message > run.session.mailboxes.size())
    return fmt::format(
        "--recipients-per-message: '{}' is not allowed: --to stands for {} mailboxes "
        "only",
        run.recipients_per_message, run.session.mailboxes.size());
  if (run.connections < run.threads)
    return fmt::format("--connections: '{}' is not allowed: at least one for each of {} threads",
                       run.connections, run.threads);
  if (run.source_addresses > 0 && run.target.address.ss_family != AF_INET)
    return "--sources: only for a target 127.x.y.z";
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  if (run.connections + 64 > files.rlim_max)
    return fmt::format(
        "--connections: '{}' is not allowed: this process may open {} files (ulimit "
        "-Hn)",
        run.connections, files.rlim_max);
  return {};
}

// What the flags said that RunOptions has in another form.
struct Given {
  std::string target;
  std::vector<std::string> to{"user{1-50}@example.org"};
  bool allow_remote = false, tolerate = false, reconnect = false, quiet = false, version = false;
};

void add_outcome_flags(RunOptions& run, Given& given, CLI::App& app) {
  const char* group = "Failures and results";
  auto flag = [&](const char* name, bool& value, const char* help) {
    app.add_flag(name, value, wrapped(help))->group(group);
  };
  flag("--reconnect", given.reconnect,
       "broken connections are no failure; try again until the run is over");
  flag("--tolerate-disconnect", given.tolerate,
       "broken connections are no failure; go on with those that are left");
  app.add_option("--ledger", run.ledger,
                 wrapped("append what was sent, with its hash and its answer, for verify"))
      ->option_text("FILE")
      ->group(group);
  flag("--json", run.json, "results as one JSON object to stdout");
  flag("--quiet", given.quiet, "no progress on the terminal");
  flag("--allow-remote", given.allow_remote,
       "take a target that is not on this machine. Without it only loopback addresses are taken: "
       "load on a server that is not yours is an attack");
}

CLI::App* add_verify(VerifyOptions& check, CLI::App& app) {
  CLI::App* verify = app.add_subcommand("verify", "hold a ledger against maildirs");
  verify->footer("");
  verify->set_help_flag("-h,--help", "print this and exit");
  verify->add_option("--ledger", check.ledger, "written by a run")->option_text("FILE");
  verify->add_option("--maildir", check.maildir, "directory with the maildirs, at any depth")
      ->option_text("DIR");
  verify
      ->add_option("--layout", check.layout,
                   wrapped("where an address's maildir is below DIR, with {domain}, {local-part} "
                           "and {address}; or any ({domain}/{local-part})"))
      ->option_text("TEMPLATE");
  return verify;
}

// The first mistake, or an empty text.
std::string check_verify(const VerifyOptions& check) {
  if (check.ledger.empty()) return "--ledger: verify needs it: --ledger FILE, written by a run";
  if (check.maildir.empty())
    return "--maildir: verify needs it: --maildir DIR, in which the maildirs are";
  if (auto layout = check_layout(check.layout); !layout) return "--layout: " + layout.error();
  return {};
}

RunOptions default_run() {
  RunOptions run;
  run.sizes = SizeDistribution::parse("4K").value();
  run.duration_ns = duration_default_ns;
  run.grace_ns = 30 * second;
  run.slow_interval_ns = second / 100;
  run.silent_ns = 5 * second;
  run.session.from = "load@sender.example.org";
  return run;
}

// Fills in what is left to fill in. Returns the first mistake, or an empty text.
std::string complete_run(RunOptions& run, const Given& given, const Flags& flags) {
  if (given.target.empty())
    return "no target: give ADDRESS:PORT, such as 127.0.0.1:2525; see --help";
  if (auto mistake = flags.apply(); !mistake.empty()) return mistake;
  auto target = parse_target(given.target, given.allow_remote);
  if (!target) return target.error();
  run.target = target.value();
  if (flags.given("--ledger") && run.ledger.empty())
    return "--ledger: '' is not allowed: the name of a file";
  // Only BDAT has chunks. It is not implied: another dialogue than was asked for measures another
  // thing.
  if (flags.given("--chunk-size") && !run.session.chunking)
    return fmt::format("--chunk-size: '{}' is not allowed without --bdat: DATA has no chunks",
                       flags.text("--chunk-size"));
  bool slow = run.mix.has(Kind::slow);
  bool silent = run.mix.has(Kind::silent) || run.mix.has(Kind::halfclose);
  for (auto [flag, used, kinds] : {std::tuple{"--slow-octets", slow, "slow"},
                                   {"--slow-interval", slow, "slow"},
                                   {"--silent-time", silent, "silent or halfclose"}})
    if (flags.given(flag) && !used)
      return fmt::format("{}: '{}' is not allowed without {} clients: see --mix", flag,
                         flags.text(flag), kinds);
  if (given.tolerate && given.reconnect)
    return "--tolerate-disconnect: not together with --reconnect";
  run.on_disconnect = given.reconnect  ? OnDisconnect::reconnect
                      : given.tolerate ? OnDisconnect::tolerate
                                       : OnDisconnect::fail;
  run.progress = !given.quiet;
  if (!flags.given("--messages"))
    run.messages = flags.given("--duration") ? limits::messages_max : messages_default;
  // RFC 5321 §4.1.3: a host without a name of its own gives its address as a literal.
  if (run.session.helo.empty())
    run.session.helo = run.target.address.ss_family == AF_INET6 ? "[IPv6:::1]" : "[127.0.0.1]";
  return check_run(run, given.to);
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine line;
  RunOptions run = default_run();
  Given given;
  CLI::App app(std::string(about), "gatepost-load");
  app.footer(std::string(examples));
  app.get_formatter()->column_width(36);
  app.set_help_flag("-h,--help", "print this and exit");
  app.add_flag("--version", given.version, "print the version and exit");
  app.add_option("target", given.target, "the server, such as 127.0.0.1:2525 or [::1]:2525")
      ->option_text("ADDRESS:PORT");
  Flags flags(app);
  add_amount_flags(flags, run);
  add_message_flags(flags, run, given.to, app);
  add_dialogue_flags(flags, run, app);
  add_client_flags(flags, run);
  add_outcome_flags(run, given, app);
  VerifyOptions check;
  CLI::App* verify = add_verify(check, app);

  auto refuse = [&](const std::string& text) {
    line.exit_code = 2;
    line.message = in_one_line(text);
    return line;
  };
  std::vector<std::string> words = split_words(argc, argv);
  if (auto mistake = check_words(app, *verify, words); !mistake.empty()) return refuse(mistake);
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    app.parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    if (verify->parsed()) verify->description(std::string(verify_about));
    line.message = verify->parsed() ? verify->help("gatepost-load") : app.help();
    return line;
  } catch (const CLI::ParseError& error) {
    return refuse(fmt::format("{}; see --help", error.what()));
  }
  if (given.version) {
    line.message = "gatepost-load " GATEPOST_VERSION "\n";
    return line;
  }
  if (verify->parsed()) {
    if (auto mistake = check_verify(check); !mistake.empty()) return refuse(mistake);
    line.verify = check;
    return line;
  }
  if (auto mistake = complete_run(run, given, flags); !mistake.empty()) return refuse(mistake);
  line.run = std::move(run);
  return line;
}

}  // namespace gatepost::load
