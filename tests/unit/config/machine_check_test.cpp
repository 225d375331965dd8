#include "config/machine_check.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "command_line_for_test.hpp"

namespace gatepost::config {
namespace {

constexpr uid_t nobody = 65534;

// Every check of it is written to stderr as the operator sees it.
std::string checked(std::vector<std::string> arguments, int exit_code,
                    const Machine& machine = {.hostname = "", .cores = 4}) {
  for (const char* argument : {"--check-config", "--accept-domain", "a.example"})
    arguments.push_back(argument);
  Parsed parsed = parse(arguments, machine);
  EXPECT_FALSE(parsed.run);
  EXPECT_EQ(parsed.exit_code, exit_code) << parsed.err;
  EXPECT_EQ(parsed.out, exit_code == 0 ? "configuration ok\n" : "");
  return parsed.err;
}

class MachineCheck : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::path(testing::TempDir()) / "machine_check.XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    // Reached by nobody, too, where the folder above lets them.
    chmod(folder_.c_str(), 0755);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The sink in a directory below the test's folder.
  std::string sink(const std::string& root) const {
    return "maildir:" + folder_ + "/" + root + "/{domain}/{local-part}";
  }
  std::string fine_sink() const { return sink("mail"); }

  std::string folder_;
};

// Rights do not bind root.
class AsNobody {
 public:
  AsNobody() { changed_ = geteuid() == 0 && seteuid(nobody) == 0; }
  ~AsNobody() {
    if (changed_ && seteuid(0) != 0) std::abort();
  }

 private:
  bool changed_ = false;
};

TEST_F(MachineCheck, finds_nothing_wrong_with_a_sink_that_can_be_made_and_makes_nothing) {
  EXPECT_EQ(checked({"--sink", sink("some/where/deep")}, 0), "");
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/some"));
}

TEST_F(MachineCheck, a_sink_below_a_file) {
  std::ofstream(folder_ + "/file") << "x";
  EXPECT_EQ(checked({"--sink", sink("file")}, 2),
            "gatepost: --sink " + sink("file") + ": " + folder_ + "/file: Not a directory\n");
  EXPECT_EQ(
      checked({"--sink", sink("file/mail")}, 2),
      "gatepost: --sink " + sink("file/mail") + ": " + folder_ + "/file/mail: Not a directory\n");
}

TEST_F(MachineCheck, a_sink_that_cannot_be_made_fails_the_start) {
  chmod(folder_.c_str(), 0555);
  AsNobody as;
  EXPECT_EQ(checked({"--sink", sink("a/b")}, 2), "gatepost: --sink " + sink("a/b") +
                                                     ": cannot make directories in " + folder_ +
                                                     ": Permission denied\n");
}

TEST_F(MachineCheck, a_sink_at_the_top_of_the_tree) {
  AsNobody as;
  const std::string sink = "maildir:/no_such_mail_directory/{domain}/{local-part}";
  EXPECT_EQ(checked({"--sink", sink}, 2),
            "gatepost: --sink " + sink + ": cannot make directories in /: Permission denied\n");
}

TEST_F(MachineCheck, a_sink_that_writes_nothing_needs_no_directory) {
  EXPECT_EQ(checked({"--sink", "discard:"}, 0),
            "warning: --sink discard: answers 250 and throws all mail away\n");
}

TEST_F(MachineCheck, a_sink_that_cannot_be_searched_fails_the_start) {
  std::filesystem::create_directory(folder_ + "/mail");
  chmod((folder_ + "/mail").c_str(), 0000);
  AsNobody as;
  EXPECT_EQ(checked({"--sink", fine_sink()}, 2),
            "gatepost: --sink " + fine_sink() + ": " + folder_ + "/mail: Permission denied\n");
}

TEST_F(MachineCheck, a_sink_that_takes_no_new_maildirs_is_warned_of) {
  std::filesystem::create_directory(folder_ + "/mail");
  chmod((folder_ + "/mail").c_str(), 0555);
  AsNobody as;
  EXPECT_EQ(checked({"--sink", fine_sink()}, 0), "warning: --sink " + fine_sink() +
                                                     ": cannot make maildirs in " + folder_ +
                                                     "/mail: Permission denied\n");
}

TEST_F(MachineCheck, what_the_kernel_has_not) {
  const std::vector<std::string> sink_only{"--sink", fine_sink()};
  const auto with = [&](const char* flag, const char* value) {
    return std::vector<std::string>{"--sink", fine_sink(), flag, value};
  };
  const Machine old{.hostname = "", .cores = 4};
  EXPECT_EQ(checked(sink_only, 0, old), "");
  EXPECT_EQ(checked(with("--buffer-mode", "bundle"), 2, old),
            "gatepost: --buffer-mode bundle: this kernel has no receive bundles (Linux 6.10); use "
            "auto\n");
  EXPECT_EQ(checked(with("--buffer-mode", "incremental"), 2, old),
            "gatepost: --buffer-mode incremental: this kernel has no incremental buffers (Linux "
            "6.12); use auto\n");
  EXPECT_EQ(checked(with("--direct-descriptors", "on"), 2, old),
            "gatepost: --direct-descriptors on: this kernel can't tell their peers (Linux 6.7); "
            "use auto\n");

  Machine recent = old;
  recent.probe_ring = [] {
    return Result<ring::Features>(
        ring::Features{.recv_bundle = true, .incremental_buffers = true, .socket_commands = true});
  };
  EXPECT_EQ(checked(with("--buffer-mode", "bundle"), 0, recent), "");
  EXPECT_EQ(checked(with("--buffer-mode", "incremental"), 0, recent), "");
  EXPECT_EQ(checked(with("--direct-descriptors", "on"), 0, recent), "");

  Machine forbidden = old;
  forbidden.probe_ring = []() -> Result<ring::Features> { return Error{"io_uring is forbidden"}; };
  EXPECT_EQ(checked(sink_only, 2, forbidden), "gatepost: io_uring is forbidden\n");
}

TEST_F(MachineCheck, too_few_descriptors) {
  Machine small{.hostname = "", .cores = 1, .descriptors_max = 1000};
  const std::string warned =
      checked({"--sink", fine_sink(), "--max-connections", "5000"}, 0, small);
  EXPECT_EQ(warned.rfind("warning: RLIMIT_NOFILE leaves room for ", 0), 0u) << warned;
  EXPECT_NE(warned.find(" connections, not the 5000 of --max-connections"), std::string::npos)
      << warned;
  EXPECT_EQ(checked({"--sink", fine_sink(), "--max-connections", "500"}, 0, small), "");
  small.descriptors_max = 10;
  EXPECT_EQ(
      checked({"--sink", fine_sink()}, 2, small)
          .rfind("gatepost: RLIMIT_NOFILE is 10: so many shards (1) and addresses (1) need ", 0),
      0u);
}

TEST_F(MachineCheck, tells_all_it_finds_a_line_each) {
  std::ofstream(folder_ + "/file") << "x";
  const std::string none = folder_ + "/none";
  std::ofstream(none) << "# nobody\n";
  const std::string found = checked({"--sink", sink("file"), "--buffer-mode", "bundle",
                                     "--recipients", none, "--message-size-limit", "10K"},
                                    2);
  EXPECT_EQ(std::count(found.begin(), found.end(), '\n'), 4) << found;
  for (const char* wanted : {"gatepost: --sink ", "gatepost: --buffer-mode bundle",
                             "warning: --message-size-limit 10K", "warning: --recipients "})
    EXPECT_NE(found.find(wanted), std::string::npos) << wanted << " in\n" << found;
}

}  // namespace
}  // namespace gatepost::config
