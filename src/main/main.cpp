// gatepost: wires everything together, once, and waits for signals.
//
//   flags -> Config -> SessionConfig, recipients, client rules
//                   -> event log, metrics page            (threads of their own)
//                   -> per shard: listeners, counters, log writer, Shard, Sink
//
// SIGTERM and SIGINT drain, a second one stops at once; SIGHUP reads the recipients anew.

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <future>
#include <memory>
#include <system_error>
#include <thread>

#include "config/command_line.hpp"
#include "config/descriptor_plan.hpp"
#include "config/machine_check.hpp"
#include "config/start_block.hpp"
#include "config/warnings.hpp"
#include "main/listeners.hpp"
#include "main/settings.hpp"
#include "observe/counters.hpp"
#include "observe/event_log.hpp"
#include "observe/metrics_page.hpp"
#include "policy/recipients.hpp"
#include "scan/scanner.hpp"
#include "shard/shard.hpp"
#include "sink/sink_uri.hpp"

namespace gatepost {
namespace {

using config::Config;

int fail(std::string_view text) {
  fmt::print(stderr, "gatepost: {}\n", text);
  return EXIT_FAILURE;
}

struct RunningShard {
  std::unique_ptr<observe::ShardCounters> counters;
  observe::EventWriter* log = nullptr;
  std::unique_ptr<shard::Shard> shard;
  std::thread thread;
  std::future<Result<Done>> outcome;  // of run(); valid until it is looked at
};

class Gateway {
 public:
  explicit Gateway(Config config) : config_(std::move(config)) {}
  ~Gateway() { stop_shards(); }

  int run() {
    block_signals();
    if (auto prepared = prepare(); !prepared) return fail(prepared.error());
    if (auto started = start_shards(); !started) {
      stop_shards();
      return fail(started.error());
    }
    announce();
    wait_for_end();
    stop_shards();
    say(observe::LogLevel::info, "stopped");
    return failed_ ? EXIT_FAILURE : EXIT_SUCCESS;
  }

 private:
  void block_signals() {
    sigemptyset(&signals_);
    for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals_, signal);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);  // every thread inherits it
    ::signal(SIGPIPE, SIG_IGN);
  }

  // What wait_for_end() waits for, made before anybody is served.
  Result<Done> open_wake_ups() {
    ended_fd_ = eventfd(0, EFD_CLOEXEC);
    if (ended_fd_ < 0) return Error{fmt::format("eventfd: {}", std::strerror(errno))};
    signal_fd_ = signalfd(-1, &signals_, SFD_CLOEXEC);
    if (signal_fd_ < 0) return Error{fmt::format("signalfd: {}", std::strerror(errno))};
    return Done{};
  }

  // All that can fail before anything serves.
  Result<Done> prepare() {
    // First, because nothing works without descriptors.
    auto plan = config::plan_descriptors(config_, raise_descriptor_limit());
    if (!plan) return Error{plan.error()};
    plan_ = plan.value();
    if (std::string warning = config::plan_warning(config_, plan_); !warning.empty())
      warnings_.push_back({observe::LogLevel::warn, std::move(warning)});
    config_.max_connections = plan_.connections_max;
    if (auto opened = open_wake_ups(); !opened) return opened;
    if (config_.simd) scan::select_kernel(*config_.simd);
    auto features = ring::Ring::probe();
    if (!features) return Error{features.error()};
    features_ = features.value();
    if (auto fine = config::check_features(config_, features_); !fine) return fine;
    if (auto fine = check_memory(config_, plan_); !fine) return fine;
    session_ = std::make_shared<smtp::SessionConfig>(session_settings(config_));
    auto directory = policy::RecipientDirectory::open(config_.recipients);
    if (!directory) return Error{directory.error()};
    recipients_ = std::move(directory.value());
    clients_.denied = config_.deny_client;
    clients_.bare_newline_tolerated = config_.bare_newline_exceptions;
    counts_ = std::make_unique<policy::ConnectionCounts>(policy::ConnectionLimits{
        config_.max_connections, config_.max_connections_per_ip, config_.client_ipv6_prefix_bits});
    for (std::size_t verb = 0; verb < smtp::verb_count; ++verb)
      verb_names_.push_back(smtp::verb_name(static_cast<smtp::Verb>(verb)));
    observe::EventLog::Options log_options;
    log_options.format = config_.log_format;
    log_options.level = config_.log_level;
    log_options.verb_names = verb_names_;
    auto log = observe::EventLog::start(std::move(log_options));
    if (!log) return Error{log.error()};
    log_ = std::move(log.value());
    process_log_ = &log_->add_writer(-1);
    return Done{};
  }

