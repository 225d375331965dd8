// gatepost-simulate: runs whole shards on a simulated kernel, by seed.

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "commit.hpp"
#include "fmt/format.h"
#include "simulation/shrink.hpp"
#include "simulation/world.hpp"

// Fibers that were killed never leave their stacks, which the sanitizer's fake stacks would keep.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the sanitizer's name for it
extern "C" const char* __asan_default_options() {
  return "detect_stack_use_after_return=0:detect_leaks=0";
}

namespace gatepost::simulation {
namespace {

struct Arguments {
  std::uint64_t seed = 1;
  std::uint64_t runs = 1;
  std::uint64_t step = 1;
  double seconds = 0;
  RunOptions run;
  std::vector<std::string> without;
  bool shrink = false;
  bool quiet = false;
  bool coverage = false;
  bool twice = false;
  std::string coverage_file;
  std::string junit_file;
  std::string seeds_file;
  std::vector<std::string> merged_files;
};

// Where the recipients are listed: a file that is needed for a moment only.
std::unique_ptr<policy::RecipientDirectory> recipient_directory() {
  char path[] = "/tmp/gatepost-simulate-XXXXXX";
  const int fd = mkstemp(path);
  if (fd < 0) return nullptr;
  std::string text = "@everyone.example\npostmaster@example.org\n";
  for (int user = 0; user < 10; ++user) text += fmt::format("user{}@example.org\n", user);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  policy::RecipientSettings settings;
  settings.accept_domains = {"example.org", "everyone.example"};
  settings.recipients_file = path;
  auto opened = policy::RecipientDirectory::open(settings);
  unlink(path);
  if (!written || !opened) return nullptr;
  return std::move(opened.value());
}

std::string command_for(const RunOptions& run) {
  std::string out = fmt::format("tools/simulate --seed {}", run.seed);
  if (!run.profile.empty()) out += " --profile " + run.profile;
  if (run.steps_max > 0) out += fmt::format(" --steps {}", run.steps_max);
  if (!run.clients.empty()) out += fmt::format(" --clients {}", fmt::join(run.clients, ","));
  for (const Fault fault : run.without) out += fmt::format(" --without {}", name_of(fault));
  return out;
}

void print_failure(const RunOptions& run, const RunResult& result) {
  std::printf("%s", result.last_events.c_str());
  std::printf("\nFAILED  seed %llu  profile %s  commit %s  event %llu, %.3f simulated seconds\n",
              static_cast<unsigned long long>(run.seed), result.profile.c_str(), simulated_commit,
              static_cast<unsigned long long>(result.events), result.simulated_seconds);
  for (const Record::Violation& violation : result.violations)
    std::printf("  check %d: %s\n", violation.check, violation.text.c_str());
  std::printf("again: %s\n", command_for(run).c_str());
}

void print_success(const RunOptions& run, const RunResult& result) {
  std::printf(
      "seed %llu  %-10s  %llu events  %.0f s simulated  %u lives  %llu messages begun: %llu "
      "accepted, %llu refused, %llu unanswered; %llu stored  digest %016llx\n",
      static_cast<unsigned long long>(run.seed), result.profile.c_str(),
      static_cast<unsigned long long>(result.events), result.simulated_seconds, result.processes,
      static_cast<unsigned long long>(result.attempts),
      static_cast<unsigned long long>(result.accepted),
      static_cast<unsigned long long>(result.refused),
      static_cast<unsigned long long>(result.unanswered),
      static_cast<unsigned long long>(result.stored),
      static_cast<unsigned long long>(result.digest));
}

// One test case a seed, as tools/test counts them.
class JunitReport {
 public:
  explicit JunitReport(const std::string& path) : path_(path) {}
  ~JunitReport() {
    if (path_.empty()) return;
    std::ofstream(path_) << "<testsuite name=\"simulation\">\n" << cases_ << "</testsuite>\n";
  }
  JunitReport(const JunitReport&) = delete;
  JunitReport& operator=(const JunitReport&) = delete;

  void add(const RunOptions& run, const RunResult& result) {
    cases_ += fmt::format("<testcase classname=\"simulation.{}\" name=\"seed {}\">", result.profile,
                          run.seed);
    if (result.failed())
      cases_ += fmt::format("<failure message=\"check {}\"/>", result.violations.front().check);
    cases_ += "</testcase>\n";
  }

