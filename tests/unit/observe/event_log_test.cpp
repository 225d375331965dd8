#include "observe/event_log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "thread_starts.hpp"

namespace gatepost::observe {
namespace {

// 2026-11-23T23:34:01.123Z
constexpr WallUs event_time = 1'795'476'841'123'456;
constexpr std::string_view stamp = "2026-11-23T23:34:01.123Z";

// A log that writes into memory.
class MemoryLog {
 public:
  explicit MemoryLog(EventLog::Options options = {}) : fd_(memfd_create("log", 0)) {
    options.output_fd = fd_;
    options.verb_names = {"ehlo", "helo", "mail", "rcpt", "data", "quit", "unknown"};
    log_ = std::move(EventLog::start(std::move(options)).value());
  }
  ~MemoryLog() { close(fd_); }

  EventLog& operator*() { return *log_; }
  EventWriter& writer(int shard = 0) { return log_->add_writer(shard); }
  // Ends the log and returns all that it wrote.
  std::string text() {
    log_.reset();
    std::string result(static_cast<std::size_t>(lseek(fd_, 0, SEEK_END)), '\0');
    EXPECT_EQ(pread(fd_, result.data(), result.size(), 0), static_cast<ssize_t>(result.size()));
    return result;
  }

 private:
  int fd_;
  std::unique_ptr<EventLog> log_;
};

LoggedSession session() {
  return {"192.0.2.1", 4711, "ESMTP", "client.example"};
}

std::string line(std::string_view rest) {
  return std::string(stamp) + " info [0] " + std::string(rest) + "\n";
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string each; std::getline(in, each);) lines.push_back(each);
  return lines;
}

TEST(EventLog, shows_a_connection_as_postfix_does) {
  MemoryLog log;
  EventWriter& writer = log.writer();
  writer.connect(event_time, session());
  std::array<VerbCount, 7> counts{};
  counts[0] = {1, 1};
  counts[2] = {1, 1};
  counts[3] = {1, 3};
  counts[5] = {1, 1};
  writer.disconnect(event_time, session(), counts, "");
  EXPECT_EQ(
      log.text(),
      line("connect from unknown[192.0.2.1]") +
          line("disconnect from unknown[192.0.2.1] ehlo=1 mail=1 rcpt=1/3 quit=1 commands=4/6"));
}

TEST(EventLog, shows_why_a_connection_ended_on_a_line_of_its_own) {
  MemoryLog log;
  log.writer().disconnect(event_time, session(), {}, "lost connection after DATA");
  EXPECT_EQ(log.text(),
            line("lost connection after DATA from unknown[192.0.2.1] helo=<client.example>") +
                line("disconnect from unknown[192.0.2.1] commands=0"));
}

TEST(EventLog, shows_a_refused_connection) {
  MemoryLog log;
  log.writer().refuse(event_time, {"2001:db8::1", 25, "", ""},
                      {421, "4.3.2", "mx.example Too many connections"}, "--max-connections 10");
  EXPECT_EQ(log.text(),
            line("refused connection from unknown[2001:db8::1]: 421 4.3.2 mx.example Too many "
                 "connections; cause: --max-connections 10"));
}

TEST(EventLog, shows_a_reject_in_the_shape_that_people_grep) {
  MemoryLog log;
  LoggedReject reject{.command = "RCPT",
                      .reply = {550, "5.1.1", "User unknown"},
                      .cause = "",
                      .reverse_path = "",
                      .has_reverse_path = true,
                      .recipient = "nobody@example.org",
                      .id = ""};
  EventWriter& writer = log.writer();
  writer.reject(event_time, session(), reject);
  reject.cause = "not in --recipients";
  reject.id = "0123456789ABCDEF";
  reject.has_reverse_path = false;
  reject.recipient = "";
  writer.reject(event_time, session(), reject);
  writer.reject(event_time, {"192.0.2.1", 4711, "", ""},
                {.command = "BDAT", .reply = {503, "5.5.1", "Send HELO or EHLO first"}});
  EXPECT_EQ(
      log.text(),
      line("NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 550 5.1.1 User unknown; from=<> "
           "to=<nobody@example.org> proto=ESMTP helo=<client.example>") +
          std::string(stamp) +
          " warn [0] 0123456789ABCDEF: reject: RCPT from unknown[192.0.2.1]: 550 5.1.1 User "
          "unknown; proto=ESMTP helo=<client.example>; cause: not in --recipients\n" +
          line("NOQUEUE: reject: BDAT from unknown[192.0.2.1]: 503 5.5.1 Send HELO or EHLO first"));
}

LoggedMessage message(std::span<const std::string_view> recipients) {
  return {.id = "0123456789ABCDEF",
          .reverse_path = "a@b.example",
          .recipients = recipients,
          .recipient_count = static_cast<std::uint32_t>(recipients.size()),
          .size_bytes = 4096,
          .reply = {250, "2.0.0", "Ok: queued as 0123456789ABCDEF"},
          .total_us = 12'345,
          .commit_us = 1'000'499,
          .cause = ""};
}

TEST(EventLog, a_reply_may_be_a_code_alone) {
  MemoryLog log;
  log.writer().reject(event_time, {"192.0.2.1", 1, "", ""}, {.command = "RSET", .reply = {500}});
  EXPECT_EQ(log.text(), line("NOQUEUE: reject: RSET from unknown[192.0.2.1]: 500"));
}

TEST(EventLog, commands_beyond_the_names_are_unknown) {
  MemoryLog log;
  std::array<VerbCount, 9> counts{};
  counts[8] = {0, 7};
  log.writer().disconnect(event_time, {"192.0.2.1", 1, "", ""}, counts, "lost connection");
  EXPECT_EQ(log.text(), line("lost connection from unknown[192.0.2.1]") +
                            line("disconnect from unknown[192.0.2.1] unknown=0/7 commands=0/7"));
}

TEST(EventLog, counts_of_commands_do_not_wrap) {
  MemoryLog log;
  const std::array<VerbCount, 3> counts{
      VerbCount{70'000, 70'001}, {}, {4'000'000'000, 4'000'000'000}};
  log.writer().disconnect(event_time, session(), counts, "");
  EXPECT_EQ(log.text(), line("disconnect from unknown[192.0.2.1] ehlo=70000/70001 mail=4000000000 "
                             "commands=4000070000/4000070001"));
}

TEST(EventLog, shows_a_message_on_one_line) {
  MemoryLog log;
  const std::array<std::string_view, 2> recipients{"x@example.org", "y@example.org"};
  log.writer().message(event_time, session(), message(recipients));
  EXPECT_EQ(log.text(),
            line("0123456789ABCDEF: client=unknown[192.0.2.1], helo=<client.example>, proto=ESMTP, "
                 "from=<a@b.example>, size=4096, nrcpt=2, to=<x@example.org>, to=<y@example.org>, "
                 "delay=0.012, commit=1.000, status=accepted (250 2.0.0 Ok: queued as "
                 "0123456789ABCDEF)"));
}

TEST(EventLog, names_the_cause_of_a_failed_message_at_level_warn) {
  MemoryLog log({.level = LogLevel::warn});
  EventWriter& writer = log.writer();
  LoggedMessage failed = message({});
  writer.message(event_time, session(), failed);  // info: below the level
  failed.reply = {452, "4.3.1", "Insufficient system storage"};
  failed.cause = "open /srv/mail/x: No space left on device";
  writer.message(event_time, session(), failed);
  std::string text = log.text();
  ASSERT_EQ(lines_of(text).size(), 2u);
  EXPECT_NE(text.find(" warn [0] 0123456789ABCDEF: "), std::string::npos);
  EXPECT_NE(text.find("status=deferred (452 4.3.1 Insufficient system storage); cause: open "
                      "/srv/mail/x: No space left on device\n"),
            std::string::npos);
  EXPECT_EQ(lines_of(text)[1],
            std::string(stamp) +
                " warn [0] 0123456789ABCDEF: reject: END-OF-MESSAGE from unknown[192.0.2.1]: 452 "
                "4.3.1 Insufficient system storage; from=<a@b.example> proto=ESMTP "
                "helo=<client.example>; cause: open /srv/mail/x: No space left on device");
}

TEST(EventLog, shows_a_message_without_a_reply_as_aborted) {
  MemoryLog log;
  LoggedMessage aborted = message({});
  aborted.reply = {};
  log.writer().message(event_time, session(), aborted);
  EXPECT_NE(log.text().find(", status=aborted\n"), std::string::npos);
}

TEST(EventLog, logs_the_first_recipients_of_many) {
  MemoryLog log;
  std::vector<std::string_view> recipients(1000, "x@example.org");
  log.writer().message(event_time, session(), message(recipients));
  std::string text = log.text();
  EXPECT_NE(text.find("nrcpt=1000, "), std::string::npos);
  std::size_t shown = 0;
  for (std::size_t at = 0; (at = text.find("to=<", at)) != std::string::npos; ++at) ++shown;
  EXPECT_EQ(shown, recipients_logged_max);
}

TEST(EventLog, lets_no_peer_forge_a_line) {
  MemoryLog log;
  LoggedReject reject{.command = "RCPT",
                      .reply = {501, "5.1.3", "Bad address\r\nsecond line"},
                      .cause = "",
                      .reverse_path = "x> to=<y\n2026-11-23 forged",
                      .has_reverse_path = true,
                      .recipient = std::string_view("a\0b", 3),
                      .id = ""};
  log.writer().reject(event_time, {"192.0.2.1", 1, "ESMTP", "h\r\nforged"}, reject);
  EXPECT_EQ(log.text(),
            line("NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 501 5.1.3 Bad address; "
                 "from=<x\\x3E to=\\x3Cy\\x0A2026-11-23 forged> to=<a\\x00b> proto=ESMTP "
                 "helo=<h\\x0D\\x0Aforged>"));
}

TEST(EventLog, cuts_long_strings_and_says_so) {
  MemoryLog log;
  std::string longest(logged_string_length_max, 'a');
  EventWriter& writer = log.writer();
  writer.note(event_time, LogLevel::info, longest);
  writer.note(event_time, LogLevel::info, longest + "b");
  // Not in the middle of a character.
  std::string umlaut = std::string(logged_string_length_max - 1, 'a') + "\xc3\xb6";
  writer.note(event_time, LogLevel::info, umlaut);
  // What is no character at all is cut somewhere near.
  writer.note(event_time, LogLevel::info, std::string(2 * logged_string_length_max, '\x80'));
  std::string octets;
  for (std::size_t i = 0; i < logged_string_length_max - 3; ++i) octets += "\\x80";
  EXPECT_EQ(log.text(), line(longest) + line(longest + "...") +
                            line(std::string(logged_string_length_max - 1, 'a') + "...") +
                            line(octets + "..."));
}

TEST(EventLog, names_a_connection_in_a_note_about_it) {
  MemoryLog log;
  log.writer(-1).note(event_time, LogLevel::error, session(), "outcome in doubt");
  EXPECT_EQ(log.text(), std::string(stamp) + " error [-] outcome in doubt: unknown[192.0.2.1]\n");
}

TEST(EventLog, puts_the_lines_of_all_writers_in_the_order_of_their_time) {
  MemoryLog log;
  constexpr WallUs writers = 16;
  for (WallUs first = 0; first < writers; ++first) {
    EventWriter& writer = log.writer(static_cast<int>(first));
    for (WallUs i = first; i < 1600; i += writers)
      writer.note(event_time + i, LogLevel::info, std::to_string(i));
  }
  const std::vector<std::string> lines = lines_of(log.text());
  ASSERT_EQ(lines.size(), 1600u);
  std::size_t previous = 0, backwards = 0;
  for (const std::string& each : lines) {
    const std::size_t number = std::stoul(each.substr(each.find("] ") + 2));
    backwards += number < previous ? 1 : 0;
    previous = number;
  }
  // One writer after the other would go back 15 times. What the log thread took before all was
  // written is in order too, but stands in front of the rest.
  EXPECT_LE(backwards, 4u);
}

TEST(EventLog, no_octet_from_the_wire_breaks_a_json_line) {
  MemoryLog log({.format = LogFormat::json});
  EventWriter& writer = log.writer(0);
  for (unsigned first = 0; first < 256; ++first) {
    std::string text;
    for (unsigned second = 0; second < 256; ++second)
      text += {static_cast<char>(first), static_cast<char>(second)};
    writer.note(event_time, LogLevel::warn, text);
  }
  const std::vector<std::string> lines = lines_of(log.text());
  ASSERT_EQ(lines.size(), 256u);
  for (const std::string& line : lines) {
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
    for (char c : line) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << line;
  }
}

TEST(EventLog, writes_one_json_object_a_line) {
  MemoryLog log({.format = LogFormat::json});
  EventWriter& writer = log.writer(3);
  writer.connect(event_time, session());
  writer.refuse(event_time, session(), {421, "4.3.2", "busy"}, "full");
  std::array<VerbCount, 4> counts{};
  counts[3] = {1, 2};
  writer.disconnect(event_time, session(), counts, "timeout after RCPT");
  const std::array<std::string_view, 1> recipients{"\"q\\\"\"@example.org"};
  writer.message(event_time, session(), message(recipients));
  writer.reject(event_time, session(),
                {.command = "MAIL",
                 .reply = {550, "5.7.1", "no \xff \"mail\""},
                 .cause = "policy",
                 .reverse_path = "a@b",
                 .has_reverse_path = true,
                 .recipient = "",
                 .id = ""});
  writer.note(event_time, LogLevel::warn, "line\nend");
  writer.note(event_time, LogLevel::info, session(), "about it");
  LoggedMessage refused = message({});
  refused.reply = {554, "5.6.0", "no"};
  writer.message(event_time, session(), refused);
  refused.reply = {};
  writer.message(event_time, session(), refused);
  writer.reject(event_time, session(), {.command = "RCPT", .reply = {503, "5.5.1", "no"}});
  writer.note(event_time, LogLevel::info, std::string(logged_string_length_max + 1, 'a'));
  std::array<VerbCount, 9> more{};
  more[8] = {0, 7};
  writer.disconnect(event_time, session(), more, "");

  std::vector<nlohmann::json> events;
  for (const std::string& each : lines_of(log.text()))
    events.push_back(nlohmann::json::parse(each));
  ASSERT_EQ(events.size(), 12u);
  for (const auto& event : events) {
    EXPECT_EQ(event["event_time"], stamp);
    EXPECT_EQ(event["shard"], 3);
  }
  const nlohmann::json peer = {{"name", "client.example"}, {"addr", "192.0.2.1"}, {"port", 4711}};
  EXPECT_EQ(events[0]["type"], "Connect");
  EXPECT_EQ(events[0]["peer_address"]["addr"], "192.0.2.1");
  EXPECT_EQ(events[1]["type"], "Refusal");
  EXPECT_EQ(events[1]["response"]["code"], 421);
  EXPECT_EQ(events[1]["cause"], "full");
  EXPECT_EQ(events[2]["type"], "Disconnect");
  EXPECT_EQ(events[2]["commands"], (nlohmann::json{{"rcpt", {{"accepted", 1}, {"total", 2}}}}));
  EXPECT_EQ(events[2]["reason"], "timeout after RCPT");
  EXPECT_EQ(events[3]["type"], "Reception");
  EXPECT_EQ(events[3]["id"], "0123456789ABCDEF");
  EXPECT_EQ(events[3]["sender"], "a@b.example");
  EXPECT_EQ(events[3]["recipient"], nlohmann::json::array({"\"q\\\"\"@example.org"}));
  EXPECT_EQ(events[3]["recipient_count"], 1);
  EXPECT_EQ(events[3]["size"], 4096);
  EXPECT_EQ(events[3]["peer_address"], peer);
  EXPECT_EQ(events[3]["response"]["enhanced_code"], "2.0.0");
  EXPECT_EQ(events[4]["type"], "Rejection");
  EXPECT_EQ(events[4]["response"]["command"], "MAIL");
  EXPECT_EQ(events[4]["response"]["content"], "no \xef\xbf\xbd \"mail\"");
  EXPECT_EQ(events[4]["cause"], "policy");
  EXPECT_EQ(events[5]["type"], "Note");
  EXPECT_EQ(events[5]["level"], "warn");
  EXPECT_EQ(events[5]["content"], "line\nend");
  EXPECT_EQ(events[6]["peer_address"]["addr"], "192.0.2.1");
  EXPECT_EQ(events[7]["type"], "Rejection");
  EXPECT_EQ(events[7]["response"]["command"], "END-OF-MESSAGE");
  EXPECT_EQ(events[8]["type"], "Abort");
  EXPECT_FALSE(events[8].contains("response"));
  EXPECT_FALSE(events[9].contains("sender")) << "there was no MAIL";
  EXPECT_EQ(events[10]["content"], std::string(logged_string_length_max, 'a') + "...");
  EXPECT_EQ(events[11]["commands"], (nlohmann::json{{"unknown", {{"accepted", 0}, {"total", 7}}}}));
}

TEST(EventLog, keeps_the_order_of_each_writer_over_many_turns_of_its_ring) {
  MemoryLog log({.ring_bytes = 1});  // the smallest there is
  constexpr int count = 20'000;
  std::vector<std::thread> threads;
  std::vector<EventWriter*> writers;
  for (int shard = 0; shard < 3; ++shard) writers.push_back(&log.writer(shard));
  for (EventWriter* writer : writers) {
    threads.emplace_back([writer] {
      for (int i = 0; i < count; ++i) {
        // Lengths that make records end everywhere near the ring's end.
        std::string text =
            std::to_string(i) + ' ' + std::string(static_cast<std::size_t>(i) % 300, 'x');
        writer->note(event_time, LogLevel::info, text);
        if (i % 64 == 0) std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::uint64_t dropped = 0;
  for (EventWriter* writer : writers) dropped += writer->dropped();

  std::array<int, 3> last{-1, -1, -1};
  std::uint64_t seen = 0;
  std::uint64_t reported = 0;
  for (const std::string& each : lines_of(log.text())) {
    char level[8];
    std::size_t shard = 3;
    int number = -1;
    int text_at = -1;
    ASSERT_EQ(std::sscanf(each.c_str(), "%*s %7s [%zu] %d %n", level, &shard, &number, &text_at), 3)
        << each;
    const std::string text = each.substr(static_cast<std::size_t>(text_at));
    ASSERT_LT(shard, 3u) << each;
    if (std::string_view(level) == "warn") {
      EXPECT_EQ(text, "log lines dropped");
      reported += static_cast<std::uint64_t>(number);
      continue;
    }
    EXPECT_GT(number, last[shard]);
    EXPECT_EQ(text, std::string(static_cast<std::size_t>(number) % 300, 'x'));
    last[shard] = number;
    ++seen;
  }
  EXPECT_GT(seen, 0u);
  EXPECT_EQ(seen + dropped, 3u * count);
  EXPECT_EQ(reported, dropped);
}

// A pipe that is full: its reader has stopped.
struct StalledPipe {
  StalledPipe() {
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[1], F_SETPIPE_SZ, 4096);
  }
  ~StalledPipe() {
    close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
  }
  std::string read_all() {
    close(std::exchange(ends[1], -1));
    std::string all;
    char part[4096];
    for (ssize_t got; (got = read(ends[0], part, sizeof part)) > 0;)
      all.append(part, static_cast<std::size_t>(got));
    return all;
  }
  int ends[2];
};

TEST(EventLog, never_blocks_a_writer_and_counts_what_it_drops) {
  StalledPipe pipe;
  auto log = std::move(EventLog::start({.output_fd = pipe.ends[1],
                                        .ring_bytes = 32 * 1024,
                                        .verb_names = {},
                                        .flush_time_max_ms = 10})
                           .value());
  EventWriter& writer = log->add_writer(0);
  // Far more than the pipe, one batch and the ring can hold. Must simply return.
  const std::string text(500, 'x');
  for (int i = 0; i < 5000; ++i) writer.note(event_time, LogLevel::info, text);
  EXPECT_GT(writer.dropped(), 0u);
  log.reset();  // must end although nobody reads
  std::string written = pipe.read_all();
  EXPECT_FALSE(written.empty());
  EXPECT_LE(written.size(), 4096u);
}

TEST(EventLog, reports_drops_once_the_reader_goes_on) {
  StalledPipe pipe;
  auto log = std::move(
      EventLog::start({.output_fd = pipe.ends[1], .ring_bytes = 32 * 1024, .verb_names = {}})
          .value());
  EventWriter& writer = log->add_writer(0);
  const std::string text(500, 'x');
  for (int i = 0; i < 5000; ++i) writer.note(event_time, LogLevel::info, text);
  std::uint64_t dropped = writer.dropped();
  ASSERT_GT(dropped, 0u);
  std::string written;
  std::thread reader([&] {
    char part[4096];
    for (ssize_t got; (got = read(pipe.ends[0], part, sizeof part)) > 0;)
      written.append(part, static_cast<std::size_t>(got));
  });
  log.reset();
  close(std::exchange(pipe.ends[1], -1));
  reader.join();
  std::uint64_t notes = 0;
  std::uint64_t reported = 0;
  for (const std::string& each : lines_of(written)) {
    unsigned long long lost = 0;
    if (std::sscanf(each.c_str(), "%*s warn [0] %llu log lines dropped", &lost) == 1) {
      reported += lost;
    } else {
      ++notes;
    }
  }
  EXPECT_EQ(reported, dropped);
  EXPECT_EQ(notes + dropped, 5000u);
}

TEST(EventLog, survives_a_reader_that_is_gone) {
  StalledPipe pipe;
  close(pipe.ends[0]);
  pipe.ends[0] = open("/dev/null", O_RDONLY);
  auto log = std::move(EventLog::start({.output_fd = pipe.ends[1], .verb_names = {}}).value());
  log->add_writer(0).note(event_time, LogLevel::info, "nobody hears this");
  log->flush();  // SIGPIPE would have ended the process
}

TEST(EventLog, tells_how_many_lines_a_full_disk_has_cost) {
  MemoryLog log;
  EventWriter& writer = log.writer();
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  auto* old_handler = std::signal(SIGXFSZ, SIG_IGN);  // write(2) then fails with EFBIG
  const rlimit full{0, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &full);
  writer.note(event_time, LogLevel::info, "lost");
  writer.note(event_time, LogLevel::info, "lost too");
  (*log).flush();
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  writer.note(event_time, LogLevel::info, "there is room again");
  (*log).flush();
  const std::vector<std::string> lines = lines_of(log.text());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0] + "\n", line("there is room again"));
  EXPECT_TRUE(lines[1].ends_with(" warn [-] 2 log lines dropped: they could not be written"))
      << lines[1];
}

TEST(EventLog, its_own_notes_have_a_level_too) {
  MemoryLog log({.level = LogLevel::error, .ring_bytes = 1});
  EventWriter& writer = log.writer();
  const std::string longest(logged_string_length_max, 'a');
  for (int i = 0; i < 100'000 && writer.dropped() == 0; ++i)
    writer.note(event_time, LogLevel::error, longest);
  ASSERT_GT(writer.dropped(), 0u);
  EXPECT_EQ(log.text().find("dropped"), std::string::npos);
}

TEST(EventLog, says_so_when_its_thread_cannot_be_started) {
  NoMoreThreads none;
  auto log = EventLog::start({.output_fd = 2, .verb_names = {}});
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.error(), "event log: cannot start a thread: Resource temporarily unavailable");
}

TEST(EventLog, flush_waits_for_what_was_recorded_before) {
  MemoryLog log;
  EventWriter& writer = log.writer();
  writer.note(event_time, LogLevel::info, "before");
  (*log).flush();
  // Read without ending the log.
  EXPECT_EQ(log.text(), line("before"));
}

TEST(EventLog, leaves_out_what_is_above_its_level) {
  MemoryLog log({.level = LogLevel::error});
  EventWriter& writer = log.writer();
  EXPECT_FALSE(writer.wants(LogLevel::warn));
  writer.connect(event_time, session());
  writer.disconnect(event_time, session(), {}, "x");
  writer.refuse(event_time, session(), {}, "");
  writer.reject(event_time, session(), {});
  writer.message(event_time, session(), message({}));
  writer.note(event_time, LogLevel::debug, "x");
  writer.note(event_time, LogLevel::debug, session(), "x");
  writer.note(event_time, LogLevel::error, "kept");
  EXPECT_EQ(lines_of(log.text()).size(), 1u);
}

}  // namespace
}  // namespace gatepost::observe
