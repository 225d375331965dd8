// gatepost-load: sends mail to measure a server, or verifies what a server stored.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <ctime>
#include <optional>
#include <thread>
#include <vector>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "load/body.hpp"
#include "load/engine.hpp"
#include "load/options.hpp"
#include "load/report.hpp"
#include "load/verify.hpp"

namespace gatepost::load {
namespace {

constexpr int exit_unusable = 2;

std::atomic<int> stop_requests{0};
static_assert(std::atomic<int>::is_always_lock_free);

void on_signal(int) {
  stop_requests.fetch_add(1, std::memory_order_relaxed);
}

void install_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// RFC 5322 §3.3, in UTC. Not strftime(3), whose names follow the locale.
std::string date_now() {
  std::time_t now = std::time(nullptr);
  std::tm t{};
  gmtime_r(&now, &t);
  constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000", days[t.tm_wday], t.tm_mday,
                     months[t.tm_mon], 1900 + t.tm_year, t.tm_hour, t.tm_min, t.tm_sec);
}

// What tells the messages of this run from those of any other one on this host. Always of one
// length (a pid is below 2^22, proc(5)), so that the smallest message is known before.
std::string run_name() {
  std::string name = fmt::format("{:013x}{:06x}", SystemClock::wall_us(), getpid());
  GP_CHECK(name.size() == run_name_length);
  return name;
}

double cpu_seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

void show_progress(const std::vector<Progress>& progress, double seconds, std::uint64_t& before) {
  std::uint64_t acknowledged = 0, octets = 0, faults = 0, connected = 0;
  for (const Progress& p : progress) {
    acknowledged += p.acknowledged;
    octets += p.octets;
    faults += p.faults;
    connected += p.connected;
  }
  fmt::print(stderr,
             "\r\x1b[K{:.0f} s  {} acknowledged  {}/s  {:.1f} MB  {} connections  {} errors",
             seconds, acknowledged, acknowledged - before, static_cast<double>(octets) / 1e6,
             connected, faults);
  std::fflush(stderr);
  before = acknowledged;
}

int complain(const std::string& text) {
  fmt::print(stderr, "gatepost-load: {}\n", text);
  return exit_unusable;
}

int run_load(RunOptions options) {
  // The connections' descriptors; the hard limit was checked with the flags.
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  BodyText text(options.seed);
  options.session.text = &text;
  std::unique_ptr<Ledger> ledger;
  if (!options.ledger.empty()) {
    auto opened = Ledger::open(options.ledger);
    if (!opened) return complain(opened.error());
    ledger = std::move(opened.value());
  }

  install_signals();
  std::string name = run_name(), date = date_now();
  std::vector<Progress> progress(options.threads);
  std::vector<std::optional<Result<Tally>>> results(options.threads);
  std::atomic<unsigned> running{options.threads};
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  MonotonicNs start = SystemClock::monotonic_ns();
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < options.threads; ++i) {
    threads.emplace_back([&, i] {
      Engine engine(options, i, name, date, ledger.get(), stop_requests, progress[i]);
      results[i].emplace(engine.run());
      if (running.fetch_sub(1) == 1) running.notify_all();
    });
  }
  bool shows = options.progress && isatty(STDERR_FILENO) == 1;
  std::uint64_t shown = 0;
  MonotonicNs next = start + 1000 * ns_per_ms;
  while (shows && running.load() > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    MonotonicNs now = SystemClock::monotonic_ns();
    if (now < next) continue;
    next += 1000 * ns_per_ms;
    show_progress(progress, static_cast<double>(now - start) / 1e9, shown);
  }
  for (std::thread& thread : threads) thread.join();
  RunResult result;
  result.seconds = static_cast<double>(SystemClock::monotonic_ns() - start) / 1e9;
  getrusage(RUSAGE_SELF, &after);
  result.cpu_user_seconds = cpu_seconds(after.ru_utime) - cpu_seconds(before.ru_utime);
  result.cpu_seconds =
      result.cpu_user_seconds + cpu_seconds(after.ru_stime) - cpu_seconds(before.ru_stime);
  if (shows) fmt::print(stderr, "\r\x1b[K");
  for (auto& each : results) {
    if (!each->ok()) return complain(each->error());
    result.tally.add(each->value());
  }
  fmt::print("{}", options.json ? json(options, result) : table(options, result));
  return exit_code_of(options, result);
}

int run_verify(const VerifyOptions& options) {
  auto result = verify(options);
  if (!result) return complain(result.error());
  fmt::print("{}", verify_summary(result.value()));
  return result.value().verified() ? 0 : 1;
}

}  // namespace
}  // namespace gatepost::load

int main(int argc, char** argv) {
  using namespace gatepost::load;
  CommandLine line = parse_command_line(argc, argv);
  if (line.verify) return run_verify(*line.verify);
  if (line.run) return run_load(std::move(*line.run));
  if (line.exit_code != 0) return complain(line.message);
  fmt::print("{}", line.message);
  return 0;
}
