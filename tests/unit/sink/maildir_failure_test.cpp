// What a sender and the operator see when files fail, and that nothing is acknowledged too early.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

#include "file_calls.hpp"
#include "sink_harness.hpp"

namespace gatepost {
namespace {

using test::FileCalls;
using test::files_below;
using test::loop_until;
using test::names_in;
using test::only_message;
using test::send;
using test::TestEnvelope;
using test::trace_lf;

// A file system of its own; skips the test where mounting is not allowed.
class SmallFileSystem {
 public:
  SmallFileSystem(const std::string& path, const char* size)
      : path_(path),
        mounted_((std::filesystem::create_directories(path), true) &&
                 mount("gatepost-test", path.c_str(), "tmpfs", MS_NOSUID, size) == 0) {}
  ~SmallFileSystem() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;
  bool mounted() const { return mounted_; }
  bool make_read_only() {
    return mount(nullptr, path_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  }
  bool make_writable() { return mount(nullptr, path_.c_str(), nullptr, MS_REMOUNT, nullptr) == 0; }

 private:
  std::string path_;
  bool mounted_;
};

class MaildirFailure : public testing::TestWithParam<MaildirSync> {
 protected:
  void start(const std::string& root) {
    sink = test::make_maildir(root + "/{domain}/{local-part}", host, options);
    ASSERT_NE(sink, nullptr);
  }
  bool wait_for(SinkToken token) {
    return loop_until(*sink, [&] { return host.receipts.contains(token); });
  }
  // The call that waits for the data before a name is put.
  std::string settling() const {
    if (GetParam() == MaildirSync::portable) return "fsync";
    const bool two = sink->description().find("two flushes") != std::string_view::npos;
    return two ? "syncfs" : "wait data";
  }
  test::RecordingHost::Outcome outcome(SinkToken token) { return host.receipts[token].at(0); }
  std::string mailbox(const std::string& local_part) const {
    return directory.path() + "/example.org/" + local_part;
  }
  const char* flush() const { return GetParam() == MaildirSync::portable ? "fsync" : "syncfs"; }
  // Starts the sink and stores message 1 for bob, so that message 2 finds his maildir open; that
  // one has its name then, and waits where the name is flushed.
  void hold_second_at_its_flush(FileCalls& calls, SinkMessage*& second) {
    options.threads = 1;
    start(directory.path());
    send(*sink, bob(), 1, "before");
    ASSERT_TRUE(wait_for(1));
    calls.hold(GetParam() == MaildirSync::portable ? "renameat2" : "linkat");
    second = send(*sink, bob(), 2, "held");
    ASSERT_TRUE(loop_until(*sink, [&] { return calls.holding(); }));
    calls.clear_log();
    calls.hold(flush());
    ASSERT_TRUE(loop_until(*sink, [&] { return calls.holding() && !calls.log().empty(); }));
  }
  static TestEnvelope bob() { return TestEnvelope({{"bob", "example.org"}}); }