 private:
  const std::string path_;
  std::string cases_;
};

// The lines `PROFILE SEED` of a file; `#` begins a comment.
Result<std::vector<RunOptions>> read_seeds(const std::string& path, const RunOptions& common) {
  std::ifstream file(path);
  if (!file) return Error{"cannot read " + path};
  std::vector<RunOptions> runs;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    RunOptions run = common;
    if (!(words >> run.profile)) continue;
    if (!is_profile(run.profile) || !(words >> run.seed))
      return Error{fmt::format("{}: not a profile and a seed: {}", path, line)};
    runs.push_back(run);
  }
  return runs;
}

int merge_coverage(const std::vector<std::string>& files) {
  Coverage coverage;
  std::uint64_t seeds = 0;
  std::uint64_t events = 0;
  double hours = 0;
  for (const std::string& path : files) {
    std::ifstream file(path);
    std::uint64_t done = 0;
    std::uint64_t happened = 0;
    double seconds = 0;
    std::string rest;
    file >> done >> happened >> seconds;
    file.ignore();
    if (!file || !std::getline(file, rest) || !coverage.add_serialized(rest)) {
      std::fprintf(stderr, "gatepost-simulate: %s is not a coverage file\n", path.c_str());
      return 2;
    }
    seeds += done;
    events += happened;
    hours += seconds / 3600;
  }
  std::printf("%s\n%llu seeds, %llu events, %.1f simulated hours\n", coverage.table().c_str(),
              static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(events),
              hours);
  return 0;
}

int run_seeds(const Arguments& arguments, const policy::RecipientDirectory& directory) {
  const auto begun = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  };
  std::vector<RunOptions> listed;
  if (!arguments.seeds_file.empty()) {
    auto read = read_seeds(arguments.seeds_file, arguments.run);
    if (!read) {
      std::fprintf(stderr, "gatepost-simulate: %s\n", read.error().c_str());
      return 2;
    }
    listed = std::move(read.value());
  }
  // Whether there is a run of this number, and which.
  const auto plan = [&](std::uint64_t number, RunOptions& run) {
    if (!arguments.seeds_file.empty()) {
      if (number < listed.size()) run = listed[number];
      return number < listed.size();
    }
    run = arguments.run;
    run.seed = arguments.seed + number * arguments.step;
    return arguments.seconds > 0 ? elapsed() < arguments.seconds : number < arguments.runs;
  };
  JunitReport junit(arguments.junit_file);
  // One failure is enough, unless the time was given or all of it is to be reported.
  const bool goes_on = arguments.seconds > 0 || !arguments.junit_file.empty();
  std::uint64_t failed = 0;
  Coverage coverage;
  std::uint64_t done = 0;
  std::uint64_t events = 0;
  double simulated = 0;
  RunOptions run;
  while ((failed == 0 || goes_on) && plan(done, run)) {
    RunResult result = run_world(run, directory, coverage);
    if (arguments.twice && !result.failed()) {
      Coverage unused;
      if (run_world(run, directory, unused).digest != result.digest)
        result.violations.push_back(
            {checks::invariant, "a second run of the seed was another one", result.events});
    }
    ++done;
    events += result.events;
    simulated += result.simulated_seconds;
    junit.add(run, result);
    if (result.failed()) {
      print_failure(run, result);
      if (arguments.shrink && failed == 0) shrink(run, result, directory, command_for);
      ++failed;
    } else if (!arguments.quiet) {
      print_success(run, result);
    }
  }
  if (done > 1)
    std::printf("%llu seeds: %llu events, %.1f simulated hours in %.1f s, %llu failed\n",
                static_cast<unsigned long long>(done), static_cast<unsigned long long>(events),
                simulated / 3600, elapsed(), static_cast<unsigned long long>(failed));
  if (arguments.coverage) std::printf("\n%s", coverage.table().c_str());
  if (!arguments.coverage_file.empty())
    std::ofstream(arguments.coverage_file) << done << ' ' << events << ' ' << simulated << '\n'
                                           << coverage.serialized() << '\n';
  return failed == 0 ? 0 : 1;
}

std::string profiles_text() {
  std::string out = "Profiles:\n";
  for (const ProfileName& each : profile_names())
    out += fmt::format("  {:<12} {}\n", each.name, each.description);
  out += "Faults for --without:\n ";
  for (std::size_t i = 0; i < fault_count; ++i)
    out += fmt::format(" {}", name_of(static_cast<Fault>(i)));
  return out;
}

}  // namespace

int main_simulate(int argc, char** argv) {
  Arguments arguments;
  CLI::App app(
      "Runs whole shards of the gateway, unchanged, on a simulated kernel, network and disk, with "
      "faults and crashes by seed, and checks what clients and stores see. The same seed gives the "
      "same run, event for event.");
  app.footer(profiles_text());
  app.add_option("--seed", arguments.seed, "The (first) seed")->capture_default_str();
  app.add_option("--runs", arguments.runs, "How many seeds, counting up")->capture_default_str();
  app.add_option("--step", arguments.step, "From one seed to the next")->capture_default_str();
  app.add_option("--seeds-file", arguments.seeds_file,
                 "Run the lines `PROFILE SEED` of a file instead");
  app.add_option("--seconds", arguments.seconds,
                 "Go on with new seeds for so long instead, also behind a failure");
  app.add_option("--profile", arguments.run.profile, "Which faults and clients; else by the seed")
      ->check([](const std::string& name) {
        return is_profile(name) ? std::string() : "no such profile; see --help";
      });
  app.add_option("--steps", arguments.run.steps_max,
                 "Let faults and clients end after so many events");
  app.add_option("--clients", arguments.run.clients, "Only these clients, by number")
      ->delimiter(',');
  app.add_option("--without", arguments.without, "Leave out a fault (may be repeated)")
      ->check([](const std::string& name) {
        return fault_named(name) != Fault::count ? std::string() : "no such fault; see --help";
      });
  app.add_flag("--shrink", arguments.shrink,
               "When a seed fails, look for fewer clients, faults and events that fail too");
  app.add_flag("--twice", arguments.twice, "Run each seed again, which must give the same run");
  app.add_flag("--verbose", arguments.run.verbose, "Print every event");
  app.add_flag("--quiet", arguments.quiet, "No line for seeds that pass");
  app.add_flag("--coverage", arguments.coverage, "Print which faults struck in which states");
  app.add_option("--coverage-file", arguments.coverage_file, "Write it to a file, for --merge");
  app.add_option("--merge", arguments.merged_files, "Run nothing; print the sum of coverage files");
  app.add_option("--junit", arguments.junit_file,
                 "Write a report with a case for each seed, and go on behind failures");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  for (const std::string& name : arguments.without)
    arguments.run.without.push_back(fault_named(name));
  if (!arguments.merged_files.empty()) return merge_coverage(arguments.merged_files);
  const auto directory = recipient_directory();
  if (directory == nullptr) {
    std::fprintf(stderr, "gatepost-simulate: cannot write a file in /tmp\n");
    return 2;
  }
  return run_seeds(arguments, *directory);
}

}  // namespace gatepost::simulation

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  return gatepost::simulation::main_simulate(argc, argv);
}