  Result<Done> start_shards() {
    std::vector<std::vector<shard::Listener>> by_shard(config_.shards);
    for (config::ListenAddress& address : config_.listen) {
      auto listeners = listen_on(address, config_.shards);
      if (!listeners) return Error{listeners.error()};
      address.port = port_of(listeners.value().front());
      for (unsigned i = 0; i < config_.shards; ++i) by_shard[i].push_back(listeners.value()[i]);
    }
    auto spec = parse_sink_uri(config_.sink);
    if (!spec) return Error{fmt::format("--sink {}: {}", config_.sink, spec.error())};
    std::vector<int> cpus = allowed_cpus();

    for (unsigned i = 0; i < config_.shards; ++i) {
      RunningShard running;
      running.counters = std::make_unique<observe::ShardCounters>();
      running.log = &log_->add_writer(static_cast<int>(i));
      shard::Options options = shard_options(config_, plan_, i, features_);
      direct_descriptors_ = options.direct_descriptors;
      buffer_mode_ = options.buffer_mode;
      if (config_.pin == config::Choice::on && !cpus.empty()) options.cpu = cpus[i % cpus.size()];
      shard::Surroundings with{session_,      recipients_.get(), &clients_,
                               counts_.get(), running.log,       running.counters.get()};
      running.shard = std::make_unique<shard::Shard>(options, std::move(with), by_shard[i]);
      auto sink = create_sink(spec.value(), sink_options(config_, plan_), i, *running.shard);
      if (!sink) return Error{fmt::format("--sink {}: {}", config_.sink, sink.error())};
      if (i == 0) sink_description_ = sink.value()->description();
      running.shard->attach_sink(std::move(sink.value()));
      shards_.push_back(std::move(running));
    }
    if (auto page = start_metrics(); !page) return page;
    for (RunningShard& running : shards_) {
      if (auto started = start_thread(running); !started) return started;
    }
    return Done{};
  }

  // Returns when the shard serves, or has failed to.
  Result<Done> start_thread(RunningShard& running) {
    std::promise<Result<Done>> ready;
    auto set_up = ready.get_future();
    // The thread owns the promise: it may still be at work on it when the future has its value.
    std::packaged_task<Result<Done>()> task(
        [ready = std::move(ready), shard = running.shard.get()]() mutable noexcept {
          return shard->run([&ready](const Result<Done>& result) { ready.set_value(result); });
        });
    running.outcome = task.get_future();
    try {
      running.thread = std::thread([task = std::move(task), fd = ended_fd_]() mutable {
        task();
        eventfd_write(fd, 1);
      });
    } catch (const std::system_error& error) {
      return Error{fmt::format("cannot start a shard's thread: {}", error.what())};
    }
    return set_up.get();
  }

  Result<Done> start_metrics() {
    if (!config_.metrics_listen) return Done{};
    if (auto free = check_free("metrics-listen", *config_.metrics_listen); !free) return free;
    observe::MetricsPage::Options options;
    options.address = config_.metrics_listen->host;
    options.port = config_.metrics_listen->port;
    for (const RunningShard& running : shards_) {
      options.source.shards.push_back(running.counters.get());
      options.source.log_writers.push_back(running.log);
    }
    options.source.verb_names = verb_names_;
    options.source.version = config::version;
    options.source.ring_features = {
        {"recv_bundle", buffer_mode_ == ring::BufferMode::bundle},
        {"incremental_buffers", buffer_mode_ == ring::BufferMode::incremental},
        {"direct_descriptors", direct_descriptors_}};
    options.source.buffers_per_shard = config_.buffer_count();
    auto page = observe::MetricsPage::start(std::move(options));
    if (!page) return Error{page.error()};
    metrics_ = std::move(page.value());
    return Done{};
  }

  void announce() {
    config::StartFacts facts;
    utsname name{};
    uname(&name);
    facts.kernel_release = name.release;
    facts.features = features_;
    facts.buffer_mode = buffer_mode_;
    facts.direct_descriptors = direct_descriptors_;
    facts.kernel = scan::selected_kernel();
    facts.sink_description = sink_description_;
    for (const std::string& line : config::start_block(config_, facts))
      say(observe::LogLevel::info, line);
    say(warnings_);
    say(config::flag_warnings(config_));
    say(config::recipient_warnings(config_, *recipients_->table()));
    if (metrics_) metrics_->set_readiness(observe::Readiness::ready);
    sd_notify(0, "READY=1");
    log_->flush();
  }

