#include "simulation/world.hpp"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "fmt/format.h"
#include "simulation/simulated_ring.hpp"
#include "simulation/world_impl.hpp"

namespace gatepost::simulation {
namespace {

constexpr unsigned calm_tries_max = 24;  // each of the sink's threads may be told once
constexpr unsigned canary_number = 900;

}  // namespace

World::World(const RunOptions& options, const policy::RecipientDirectory& directory,
             Coverage& coverage)
    : options_(options),
      profile_(make_profile(options.seed, options.profile)),
      directory_(directory),
      coverage_(coverage),
      random_(Random(options.seed).fork(2)),
      faults_(Random(options.seed).fork(3).next(), rates(profile_, options)),
      disk_(disk_options(profile_, options.seed, disk_now_)),
      kernel_(Random(options.seed).fork(4).next(), faults_, record_, disk_) {
  record_.verbose = options.verbose;
  faults_.on_strike = [this](Fault fault, unsigned client) { struck(fault, client); };
  SimulatedRing::limit_submissions(profile_.submission_entries);
}

DiskOptions World::disk_options(const Profile& profile, std::uint64_t seed,
                                const SimulatedNs& now) {
  DiskOptions options;
  options.mounts.push_back(profile.mail_mount);
  options.seed = Random(seed).fork(5).next();
  options.now = [&now] { return static_cast<std::time_t>(1'790'000'000 + now / second); };
  options.descriptors_max = profile.descriptors_max;
  return options;
}

Faults::Rates World::rates(const Profile& profile, const RunOptions& options) {
  Faults::Rates chosen = profile.rates;
  for (const Fault fault : options.without) chosen[static_cast<std::size_t>(fault)] = 0;
  return chosen;
}

bool World::chosen(unsigned number) const {
  return options_.clients.empty() ||
         std::ranges::find(options_.clients, number) != options_.clients.end();
}

std::unique_ptr<ClientDriver> World::make_client(unsigned number, const ClientSettings& settings,
                                                 SimulatedNs begins_after) {
  Random random = Random(options_.seed).fork(1000 + number);
  ClientDriver::Options options;
  options.number = number;
  options.seed = random.next();
  options.begins_after = begins_after;
  LinkOptions& link = options.link;
  link.client = number;
  link.ipv6 = random.percent(30);
  link.host = static_cast<std::uint32_t>(1 + random.below(profile_.hosts));
  link.latency_ns = random.between(20 * us, 80 * ms);
  link.latency_more_ns = random.percent(50) ? 0 : random.between(1, 50 * ms);
  link.segment_max = random.percent(20) ? 536 : 1448;
  link.splits_everywhere = random.percent(30);
  constexpr std::size_t capacities[] = {16 * 1024, 64 * 1024, 256 * 1024};
  link.server_in_capacity = capacities[random.below(3)];
  link.server_out_capacity = capacities[random.below(3)];
  link.client_window = random.percent(30) ? 4 * 1024 : 64 * 1024;
  return std::make_unique<ClientDriver>(options, settings, ledger_, record_,
                                        [this](ClientDriver& client) { client_told(client); });
}

void World::add_clients() {
  if (profile_.gateway.shard.greeting == smtp::Greeting::welcome)
    canary_ = std::make_unique<Canary>(canary_number, Random(options_.seed).fork(8));
  for (unsigned number = 0; number < profile_.client_count; ++number) {
    // Drawn for those too who are left out, so that the others stay as they are.
    const SimulatedNs begins =
        Random(options_.seed).fork(5000 + number).below(profile_.connect_window);
    if (chosen(number)) clients_.push_back(make_client(number, profile_.clients, begins));
  }
}

// --- Stages --------------------------------------------------------------------------------------

bool World::all_finished() const {
  return std::ranges::all_of(clients_, [](const auto& client) { return client->finished(); });
}

void World::next_stage() {
  const Stage before = stage_;
  switch (stage_) {
    case Stage::talking:
      if (all_finished() || kernel_.now() > profile_.talk_window ||
          (options_.steps_max > 0 && record_.event > options_.steps_max))
        end_talking();
      break;
    case Stage::ending:
      await_end();
      break;
    case Stage::settled:
      check_settled();
      break;
    case Stage::restarting:
      if (gateway_ != nullptr && gateway_->serving() && !draining_) begin_calm(Stage::calm);
      break;
    case Stage::calm_before:
    case Stage::calm:
      await_calm();
      break;
    case Stage::draining:
      await_drain();
      break;
    case Stage::ended:
      break;
  }
  if (stage_ != before) stage_since_ = kernel_.now();
  if (stage_ == before && stage_ == Stage::restarting &&
      kernel_.now() - stage_since_ > session_bound())
    record_.violation(checks::progress, "the gateway did not come back after a clean restart");
}

void World::end_talking() {
  stage_ = Stage::ending;
  record_.trace("ending");
  faults_.stop();
  crash_at_event_ = 0;
  if (!profile_.gateway.modelled_sink) relieve_disk();
  for (const auto& client : clients_) client->stop_talking();
  if (canary_ != nullptr) canary_->stop();
}

void World::await_end() {
  const bool back = kernel_.process_alive() && gateway_ != nullptr && gateway_->serving();
  const bool silent = canary_ == nullptr || canary_->finished();
  if (all_finished() && silent && back && !draining_ && kernel_.sockets_open() == 0 &&
      SimulatedRing::load().direct_descriptors == 0) {
    stage_ = Stage::settled;
    return;
  }
  if (kernel_.now() - stage_since_ <= session_bound() + 30 * second) return;
  std::string who;
  for (const auto& client : clients_)
    if (!client->finished()) who += "; " + client->model().description();
  record_.violation(checks::progress,
                    fmt::format("sessions did not end: {} sockets are open{}",
                                kernel_.process_alive() ? kernel_.sockets_open() : 0, who));
}

void World::check_settled() {
  if (kernel_.now() - stage_since_ < 3 * second) return;
  // What was given up may still be on its way through a slow disk.
  if (sink_busy() && kernel_.now() - stage_since_ < session_bound()) return;
  check_resources_back();
  // Errors of the disk that nobody was told of yet are told to whoever asks first.
  if (const int root = disk_.open(mail_root, O_RDONLY | O_DIRECTORY); root >= 0) {
    disk_.syncfs(root);
    disk_.fsync(root);
    disk_.close(root);
  }
  begin_calm(Stage::calm_before);
}

// After all that went wrong a client that does everything right must be served.
void World::begin_calm(Stage stage) {
  if (stage != stage_) calm_tries_ = 0;
  stage_ = stage;
  calm_settings_ = profile_.clients;
  ClientSettings& calm = calm_settings_;
  calm.hostile = calm.abort = calm.silent = calm.half_close = calm.bad_recipients = 0;
  calm.slow = calm.thinking = calm.over_recipient_limit = calm.odd_addresses = 0;
  calm.plain_disconnect = calm.side_commands = 0;
  calm.messages.over_limit = calm.messages.too_many_received = 0;
  calm.messages.bare_newlines = calm.messages.smuggling = 0;
  calm_client_ = static_cast<unsigned>(profile_.client_count) + calm_count_++;
  clients_.push_back(make_client(calm_client_, calm, 0));
  ++calm_tries_;
}

void World::await_calm() {
  if (all_finished()) {
    const auto refused = std::ranges::find_if(ledger_.all(), [&](const Attempt& attempt) {
      return attempt.client == calm_client_ &&
             attempt.message.fault() == MessageModel::Fault::none &&
             (attempt.state == Attempt::State::refused ||
              attempt.state == Attempt::State::unanswered);
    });
    const bool begun = std::ranges::any_of(
        ledger_.all(), [&](const Attempt& attempt) { return attempt.client == calm_client_; });
    const bool served = (begun && refused == ledger_.all().end()) ||
                        profile_.gateway.shard.greeting != smtp::Greeting::welcome;
    const std::uint16_t code = refused != ledger_.all().end() ? refused->code : 421;
    // What a disk has lost earlier may be told to the next who asks, once.
    if (!served && calm_tries_ < calm_tries_max) {
      begin_calm(stage_);
      return;
    }
    stage_ = stage_ == Stage::calm ? Stage::draining : Stage::restarting;
    begin_drain();
    if (!served)
      record_.violation(checks::progress,
                        fmt::format("a client that did nothing wrong was not served: {}", code));
    return;
  }
  if (kernel_.now() - stage_since_ > session_bound())
    record_.violation(checks::progress, "a client that does nothing wrong is not served: " +
                                            clients_.back()->model().description());
}

void World::await_drain() {
  if (!kernel_.process_alive()) {
    stage_ = Stage::ended;
    return;
  }
  if (kernel_.now() - drain_since_ > profile_.gateway.shard.drain_timeout_ms * ms + 60 * second)
    record_.violation(checks::progress, "the drain did not end");
}

// --- The run -------------------------------------------------------------------------------------

RunResult World::run() {
  record_.trace(profile_.name.c_str(), options_.seed);
  start_gateway();
  add_clients();
  if (!profile_.gateway.modelled_sink) disk_background();
  kernel_.after(fate_every, [this] { fate(); });
  while (!record_.failed() && stage_ != Stage::ended) {
    if (crash_at_event_ != 0 && record_.event >= crash_at_event_) {
      crash_at_event_ = 0;
      crash(crash_by_power_);
    }
    if (!kernel_.run_next()) break;
    check_each_event();
  }
  if (!record_.failed()) check_final_store();

  RunResult result;
  result.profile = profile_.name;
  result.violations = record_.violations();
  result.last_events = record_.last_events();
  result.events = record_.event;
  result.digest = record_.digest();
  result.simulated_seconds = static_cast<double>(kernel_.now()) / 1e9;
  result.attempts = ledger_.size();
  result.accepted = ledger_.count(Attempt::State::accepted);
  result.refused = ledger_.count(Attempt::State::refused);
  result.unanswered = ledger_.count(Attempt::State::unanswered);
  result.stored = stored_count_;
  result.processes = kernel_.process_number();
  result.client_count = profile_.client_count;
  result.faults_struck.assign(struck_.begin(), struck_.end());
  gateway_ = nullptr;
  return result;
}

RunResult run_world(const RunOptions& options, const policy::RecipientDirectory& directory,
                    Coverage& coverage) {
  World world(options, directory, coverage);
  return world.run();
}

}  // namespace gatepost::simulation