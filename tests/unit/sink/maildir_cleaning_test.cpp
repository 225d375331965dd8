#include "sink/maildir_cleaning.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "sink_harness.hpp"

namespace gatepost {
namespace {

using test::files_below;

// The pid of a process that has ended.
std::uint32_t dead_pid() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  return static_cast<std::uint32_t>(child);
}

class MaildirCleaning : public testing::Test {
 protected:
  std::string left_by(const ProcessIdentity& writer) const {
    std::string name;
    append_file_name(name, writer, 1'700'000'000'000'000, 1, MessageIdGenerator(0).next(1));
    return name;
  }
  void put(const std::string& path) const {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << "partial";
  }

  test::TemporaryDirectory directory;
  ProcessIdentity self = ProcessIdentity::current("mx.example.org");
  ProcessIdentity crashed = [this] {
    ProcessIdentity writer = self;
    writer.pid = dead_pid();
    return writer;
  }();
};

TEST_F(MaildirCleaning, removes_only_stale_files_and_only_from_tmp) {
  const std::string mailbox = directory.path() + "/example.org/bob";
  put(mailbox + "/tmp/" + left_by(crashed));
  put(mailbox + "/tmp/" + left_by(self));
  put(mailbox + "/tmp/1700000000.foreign.other");
  put(mailbox + "/new/" + left_by(crashed));
  put(mailbox + "/cur/" + left_by(crashed));
  put(mailbox + "/" + left_by(crashed));
  put(directory.path() + "/tmp/" + left_by(crashed));  // not where the template has maildirs
  put(directory.path() + "/example.org/bob/.Folder/tmp/" + left_by(crashed));
  const MaildirTemplate where =
      MaildirTemplate::parse(directory.path() + "/{domain}/{local-part}").value();
  const std::atomic<bool> stop{false};
  const CleaningResult result = clean_maildirs(where, self, stop);
  EXPECT_EQ(result.removed, 1u);
  EXPECT_EQ(result.maildirs, 1u);
  EXPECT_EQ(files_below(directory.path()).size(), 7u);
  EXPECT_FALSE(std::filesystem::exists(mailbox + "/tmp/" + left_by(crashed)));
}

TEST_F(MaildirCleaning, follows_literal_components_and_templates_without_placeholders) {
  put(directory.path() + "/a/{address}x/inbox/tmp/" + left_by(crashed));
  put(directory.path() + "/a/u@d/Maildir/tmp/" + left_by(crashed));
  put(directory.path() + "/a/u@d/Other/tmp/" + left_by(crashed));
  const std::atomic<bool> stop{false};
  EXPECT_EQ(
      clean_maildirs(MaildirTemplate::parse(directory.path() + "/a/{address}/Maildir").value(),
                     self, stop)
          .removed,
      1u);
  EXPECT_EQ(
      clean_maildirs(MaildirTemplate::parse(directory.path() + "/a/u@d/Other").value(), self, stop)
          .removed,
      1u);
  EXPECT_EQ(files_below(directory.path()).size(), 1u);
}

TEST_F(MaildirCleaning, stops_when_told_and_bears_a_missing_root) {
  put(directory.path() + "/example.org/tmp/" + left_by(crashed));
  const std::atomic<bool> stop{true};
  const MaildirTemplate where = MaildirTemplate::parse(directory.path() + "/{domain}").value();
  EXPECT_EQ(clean_maildirs(where, self, stop).removed, 0u);
  const std::atomic<bool> go_on{false};
  EXPECT_EQ(
      clean_maildirs(MaildirTemplate::parse("/nonexistent/{domain}").value(), self, go_on).maildirs,
      0u);
}

TEST_F(MaildirCleaning, the_first_shards_sink_cleans_and_the_others_do_not) {
  const std::string stale = directory.path() + "/example.org/tmp/" + left_by(crashed);
  test::RecordingHost host;
  put(stale);
  test::make_maildir(directory.path() + "/{domain}", host, {}, 1).reset();
  EXPECT_TRUE(std::filesystem::exists(stale));
  const std::unique_ptr<Sink> sink =
      test::make_maildir(directory.path() + "/{domain}", host, {}, 0);
  EXPECT_TRUE(test::loop_until(*sink, [&] { return !std::filesystem::exists(stale); }));
}

}  // namespace
}  // namespace gatepost