  // Returns when every shard has ended.
  void wait_for_end() {
    bool draining = false;
    while (shards_running() > 0) {
      pollfd fds[2] = {{signal_fd_, POLLIN, 0}, {ended_fd_, POLLIN, 0}};
      if (poll(fds, 2, -1) < 0) continue;
      if (fds[1].revents != 0) {
        eventfd_t count = 0;
        eventfd_read(ended_fd_, &count);
        note_failures();
      }
      if (fds[0].revents == 0) continue;
      signalfd_siginfo info{};
      if (read(signal_fd_, &info, sizeof info) != sizeof info) continue;
      if (info.ssi_signo == SIGHUP) {
        reload();
      } else if (!draining) {
        draining = true;
        begin_drain();
      } else {
        say(observe::LogLevel::warn, "second signal: stopping at once");
        for (RunningShard& running : shards_) running.shard->stop();
      }
    }
  }

  std::size_t shards_running() const {
    return static_cast<std::size_t>(
        std::count_if(shards_.begin(), shards_.end(),
                      [](const RunningShard& running) { return running.outcome.valid(); }));
  }

  // The part of the connections that the kernel gives to a shard that failed would hang, so that
  // none goes on without the others.
  void note_failures() {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      std::future<Result<Done>>& outcome = shards_[i].outcome;
      if (!outcome.valid() ||
          outcome.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
        continue;
      const Result<Done> result = outcome.get();
      if (result) continue;
      failed_ = true;
      say(observe::LogLevel::error, fmt::format("shard {}: {}", i, result.error()));
      for (RunningShard& running : shards_) running.shard->stop();
    }
  }

  void begin_drain() {
    sd_notify(0, "STOPPING=1");
    say(observe::LogLevel::info,
        fmt::format("draining: no new connections, running transactions have {} s; a second signal "
                    "stops at once",
                    config_.drain_timeout_ms / 1000));
    if (metrics_) metrics_->set_readiness(observe::Readiness::draining);
    for (RunningShard& running : shards_) running.shard->drain();
  }

  void reload() {
    if (auto reloaded = recipients_->reload(); !reloaded)
      return say(observe::LogLevel::error,
                 "recipients not reloaded, the old ones stay: " + reloaded.error());
    const auto table = recipients_->table();
    say(observe::LogLevel::info,
        "recipients reloaded: " + config::recipients_text(config_, *table));
    say(config::recipient_warnings(config_, *table));
  }

  void say(observe::LogLevel level, std::string_view text) {
    process_log_->note(SystemClock::wall_us(), level, text);
  }
  void say(const std::vector<config::Warning>& warnings) {
    for (const config::Warning& warning : warnings) say(warning.level, warning.text);
  }

  void stop_shards() {
    for (RunningShard& running : shards_)
      if (running.shard) running.shard->stop();
    for (RunningShard& running : shards_)
      if (running.thread.joinable()) running.thread.join();
    metrics_.reset();
  }

  Config config_;
  sigset_t signals_{};
  int signal_fd_ = -1;
  int ended_fd_ = -1;  // written to by each shard that ends
  bool failed_ = false;
  config::DescriptorPlan plan_;
  ring::Features features_;
  bool direct_descriptors_ = false;
  ring::BufferMode buffer_mode_ = ring::BufferMode::single;
  std::string sink_description_;
  std::vector<config::Warning> warnings_;
  std::vector<std::string_view> verb_names_;
  std::shared_ptr<const smtp::SessionConfig> session_;
  std::unique_ptr<policy::RecipientDirectory> recipients_;
  policy::ClientRules clients_;
  std::unique_ptr<policy::ConnectionCounts> counts_;
  std::unique_ptr<observe::EventLog> log_;
  observe::EventWriter* process_log_ = nullptr;
  std::vector<RunningShard> shards_;
  std::unique_ptr<observe::MetricsPage> metrics_;
};

}  // namespace
}  // namespace gatepost

int main(int argc, char** argv) {
  auto machine = gatepost::config::this_machine();
  auto parsed = gatepost::config::parse_command_line(argc, argv, machine);
  if (!parsed.run) {
    fmt::print(stdout, "{}", parsed.out);
    fmt::print(stderr, "{}", parsed.err);
    return parsed.exit_code;
  }
  try {
    return gatepost::Gateway(std::move(parsed.config)).run();
  } catch (const std::exception& error) {  // no memory, or no more threads
    return gatepost::fail(error.what());
  }
}
