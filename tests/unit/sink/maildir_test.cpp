// Delivery into maildirs, in every order of file_order.hpp, on the file system of /tmp.
#include "sink/maildir.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "sink_harness.hpp"

namespace gatepost {
namespace {

using test::files_below;
using test::loop_until;
using test::names_in;
using test::only_message;
using test::read_file;
using test::send;
using test::TestEnvelope;
using test::trace_lf;

class Maildir : public testing::TestWithParam<MaildirSync> {
 protected:
  void start(const std::string& below = "/{domain}/{local-part}") {
    sink = test::make_maildir(directory.path() + below, host, options);
    ASSERT_NE(sink, nullptr);
  }
  bool wait_for(SinkToken token) {
    return loop_until(*sink, [&] { return host.receipts.contains(token); });
  }
  std::string mailbox(const std::string& local_part) const {
    return directory.path() + "/example.org/" + local_part;
  }
  static TestEnvelope to(const std::string& local_part) {
    return TestEnvelope({{local_part, "example.org"}});
  }
  static unsigned mode_of(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 07777;
  }

  test::TemporaryDirectory directory;
  test::RecordingHost host;
  test::SliceSource slices{64, 4096};
  MaildirOptions options{.sync = GetParam()};
  std::unique_ptr<Sink> sink;
};

std::string name_of(const testing::TestParamInfo<MaildirSync>& order) {
  switch (order.param) {
    case MaildirSync::automatic:
      return "automatic";
    case MaildirSync::portable:
      return "portable";
    case MaildirSync::batched:
      return "batched";
  }
  return "unknown";
}

INSTANTIATE_TEST_SUITE_P(Orders, Maildir,
                         testing::Values(MaildirSync::automatic, MaildirSync::portable,
                                         MaildirSync::batched),
                         name_of);

TEST_P(Maildir, R5321_4_4_11_file_is_return_path_received_and_content) {
  start();
  send(*sink, to("bob"), 1, "Subject: x\n\nhello\n");
  ASSERT_TRUE(wait_for(1));
  EXPECT_TRUE(host.taken_over(1));
  EXPECT_EQ(only_message(mailbox("bob")), trace_lf + "Subject: x\n\nhello\n");
  EXPECT_TRUE(names_in(mailbox("bob") + "/tmp").empty());
  EXPECT_TRUE(names_in(mailbox("bob") + "/cur").empty());
  EXPECT_EQ(sink->messages_open(), 0u);
  EXPECT_EQ(sink->bytes_held(), 0u);
}

TEST_P(Maildir, SINK_06_name_ends_with_the_files_size) {
  start();
  send(*sink, to("bob"), 1, "12345");
  ASSERT_TRUE(wait_for(1));
  const std::vector<std::string> names = names_in(mailbox("bob") + "/new");
  ASSERT_EQ(names.size(), 1u);
  const std::string size = std::to_string(trace_lf.size() + 5);
  EXPECT_TRUE(names[0].starts_with("1700000000.M123456P")) << names[0];
  EXPECT_TRUE(names[0].ends_with(".mx.example.org,S=" + size)) << names[0];
}

TEST_P(Maildir, R8BIT_02_any_octet_is_kept) {
  start();
  std::string content;
  for (int i = 0; i < 256; ++i) content += static_cast<char>(i);
  content += "\r\n\r";
  send(*sink, to("bob"), 1, content);
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(only_message(mailbox("bob")), trace_lf + content);
}

TEST_P(Maildir, only_the_owner_may_look) {
  start();
  send(*sink, to("bob"), 1, "x");
  ASSERT_TRUE(wait_for(1));
  for (const char* name : {"", "/tmp", "/new", "/cur", "/.."}) {
    EXPECT_EQ(mode_of(mailbox("bob") + name), 0700u) << name;
  }
  EXPECT_EQ(mode_of(files_below(mailbox("bob")).at(0)), 0600u);
}

TEST_P(Maildir, content_of_any_split_is_put_together_again) {
  start();
  std::string content;
  for (int i = 0; content.size() < 9000; ++i) content += "line " + std::to_string(i) + "\n";
  SinkToken token = 0;
  for (const std::size_t step : {1u, 7u, 511u, 512u, 513u, 1000u, 4096u}) {
    Receipt refusal;
    const TestEnvelope envelope = to("u" + std::to_string(step));
    SinkMessage* const message = sink->open(envelope.get(), ++token, refusal);
    for (std::size_t at = 0; at < content.size(); at += step) {
      const std::string_view piece = std::string_view(content).substr(at, step);
      sink->append(message,
                   at % 2 == 0 ? slices.slice(piece) : Slice::unowned(piece.data(), piece.size()));
    }
    sink->commit(message);
    ASSERT_TRUE(wait_for(token));
    EXPECT_EQ(only_message(mailbox("u" + std::to_string(step))), trace_lf + content);
  }
  EXPECT_EQ(slices.unused(), slices.count());
}

TEST_P(Maildir, an_empty_message_is_one) {
  start();
  Receipt refusal;
  const TestEnvelope envelope = to("bob");
  sink->commit(sink->open(envelope.get(), 1, refusal));
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(only_message(mailbox("bob")), trace_lf);
}

TEST_P(Maildir, several_recipients_share_one_file) {
  start();
  send(*sink, TestEnvelope({{"a", "example.org"}, {"b", "example.org"}, {"c", "example.com"}}), 1,
       "shared");
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(host.receipts[1].size(), 3u);
  EXPECT_TRUE(host.taken_over(1));
  const std::vector<std::string> files = files_below(directory.path());
  ASSERT_EQ(files.size(), 3u);
  std::set<ino_t> inodes;
  for (const std::string& file : files) {
    struct stat info {};
    ASSERT_EQ(stat(file.c_str(), &info), 0);
    EXPECT_EQ(info.st_nlink, 3u);
    inodes.insert(info.st_ino);
    EXPECT_EQ(read_file(file), trace_lf + "shared");
  }
  EXPECT_EQ(inodes.size(), 1u);
}

TEST_P(Maildir, one_maildir_for_all_gets_one_copy) {
  start("/everybody");
  send(*sink, TestEnvelope({{"a", "example.org"}, {"b", "example.org"}}), 1, "once");
  ASSERT_TRUE(wait_for(1));
  EXPECT_TRUE(host.taken_over(1));
  EXPECT_EQ(only_message(directory.path() + "/everybody"), trace_lf + "once");
}

TEST_P(Maildir, R5321_2_4_02_case_of_the_local_part_makes_two_maildirs) {
  start();
  send(*sink, to("Bob"), 1, "1");
  send(*sink, to("bob"), 2, "2");
  ASSERT_TRUE(wait_for(1) && wait_for(2));
  EXPECT_EQ(only_message(mailbox("Bob")), trace_lf + "1");
  EXPECT_EQ(only_message(mailbox("bob")), trace_lf + "2");
}

TEST_P(Maildir, D14_hostile_recipients_stay_below_the_root) {
  start("/root/{domain}/{local-part}");
  SinkToken token = 0;
  for (const std::string& local_part :
       {std::string("../../escape"), std::string(".."), std::string("/etc/x"), std::string("a/b"),
        std::string("`x`"), std::string(""), std::string("a\nb"), std::string(64, '\xFE')}) {
    send(*sink, TestEnvelope({{local_part, "example.org"}}), ++token, "x");
  }
  for (SinkToken each = 1; each <= token; ++each) ASSERT_TRUE(wait_for(each));
  EXPECT_EQ(files_below(directory.path() + "/root/example.org").size(), 8u);
  EXPECT_EQ(names_in(directory.path() + "/root/example.org").size(), 8u);
  EXPECT_EQ(names_in(directory.path()), std::vector<std::string>{"root"});
}

TEST_P(Maildir, long_addresses_get_bounded_names) {
  start("/{address}");
  const std::string domain(255, 'd');
  send(*sink, TestEnvelope({{std::string(64, 'a'), domain}, {std::string(64, 'b'), domain}}), 1,
       "x");
  ASSERT_TRUE(wait_for(1));
  EXPECT_TRUE(host.taken_over(1));
  EXPECT_EQ(files_below(directory.path()).size(), 2u);
}

TEST_P(Maildir, many_messages_each_once) {
  options.mailboxes_open_max = 4;  // fewer than there are maildirs
  start();
  constexpr SinkToken count = 2000;
  for (SinkToken token = 0; token < count; ++token) {
    send(*sink, to("u" + std::to_string(token % 20)), token, "number " + std::to_string(token));
    if (token % 100 == 99) test::loop_once(*sink);
  }
  ASSERT_TRUE(loop_until(*sink, [&] { return host.receipts.size() == count; }));
  std::set<std::string> seen;
  for (const std::string& file : files_below(directory.path())) seen.insert(read_file(file));
  EXPECT_EQ(files_below(directory.path()).size(), count);
  for (SinkToken token = 0; token < count; ++token) {
    EXPECT_TRUE(host.taken_over(token));
    EXPECT_TRUE(seen.contains(trace_lf + "number " + std::to_string(token))) << token;
  }
}

TEST_P(Maildir, R5321_4_1_1_10_03_an_aborted_message_leaves_nothing) {
  start();
  Receipt refusal;
  const TestEnvelope envelope = to("bob");
  // Before any content, with some in memory, and with some on the disk.
  sink->abort(sink->open(envelope.get(), 1, refusal));
  SinkMessage* message = sink->open(envelope.get(), 2, refusal);
  sink->append(message, slices.slice(std::string(4096, 'x')));
  sink->abort(message);
  message = sink->open(envelope.get(), 3, refusal);
  for (int i = 0; i < 20; ++i) sink->append(message, slices.slice(std::string(4096, 'x')));
  ASSERT_TRUE(loop_until(*sink, [&] { return slices.unused() >= slices.count() - 8; }));
  sink->abort(message);
  // And while a writer has it.
  message = sink->open(envelope.get(), 4, refusal);
  for (int i = 0; i < 20; ++i) sink->append(message, slices.slice(std::string(4096, 'x')));
  sink->poll();
  sink->abort(message);
  EXPECT_EQ(sink->messages_open(), 0u);
  ASSERT_TRUE(loop_until(*sink, [&] {
    return slices.unused() == slices.count() && names_in(mailbox("bob") + "/tmp").empty();
  }));
  sink.reset();
  EXPECT_TRUE(files_below(directory.path()).empty());
  EXPECT_TRUE(host.receipts.empty());
  EXPECT_TRUE(host.notes.empty());
}

TEST_P(Maildir, abort_after_commit_leaves_nothing_or_says_so) {
  start();
  constexpr SinkToken count = 300;
  std::vector<SinkMessage*> messages(count);
  std::size_t aborted = 0;
  for (SinkToken token = 0; token < count; ++token) {
    messages[token] = send(*sink, to("bob"), token, "x");
    sink->poll();
    // One now, and one that was handed over a while ago.
    if (token % 3 == 0 || (token % 3 == 1 && !host.receipts.contains(token - 1))) {
      if (host.receipts.contains(token)) continue;
      sink->abort(messages[token]);
      ++aborted;
    }
  }
  ASSERT_TRUE(loop_until(*sink, [&] { return host.receipts.size() + aborted == count; }));
  sink.reset();
  EXPECT_GT(aborted, 0u);
  EXPECT_EQ(files_below(directory.path()).size(), host.receipts.size() + host.notes.size());
  for (const std::string& note : host.notes) {
    EXPECT_NE(note.find(mailbox("bob")), std::string::npos) << note;
  }
}

TEST_P(Maildir, a_sink_that_ends_gives_up_what_is_open) {
  start();
  Receipt refusal;
  const TestEnvelope envelope = to("bob");
  for (SinkToken token = 0; token < 10; ++token) {
    SinkMessage* const message = sink->open(envelope.get(), token, refusal);
    for (int i = 0; i < 6; ++i) sink->append(message, slices.slice(std::string(4000, 'x')));
    if (token % 2 == 0) sink->poll();
  }
  sink.reset();
  EXPECT_EQ(slices.unused(), slices.count());
  EXPECT_TRUE(files_below(directory.path()).empty());
  EXPECT_TRUE(host.receipts.empty());
}

TEST_P(Maildir, a_maildir_that_is_removed_is_made_again) {
  start();
  for (SinkToken token = 0; token < 5; ++token) {
    send(*sink, to("bob"), token, "x");
    ASSERT_TRUE(wait_for(token));
    EXPECT_TRUE(host.taken_over(token)) << host.receipts[token][0].cause;
    EXPECT_EQ(only_message(mailbox("bob")), trace_lf + "x");
    std::filesystem::remove_all(token % 2 == 0 ? mailbox("bob") : directory.path());
  }
}

TEST_P(Maildir, only_new_is_removed) {
  start();
  for (SinkToken token = 0; token < 5; ++token) {
    send(*sink, to("bob"), token, "x");
    ASSERT_TRUE(wait_for(token));
    EXPECT_TRUE(host.taken_over(token)) << host.receipts[token][0].cause;
    EXPECT_EQ(only_message(mailbox("bob")), trace_lf + "x");
    std::filesystem::remove_all(mailbox("bob") + (token % 2 == 0 ? "/new" : "/tmp"));
    std::filesystem::remove_all(mailbox("bob") + "/new");
  }
}

TEST_P(Maildir, removal_during_the_message_does_not_lose_it) {
  start();
  Receipt refusal;
  const TestEnvelope envelope = to("bob");
  SinkMessage* const message = sink->open(envelope.get(), 1, refusal);
  std::string content;
  for (int i = 0; i < 20; ++i) {
    content += std::string(4096, static_cast<char>('a' + i));
    sink->append(message, slices.slice(std::string(4096, static_cast<char>('a' + i))));
  }
  ASSERT_TRUE(loop_until(*sink, [&] { return slices.unused() >= slices.count() - 8; }));
  std::filesystem::remove_all(directory.path() + "/example.org");
  sink->commit(message);
  ASSERT_TRUE(wait_for(1));
  EXPECT_TRUE(host.taken_over(1)) << host.receipts[1][0].cause;
  EXPECT_EQ(only_message(mailbox("bob")), trace_lf + content);
  EXPECT_TRUE(names_in(mailbox("bob") + "/tmp").empty());
}

TEST_P(Maildir, streams_50_MiB_with_bounded_memory_and_buffers) {
  options.hold_limit_bytes = 64 * 1024;
  start();
  constexpr std::size_t total = 50u * 1024 * 1024;
  Receipt refusal;
  const TestEnvelope envelope = to("bob");
  SinkMessage* const message = sink->open(envelope.get(), 1, refusal);
  std::string block(4096, ' ');
  std::uint64_t held_max = 0;
  Flow flow = Flow::go_on;
  host.on_drained = [&](SinkToken) { flow = Flow::go_on; };
  for (std::size_t at = 0; at < total; at += block.size()) {
    std::memcpy(block.data(), &at, sizeof at);
    ASSERT_TRUE(loop_until(*sink, [&] { return flow == Flow::go_on && slices.available(); }));
    flow = sink->append(message, slices.slice(block));
    held_max = std::max(held_max, sink->bytes_held());
  }
  sink->commit(message);
  ASSERT_TRUE(wait_for(1));
  EXPECT_TRUE(host.taken_over(1));
  EXPECT_LE(held_max, options.hold_limit_bytes + block.size());
  EXPECT_EQ(sink->bytes_held(), 0u);
  const std::string file = only_message(mailbox("bob"));
  ASSERT_EQ(file.size(), trace_lf.size() + total);
  bool same = true;
  for (std::size_t at = 0; at < total; at += block.size()) {
    std::memcpy(block.data(), &at, sizeof at);
    same = same && file.compare(trace_lf.size() + at, block.size(), block) == 0;
  }
  EXPECT_TRUE(same);
}

TEST_P(Maildir, pauses_above_the_limit_and_drains_once) {
  options.hold_limit_bytes = 16 * 1024;
  start();
  Receipt refusal;
  const TestEnvelope envelope = to("bob");
  SinkMessage* const message = sink->open(envelope.get(), 1, refusal);
  int appended = 0;
  while (sink->append(message, slices.slice(std::string(4096, 'x'))) == Flow::go_on) ++appended;
  // Nothing comes back but from poll().
  EXPECT_EQ(appended, 3);
  EXPECT_EQ(host.drained_count[1], 0);
  ASSERT_TRUE(loop_until(*sink, [&] { return host.drained_count[1] == 1; }));
  sink->commit(message);
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(host.drained_count[1], 1);
  EXPECT_EQ(only_message(mailbox("bob")).size(), trace_lf.size() + 4096u * 4);
}

TEST_P(Maildir, relieve_returns_buffers_of_unfinished_messages) {
  start();
  Receipt refusal;
  std::vector<SinkMessage*> messages;
  for (SinkToken token = 0; token < slices.count(); ++token) {
    const TestEnvelope envelope = to("u" + std::to_string(token % 3));
    messages.push_back(sink->open(envelope.get(), token, refusal));
    sink->append(messages.back(), slices.slice(std::string(1000, 'x')));
  }
  EXPECT_EQ(slices.unused(), 0u);
  sink->relieve();
  ASSERT_TRUE(loop_until(*sink, [&] { return slices.unused() == slices.count(); }));
  for (SinkMessage* const message : messages) sink->commit(message);
  ASSERT_TRUE(loop_until(*sink, [&] { return host.receipts.size() == messages.size(); }));
  for (const std::string& file : files_below(directory.path())) {
    EXPECT_EQ(read_file(file), trace_lf + std::string(1000, 'x'));
  }
}

TEST_P(Maildir, short_slices_do_not_keep_their_buffers) {
  start();
  Receipt refusal;
  const TestEnvelope envelope = to("bob");
  SinkMessage* const message = sink->open(envelope.get(), 1, refusal);
  for (int i = 0; i < 100; ++i) sink->append(message, slices.slice(std::string(100, 'x')));
  EXPECT_EQ(slices.unused(), slices.count());
  sink->abort(message);
}

TEST_P(Maildir, says_how_it_makes_files_durable) {
  start();
  const std::string_view text = sink->description();
  EXPECT_TRUE(text.starts_with("maildir " + directory.path() + "/{domain}/{local-part}, "));
  if (GetParam() == MaildirSync::portable) {
    EXPECT_NE(text.find(", portable on "), std::string_view::npos) << text;
  }
  if (GetParam() == MaildirSync::batched) {
    EXPECT_NE(text.find(", batched"), std::string_view::npos) << text;
  }
  EXPECT_EQ(sink->content_form(), ContentForm::lf);
  EXPECT_TRUE(sink->final_delivery());
}

}  // namespace
}  // namespace gatepost