  test::TemporaryDirectory directory;
  test::RecordingHost host;
  MaildirOptions options{.sync = GetParam()};
  std::unique_ptr<Sink> sink;
};

INSTANTIATE_TEST_SUITE_P(Orders, MaildirFailure,
                         testing::Values(MaildirSync::portable, MaildirSync::batched),
                         [](const testing::TestParamInfo<MaildirSync>& order) {
                           return order.param == MaildirSync::portable ? "portable" : "batched";
                         });

TEST(FileFailure, tells_quota_from_disk_from_the_rest) {
  EXPECT_EQ(FileFailure::of("write", "/x", ENOSPC).disposition, Disposition::storage_full);
  EXPECT_EQ(FileFailure::of("write", "/x", EDQUOT).disposition, Disposition::mailbox_full);
  EXPECT_EQ(FileFailure::of("write", "/x", EACCES).disposition, Disposition::local_error);
  EXPECT_EQ(FileFailure::of("write", "/x", EROFS).disposition, Disposition::local_error);
  EXPECT_EQ(FileFailure::of("open", "/x", EACCES).cause, "open /x: Permission denied");
}

TEST_P(MaildirFailure, names_the_path_and_recovers_by_itself) {
  start(directory.path());
  std::filesystem::create_directories(directory.path() + "/example.org");
  std::ofstream(mailbox("bob")) << "a file where the maildir should be";
  send(*sink, bob(), 1, "x");
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(outcome(1).disposition, Disposition::local_error);
  EXPECT_EQ(outcome(1).cause, "open " + mailbox("bob") + "/tmp: Not a directory");
  std::filesystem::remove(mailbox("bob"));
  send(*sink, bob(), 2, "y");
  ASSERT_TRUE(wait_for(2));
  EXPECT_TRUE(host.taken_over(2));
  EXPECT_EQ(only_message(mailbox("bob")), trace_lf + "y");
}

// There is one answer for all recipients, and the sender tries again for all of them.
TEST_P(MaildirFailure, R5321_4_2_5_01_X_06_when_one_copy_fails_no_other_stays) {
  start(directory.path());
  std::filesystem::create_directories(directory.path() + "/example.org");
  std::ofstream(mailbox("a")) << "in the way";
  std::ofstream(mailbox("c")) << "in the way";
  const TestEnvelope envelope(
      {{"d", "example.org"}, {"c", "example.org"}, {"b", "example.org"}, {"a", "example.org"}});
  send(*sink, envelope, 1, "x");
  ASSERT_TRUE(wait_for(1));
  const auto& outcomes = host.receipts[1];
  ASSERT_EQ(outcomes.size(), 4u);
  for (const auto& each : outcomes) EXPECT_EQ(each.disposition, Disposition::local_error);
  EXPECT_NE(outcomes[1].cause.find(mailbox("c")), std::string::npos);
  EXPECT_NE(outcomes[3].cause.find(mailbox("a")), std::string::npos);
  EXPECT_EQ(files_below(directory.path()).size(), 2u) << "nothing but what is in the way";
  EXPECT_TRUE(host.notes.empty());

  std::filesystem::remove(mailbox("a"));
  std::filesystem::remove(mailbox("c"));
  send(*sink, envelope, 2, "x");
  ASSERT_TRUE(wait_for(2));
  EXPECT_TRUE(host.taken_over(2));
  for (const char* name : {"a", "b", "c", "d"})
    EXPECT_EQ(only_message(mailbox(name)), trace_lf + "x");
}

TEST_P(MaildirFailure, two_paths_to_one_maildir_get_one_copy) {
  start(directory.path());
  std::filesystem::create_directories(directory.path() + "/example.org");
  std::filesystem::create_directory_symlink("bob", mailbox("robert"));
  for (SinkToken token = 1; token <= 2; ++token) {
    send(*sink, TestEnvelope({{"bob", "example.org"}, {"robert", "example.org"}}), token, "x");
    ASSERT_TRUE(wait_for(token));
    EXPECT_TRUE(host.taken_over(token)) << outcome(token).cause;
  }
  EXPECT_EQ(files_below(mailbox("bob") + "/new").size(), 2u);
  EXPECT_EQ(files_below(mailbox("bob") + "/tmp").size(), 0u);
}

// ext4 after an error in its journal, on older kernels: syncfs(2) succeeds without doing anything.
TEST_P(MaildirFailure, R5321_2_1_01_a_flush_of_a_read_only_file_system_is_none) {
  FileCalls calls;
  options.threads = 1;
  start(directory.path());
  send(*sink, bob(), 1, "before");
  ASSERT_TRUE(wait_for(1));
  calls.fail("read-only", EROFS);
  send(*sink, bob(), 2, "lost");
  ASSERT_TRUE(wait_for(2));
  if (GetParam() == MaildirSync::portable) {
    EXPECT_TRUE(host.taken_over(2)) << "fsync(2) tells by itself";
    return;
  }
  EXPECT_EQ(outcome(2).disposition, Disposition::local_error);
  EXPECT_TRUE(outcome(2).cause.ends_with(": Read-only file system")) << outcome(2).cause;
}

TEST_P(MaildirFailure, a_name_that_a_reader_took_meanwhile_is_told_of) {
  FileCalls calls;
  SinkMessage* message = nullptr;
  ASSERT_NO_FATAL_FAILURE(hold_second_at_its_flush(calls, message));
  for (const auto& entry : std::filesystem::directory_iterator(mailbox("bob") + "/new"))
    std::filesystem::rename(entry.path(),
                            mailbox("bob") + "/cur/" + entry.path().filename().string() + ":2,S");
  calls.fail(flush(), EIO);
  calls.release();
  ASSERT_TRUE(wait_for(2));
  EXPECT_FALSE(host.taken_over(2));
  ASSERT_FALSE(host.notes.empty());
  EXPECT_NE(host.notes[0].find(mailbox("bob")), std::string::npos) << host.notes[0];
}

TEST_P(MaildirFailure, R5321_4_2_5_01_what_was_stored_when_the_sink_ends_is_told_of) {
  FileCalls calls;
  SinkMessage* message = nullptr;
  ASSERT_NO_FATAL_FAILURE(hold_second_at_its_flush(calls, message));
  std::thread ending([&] { sink.reset(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  calls.release();
  ending.join();
  EXPECT_FALSE(host.receipts.contains(2));
  ASSERT_EQ(host.notes.size(), 1u);
  EXPECT_NE(host.notes[0].find(mailbox("bob")), std::string::npos) << host.notes[0];
}

TEST_P(MaildirFailure, R5321_4_2_5_01_names_taken_away_are_flushed_before_the_receipt) {
  FileCalls calls;
  options.threads = 1;  // so that the second message finds the maildirs open
  start(directory.path());
  std::filesystem::create_directories(directory.path() + "/example.org");
  send(*sink, TestEnvelope({{"b", "example.org"}}), 1, "before");
  ASSERT_TRUE(wait_for(1));
  std::ofstream(mailbox("a")) << "in the way";
  calls.clear_log();
  send(*sink, TestEnvelope({{"a", "example.org"}, {"b", "example.org"}}), 2, "x");
  ASSERT_TRUE(wait_for(2));
  EXPECT_FALSE(host.taken_over(2));
  EXPECT_EQ(only_message(mailbox("b")), trace_lf + "before");
  const std::vector<std::string> log = calls.log();
  ASSERT_FALSE(log.empty());
  // ext4 without a journal has its directory's flush behind that of the file system.
  EXPECT_TRUE(log.back() == "fsync directory" || log.back() == "syncfs") << log.back();
  EXPECT_TRUE(std::find(log.begin(), log.end(),
                        GetParam() == MaildirSync::portable ? "fsync directory" : "syncfs") !=
              log.end());
}

TEST_P(MaildirFailure, a_full_disk_is_452_and_keeps_the_store_intact) {
  const std::string root = directory.path() + "/small";
  SmallFileSystem disk(root, "size=1m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
  start(root);
  send(*sink, bob(), 1, "before");
  ASSERT_TRUE(wait_for(1));
  ASSERT_TRUE(host.taken_over(1));

  test::SliceSource slices(64, 65536);
  Receipt refusal;
  const TestEnvelope envelope = bob();
  SinkMessage* const message = sink->open(envelope.get(), 2, refusal);
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(loop_until(*sink, [&] { return slices.available(); }));
    sink->append(message, slices.slice(std::string(65536, 'x')));
  }
  sink->commit(message);
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(outcome(2).disposition, Disposition::storage_full);
  EXPECT_TRUE(outcome(2).cause.starts_with("write " + root)) << outcome(2).cause;
  EXPECT_TRUE(outcome(2).cause.ends_with("No space left on device")) << outcome(2).cause;
  EXPECT_EQ(only_message(root + "/example.org/bob"), trace_lf + "before");
  EXPECT_TRUE(names_in(root + "/example.org/bob/tmp").empty());
  EXPECT_EQ(slices.unused(), slices.count());
  EXPECT_EQ(sink->bytes_held(), 0u);

  send(*sink, bob(), 3, "after");
  ASSERT_TRUE(wait_for(3));
  EXPECT_TRUE(host.taken_over(3));
  sink.reset();
}

TEST_P(MaildirFailure, mail_is_refused_below_the_free_space_and_taken_again_above) {
  const std::string root = directory.path() + "/small";
  SmallFileSystem disk(root, "size=1m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
  options.min_free_bytes = 512 * 1024;
  start(root);
  EXPECT_EQ(sink->available(0).disposition, Disposition::taken_over);
  const Receipt too_big = sink->available(600 * 1024);
  EXPECT_EQ(too_big.disposition, Disposition::storage_full);
  EXPECT_NE(too_big.cause.find(root), std::string_view::npos) << too_big.cause;
  std::ofstream(root + "/filler") << std::string(700 * 1024, 'x');
  EXPECT_TRUE(loop_until(
      *sink, [&] { return sink->available(0).disposition == Disposition::storage_full; }));
  std::filesystem::remove(root + "/filler");
  EXPECT_TRUE(
      loop_until(*sink, [&] { return sink->available(0).disposition == Disposition::taken_over; }));
  sink.reset();
}

TEST_P(MaildirFailure, no_free_inode_is_a_full_disk) {
  const std::string root = directory.path() + "/small";
  SmallFileSystem disk(root, "size=4m,nr_inodes=20");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
  start(root);
  SinkToken token = 0;
  do {
    send(*sink, bob(), ++token, "x");
    ASSERT_TRUE(wait_for(token));
  } while (host.taken_over(token) && token < 40);
  EXPECT_EQ(outcome(token).disposition, Disposition::storage_full);
  EXPECT_TRUE(loop_until(
      *sink, [&] { return sink->available(0).disposition == Disposition::storage_full; }));
  EXPECT_EQ(files_below(root).size(), token - 1);
  sink.reset();
}

TEST_P(MaildirFailure, a_read_only_disk_is_451_until_it_is_writable) {
  const std::string root = directory.path() + "/small";
  SmallFileSystem disk(root, "size=1m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
  start(root);
  ASSERT_TRUE(disk.make_read_only());
  send(*sink, bob(), 1, "x");
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(outcome(1).disposition, Disposition::local_error);
  EXPECT_TRUE(outcome(1).cause.ends_with(": Read-only file system")) << outcome(1).cause;
  ASSERT_TRUE(disk.make_writable());
  send(*sink, bob(), 2, "x");
  ASSERT_TRUE(wait_for(2));
  EXPECT_TRUE(host.taken_over(2));
  sink.reset();
}

TEST_P(MaildirFailure, recipients_on_another_disk_get_a_copy) {
  const std::string other = directory.path() + "/other.example";
  SmallFileSystem disk(other, "size=1m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
  start(directory.path());
  const std::string content(200'000, 'y');
  send(*sink, TestEnvelope({{"bob", "other.example"}, {"bob", "example.org"}}), 1, content);
  ASSERT_TRUE(wait_for(1));
  EXPECT_TRUE(host.taken_over(1));
  EXPECT_EQ(only_message(mailbox("bob")), trace_lf + content);
  EXPECT_EQ(only_message(other + "/bob"), trace_lf + content);
  EXPECT_TRUE(names_in(other + "/bob/tmp").empty());
  sink.reset();
}

TEST_P(MaildirFailure, the_file_size_limit_is_an_error_and_not_the_end) {
  start(directory.path());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit tight{16 * 1024, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  send(*sink, bob(), 1, std::string(40'000, 'x'));
  const bool reported = wait_for(1);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_TRUE(reported);
  EXPECT_EQ(outcome(1).disposition, Disposition::local_error);
  EXPECT_TRUE(outcome(1).cause.ends_with(": File too large")) << outcome(1).cause;
  EXPECT_TRUE(files_below(directory.path()).empty());
}

TEST_P(MaildirFailure, R5321_6_1_08_data_then_name_then_directory_then_receipt) {
  FileCalls calls;
  options.threads = 1;  // so that the second message finds the maildir open
  start(directory.path());
  send(*sink, bob(), 1, "makes the maildir");
  ASSERT_TRUE(wait_for(1));
  calls.clear_log();
  send(*sink, bob(), 2, "x");
  ASSERT_TRUE(wait_for(2));
  const std::vector<std::string> log = calls.log();
  if (GetParam() == MaildirSync::portable) {
    EXPECT_EQ(log, (std::vector<std::string>{"fsync file", "renameat2", "fsync directory"}));
    return;
  }
  ASSERT_GE(log.size(), 3u);
  EXPECT_EQ(log.front(), settling());
  const auto link = std::find(log.begin(), log.end(), "linkat");
  ASSERT_NE(link, log.end());
  EXPECT_NE(std::find(link, log.end(), "syncfs"), log.end());
}

TEST_P(MaildirFailure, R5321_6_1_08_directories_made_for_a_maildir_are_synced_too) {
  FileCalls calls;
  start(directory.path());
  calls.clear_log();
  send(*sink, bob(), 1, "x");
  ASSERT_TRUE(wait_for(1));
  const std::vector<std::string> log = calls.log();
  if (GetParam() == MaildirSync::portable) {
    // The maildir, the domain's directory and the root, then the message's own calls.
    EXPECT_EQ(log,
              (std::vector<std::string>{"fsync directory", "fsync directory", "fsync directory",
                                        "fsync file", "renameat2", "fsync directory"}));
  } else {
    // The batch's flush comes after all that was made.
    EXPECT_NE(std::find(std::find(log.begin(), log.end(), "linkat"), log.end(), "syncfs"),
              log.end());
  }
}

TEST_P(MaildirFailure, R5321_2_1_01_nothing_is_acknowledged_when_the_flush_fails) {
  FileCalls calls;
  options.threads = 1;  // so that the second message finds the maildir open
  start(directory.path());
  send(*sink, bob(), 1, "before");
  ASSERT_TRUE(wait_for(1));
  const bool portable = GetParam() == MaildirSync::portable;
  calls.fail(portable ? "fsync" : "syncfs", EIO);
  calls.clear_log();
  send(*sink, bob(), 2, "lost");
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(outcome(2).disposition, Disposition::local_error);
  EXPECT_NE(outcome(2).cause.find(mailbox("bob")), std::string::npos) << outcome(2).cause;
  EXPECT_TRUE(outcome(2).cause.ends_with(": Input/output error")) << outcome(2).cause;
  EXPECT_EQ(files_below(directory.path()).size(), 1u);
  const std::vector<std::string> log = calls.log();
  EXPECT_EQ(std::count(log.begin(), log.end(), portable ? "fsync file" : "syncfs"), 1)
      << "a failed flush must not be tried again";
  calls.fail("", 0);
  send(*sink, bob(), 3, "after");
  ASSERT_TRUE(wait_for(3));
  EXPECT_TRUE(host.taken_over(3));
  EXPECT_EQ(files_below(directory.path()).size(), 2u);
}

TEST_P(MaildirFailure, names_are_withdrawn_when_their_directory_cannot_be_flushed) {
  FileCalls calls;
  options.threads = 1;  // so that the second message finds the maildir open
  start(directory.path());
  send(*sink, bob(), 1, "before");
  ASSERT_TRUE(wait_for(1));
  const bool portable = GetParam() == MaildirSync::portable;
  // Hold the message where its name is about to be put, so that only what follows fails.
  calls.hold(portable ? "renameat2" : "linkat");
  send(*sink, bob(), 2, "lost");
  ASSERT_TRUE(loop_until(*sink, [&] { return calls.holding(); }));
  calls.fail(portable ? "fsync" : "syncfs", ENOSPC);
  calls.release();
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(outcome(2).disposition, Disposition::storage_full);
  EXPECT_EQ(only_message(mailbox("bob")), trace_lf + "before");
  // That the name is gone from the disk too nobody can say now, and the operator is told.
  ASSERT_EQ(host.notes.size(), 1u);
  EXPECT_NE(host.notes[0].find(mailbox("bob")), std::string::npos) << host.notes[0];
}

TEST_P(MaildirFailure, data_that_does_not_reach_the_disk_gets_no_name) {
  FileCalls calls;
  start(directory.path());
  calls.fail(settling() == "fsync" ? "renameat2" : settling(), EIO);
  send(*sink, bob(), 1, "x");
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(outcome(1).disposition, Disposition::local_error);
  EXPECT_TRUE(files_below(directory.path()).empty());
}

// Without CAP_DAC_READ_SEARCH, before Linux 6.10.
TEST_P(MaildirFailure, files_are_named_by_way_of_proc_where_the_descriptor_alone_will_not_do) {
  FileCalls calls;
  start(directory.path());
  calls.fail("linkat by descriptor", ENOENT);
  for (SinkToken token = 1; token <= 3; ++token) {
    send(*sink, bob(), token, "x");
    ASSERT_TRUE(wait_for(token));
    EXPECT_TRUE(host.taken_over(token));
  }
  EXPECT_EQ(files_below(directory.path()).size(), 3u);
}

TEST_P(MaildirFailure, abort_before_the_name_is_put_delivers_nothing) {
  FileCalls calls;
  start(directory.path());
  calls.hold(settling());
  SinkMessage* const message = send(*sink, bob(), 1, "x");
  ASSERT_TRUE(loop_until(*sink, [&] { return calls.holding(); }));
  EXPECT_FALSE(host.receipts.contains(1)) << "acknowledged before the data was durable";
  sink->abort(message);
  calls.release();
  sink.reset();
  EXPECT_TRUE(files_below(directory.path()).empty());
  EXPECT_TRUE(host.notes.empty());
}

TEST_P(MaildirFailure, X_10_abort_during_the_flush_is_noted_with_the_message) {
  FileCalls calls;
  SinkMessage* message = nullptr;
  ASSERT_NO_FATAL_FAILURE(hold_second_at_its_flush(calls, message));
  EXPECT_FALSE(host.receipts.contains(2)) << "acknowledged before the name was durable";
  sink->abort(message);
  calls.release();
  ASSERT_TRUE(loop_until(*sink, [&] { return !host.notes.empty(); }));
  EXPECT_FALSE(host.receipts.contains(2));
  EXPECT_NE(host.notes[0].find(mailbox("bob")), std::string::npos) << host.notes[0];
  EXPECT_EQ(files_below(directory.path()).size(), 2u);
}

TEST_P(MaildirFailure, a_stalled_disk_holds_a_bounded_amount) {
  FileCalls calls;
  test::SliceSource slices(256, 4096);
  options.threads = 1;
  start(directory.path());
  calls.hold(settling());
  send(*sink, bob(), 1, "x");
  ASSERT_TRUE(loop_until(*sink, [&] { return calls.holding(); }));
  Receipt refusal;
  const TestEnvelope envelope = bob();
  SinkMessage* const message = sink->open(envelope.get(), 2, refusal);
  Flow flow = Flow::go_on;
  std::size_t appended = 0;
  while (flow == Flow::go_on && slices.available()) {
    flow = sink->append(message, slices.slice(std::string(4096, 'x')));
    appended += 4096;
    sink->poll();
  }
  EXPECT_EQ(flow, Flow::pause);
  EXPECT_LE(appended, options.hold_limit_bytes + 4096);
  calls.release();
  ASSERT_TRUE(loop_until(*sink, [&] { return host.drained_count[2] == 1; }));
  sink->commit(message);
  ASSERT_TRUE(wait_for(1) && wait_for(2));
  EXPECT_TRUE(host.taken_over(1) && host.taken_over(2));
}

}  // namespace
}  // namespace gatepost
