#include "simulation/world.hpp"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "fmt/format.h"
#include "simulation/simulated_ring.hpp"
#include "sink/maildir_name.hpp"

namespace gatepost::simulation {
namespace {

constexpr SimulatedNs fate_every = 1 * second;
constexpr SimulatedNs restart_after = 700 * ms;
// Faults of the whole process or disk are tried once in so many fates.
constexpr unsigned fates_for_process_faults = 5;
// How many events ahead a crash may lie once it is decided.
constexpr std::uint64_t crash_within_events = 3000;
constexpr unsigned calm_tries_max = 24;  // each of the sink's threads may be told once
constexpr unsigned canary_number = 900;
constexpr SimulatedNs network_slack = 60 * second;

// Memory that a shard may take beside what is configured: replies of a loop, logs, tables.
constexpr std::size_t shard_memory_max = 10 << 20;
constexpr std::size_t reply_memory_max = 64 * 1024;
constexpr std::size_t envelope_memory_max = 512 * 1024;

class World final : private Facts {
 public:
  World(const RunOptions& options, const policy::RecipientDirectory& directory, Coverage& coverage);
  RunResult run();

 private:
  enum class Stage : std::uint8_t {
    talking,      // clients come and go, faults strike
    ending,       // no more faults; clients come to their end
    settled,      // everybody is gone: everything must have come back
    calm_before,  // one well-behaved client must be served
    restarting,   // a clean restart
    calm,         // once more
    draining,
    ended
  };

  // Facts.
  bool in_doubt(std::string_view id) const override;
  bool logged_accepted(std::string_view id) const override { return facts_.accepted.contains(id); }
  bool crashed_between(SimulatedUs from, SimulatedUs to) const override;

  static DiskOptions disk_options(const Profile& profile, std::uint64_t seed,
                                  const SimulatedNs& now);
  static Faults::Rates rates(const Profile& profile, const RunOptions& options);
  void add_clients();
  std::unique_ptr<ClientDriver> make_client(unsigned number, const ClientSettings& settings,
                                            SimulatedNs begins_after);
  bool chosen(unsigned number) const;

  // The gateway's lives.
  void start_gateway();
  void gateway_thread();
  void take_leave(Gateway& gateway);
  void crash(bool power_failure);
  void begin_drain();
  void after_process_end();

  // What happens by itself.
  void fate();
  void fate_of_network();
  void fate_of_process();
  void fate_of_disk();
  void disk_background();
  void relieve_disk();
  void remove_empty_maildir();

  // Stages.
  void next_stage();
  bool all_finished() const;
  void end_talking();
  void await_end();
  void check_settled();
  void begin_calm(Stage stage);
  void await_calm();
  void await_drain();

  // Checks.
  void check_each_event();
  bool sink_busy() const;
  void check_resources_back();
  void check_stalled();
  void client_told(ClientDriver& client);
  void check_durable_now(const Attempt& attempt);
  void check_final_store();
  std::vector<StoredMessage> stored(const std::vector<DiskFile>& files) const;
  std::size_t memory_max() const;
  void struck(Fault fault, unsigned client);
  SimulatedNs session_bound() const;

  const RunOptions options_;
  const Profile profile_;
  const policy::RecipientDirectory& directory_;
  Coverage& coverage_;
  Random random_;
  Record record_;
  Faults faults_;
  SimulatedNs disk_now_ = 0;
  SimulatedDisk disk_;
  Ledger ledger_;
  LogFacts facts_;
  ModelledStore modelled_store_;
  SimulatedKernel kernel_;
  std::vector<std::unique_ptr<ClientDriver>> clients_;
  std::unique_ptr<Canary> canary_;
  ClientSettings calm_settings_;

  Gateway* gateway_ = nullptr;  // in the process's memory
  Stage stage_ = Stage::talking;
  SimulatedNs stage_since_ = 0;
  std::uint64_t fates_ = 0;
  std::uint64_t crash_at_event_ = 0;  // 0: none is decided
  bool crash_by_power_ = false;
  bool draining_ = false;
  SimulatedNs drain_since_ = 0;
  std::vector<SimulatedUs> crashes_;
  std::set<std::uint32_t> crashed_processes_;
  std::set<std::uint64_t> verified_;  // attempts whose durability was looked at
  std::set<Fault> struck_;
  std::uint64_t stored_count_ = 0;
  unsigned calm_client_ = 0;
  unsigned calm_count_ = 0;
  unsigned calm_tries_ = 0;
};

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
  kernel_.set_mail_mount(std::string(mail_root));
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

// --- The gateway's lives -------------------------------------------------------------------------

void World::start_gateway() {
  if (kernel_.process_alive()) return;
  draining_ = false;
  kernel_.start_process([this] { gateway_thread(); });
}

void World::gateway_thread() {
  auto gateway = std::make_unique<Gateway>(profile_.gateway, directory_, modelled_store_);
  gateway_ = gateway.get();
  gateway->run();
  {
    const HeapScope scope(nullptr);
    gateway_ = nullptr;
    take_leave(*gateway);
  }
}

// What is to be known of a life that ends.
void World::take_leave(Gateway& gateway) {
  gateway.read_log(facts_);
  gateway.count_replies(
      [this](std::uint16_t code, std::uint64_t count) { coverage_.count_replies(code, count); });
}

void World::crash(bool power_failure) {
  if (!kernel_.process_alive()) return;
  if (gateway_ != nullptr) take_leave(*gateway_);
  gateway_ = nullptr;
  kernel_.kill_process(power_failure);
  if (power_failure)
    disk_.power_failure(faults_.random(Fault::power_failure));
  else
    disk_.process_killed();
  crashes_.push_back(kernel_.now() / us);
  crashed_processes_.insert(kernel_.process_number());
  kernel_.after(random_.between(restart_after, 5 * second), [this] { start_gateway(); });
}

void World::begin_drain() {
  // Who still waits for a receipt when the time of the drain is over is cut off without a word.
  for (const auto& client : clients_)
    if (client->connected() && !client->finished()) client->model().excuse_end();
  draining_ = true;
  drain_since_ = kernel_.now();
  gateway_->drain();
}

// All threads of the process have come to their end.
void World::after_process_end() {
  const bool wanted = draining_;
  kernel_.reap_process();
  if (stage_ == Stage::draining) return;
  // Who could not start is started again, as a supervisor does.
  kernel_.after(wanted ? restart_after : 3 * second, [this] { start_gateway(); });
}

// --- What happens by itself ----------------------------------------------------------------------

void World::fate() {
  disk_now_ = kernel_.now();
  ++fates_;
  if (kernel_.process_ended()) after_process_end();
  if (stage_ == Stage::talking) {
    fate_of_network();
    if (fates_ % fates_for_process_faults == 0) {
      fate_of_process();
      fate_of_disk();
    }
    check_stalled();
  }
  next_stage();
  if (stage_ != Stage::ended) kernel_.after(fate_every, [this] { fate(); });
}

void World::fate_of_network() {
  if (clients_.empty()) return;
  ClientDriver& client = *clients_[random_.below(clients_.size())];
  if (client.connected() && !client.finished() &&
      faults_.strikes(Fault::connection_reset, client.number()))
    client.cut();
}

void World::fate_of_process() {
  if (faults_.strikes(Fault::clock_jump)) {
    Random& random = faults_.random(Fault::clock_jump);
    const auto by = static_cast<std::int64_t>(random.below(7200ull * 1'000'000));
    if (random.percent(20))
      kernel_.suspend(random.below(30) * second);
    else
      kernel_.set_wall_clock(random.percent(50) ? by : -by);
    record_.trace("clock jump");
  }
  if (crash_at_event_ == 0 && faults_.strikes(Fault::process_kill)) {
    crash_at_event_ =
        record_.event + 1 + faults_.random(Fault::process_kill).below(crash_within_events);
    crash_by_power_ = false;
  }
  if (crash_at_event_ == 0 && faults_.strikes(Fault::power_failure)) {
    crash_at_event_ =
        record_.event + 1 + faults_.random(Fault::power_failure).below(crash_within_events);
    crash_by_power_ = true;
  }
  if (gateway_ != nullptr && gateway_->serving() && !draining_ && faults_.strikes(Fault::restart)) {
    record_.trace("restart");
    begin_drain();
  }
}

void World::fate_of_disk() {
  if (profile_.gateway.modelled_sink) return;
  if (faults_.strikes(Fault::disk_full)) {
    Random& random = faults_.random(Fault::disk_full);
    record_.trace("disk is full");
    disk_.set_capacity(mail_root, random.below(256 * 1024));
    kernel_.after(random.between(1, 20) * second, [this] {
      record_.trace("disk has room");
      disk_.set_capacity(mail_root, profile_.mail_mount.capacity_bytes);
    });
  }
  if (faults_.strikes(Fault::over_quota)) {
    record_.trace("over quota");
    disk_.set_quota(mail_root, faults_.random(Fault::over_quota).below(64 * 1024));
    kernel_.after(faults_.random(Fault::over_quota).between(1, 20) * second,
                  [this] { disk_.set_quota(mail_root, std::nullopt); });
  }
  if (faults_.strikes(Fault::writeback_fails)) {
    Random& random = faults_.random(Fault::writeback_fails);
    constexpr int errors[] = {EIO, ENOSPC, EDQUOT};
    record_.trace("writeback is going to fail");
    disk_.fail_next_writeback(mail_root, errors[random.below(3)],
                              static_cast<unsigned>(random.between(1, 5)));
  }
  if (faults_.strikes(Fault::journal_fails)) {
    Random& random = faults_.random(Fault::journal_fails);
    record_.trace("journal is going to fail");
    // Without a journal a directory that can't be written keeps, for all that can be seen, names
    // that are not on the disk; nobody can mend that for directories above a maildir, so that only
    // the names of mails are lost here.
    if (profile_.mail_mount.kind == MountKind::journaled)
      disk_.fail_next_metadata(mail_root, EIO, static_cast<unsigned>(random.between(1, 3)));
    else
      kernel_.fail_new_directory();
    if (random.percent(30)) {
      disk_.set_read_only(mail_root, true);
      kernel_.after(random.between(1, 10) * second,
                    [this] { disk_.set_read_only(mail_root, false); });
    }
  }
  if (faults_.strikes(Fault::maildir_removed)) remove_empty_maildir();
}

// An operator deletes the maildir of a user that has no mail: it is to be made anew.
void World::remove_empty_maildir() {
  const std::string path = fmt::format("{}/example.org/user{}", mail_root,
                                       faults_.random(Fault::maildir_removed).below(10));
  if (!disk_.files_below(path).empty()) return;
  record_.trace("maildir removed", 0, 0, path);
  disk_.remove_tree(path);
}

// The kernel writes back when it likes.
void World::disk_background() {
  disk_.background_step(random_);
  if (stage_ != Stage::ended)
    kernel_.after(random_.between(20 * ms, 2 * second), [this] { disk_background(); });
}

void World::relieve_disk() {
  disk_.set_capacity(mail_root, profile_.mail_mount.capacity_bytes);
  disk_.set_quota(mail_root, std::nullopt);
  disk_.set_read_only(mail_root, false);
  disk_.fail_next_writeback(mail_root, EIO, 0);
  disk_.fail_next_metadata(mail_root, EIO, 0);
}

// --- Stages --------------------------------------------------------------------------------------

SimulatedNs World::session_bound() const {
  const shard::Options& shard = profile_.gateway.shard;
  return (shard.timeout_ms + shard.commit_timeout_ms + shard.linger_timeout_ms) * ms +
         network_slack;
}

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

bool World::sink_busy() const {
  for (unsigned shard = 0; shard < gateway_->shard_count(); ++shard)
    if (gateway_->counters(shard).sink_bytes_held.value() > 0) return true;
  return false;
}

void World::check_resources_back() {
  const SimulatedRing::Load load = SimulatedRing::load();
  const auto lost = [&](std::string_view what, std::uint64_t count) {
    if (count > 0)
      record_.violation(checks::resources,
                        fmt::format("{} {} are in use though nobody is connected", count, what));
  };
  lost("operations of a ring", load.operations);
  lost("timers", load.timeouts);
  for (unsigned shard = 0; shard < gateway_->shard_count(); ++shard) {
    const observe::ShardCounters& counters = gateway_->counters(shard);
    lost("slots", counters.connections_open.value());
    lost("receive buffers", counters.buffers_in_use.value());
    lost("messages of the sink", counters.sink_messages_open.value());
    lost("octets held by the sink", counters.sink_bytes_held.value());
  }
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

// --- Checks --------------------------------------------------------------------------------------

std::size_t World::memory_max() const {
  const GatewayOptions& gateway = profile_.gateway;
  const std::size_t slots = gateway.shard.connections_max + gateway.shard.spare_slots;
  const std::size_t held = gateway.modelled_sink ? 0 : 2 * gateway.maildir.hold_limit_bytes;
  return gateway.shards *
         (shard_memory_max + slots * (reply_memory_max + held + envelope_memory_max));
}

void World::check_each_event() {
  if (!kernel_.process_alive()) return;
  if (kernel_.heap().bytes() > memory_max())
    record_.violation(checks::resources,
                      fmt::format("{} octets of memory are in use, over the bound of {}",
                                  kernel_.heap().bytes(), memory_max()));
  if (gateway_ == nullptr || !gateway_->serving()) return;
  const shard::Options& shard = profile_.gateway.shard;
  for (unsigned number = 0; number < gateway_->shard_count(); ++number) {
    const observe::ShardCounters& counters = gateway_->counters(number);
    if (counters.connections_open.value() > shard.connections_max + shard.spare_slots ||
        counters.buffers_in_use.value() > shard.buffer_count)
      record_.violation(checks::resources, "more slots or buffers are in use than there are");
  }
  if (record_.event % 256 == 0) gateway_->read_log(facts_);
}

// Whoever has gone silent for good must have been let go in time.
void World::check_stalled() {
  for (const auto& client : clients_) {
    const SimulatedNs since = client->stalled_since();
    if (since == 0 || !client->served() || !kernel_.process_alive()) continue;
    if (kernel_.now() - since > session_bound() + 60 * second)
      record_.violation(checks::progress,
                        "a silent client is still connected: " + client->model().description());
  }
}

void World::client_told(ClientDriver& client) {
  for (std::uint64_t number = 0; number < ledger_.size(); ++number) {
    const Attempt& attempt = ledger_.at(number);
    if (attempt.client != client.number() || attempt.state != Attempt::State::accepted) continue;
    if (!verified_.insert(number).second) continue;
    check_durable_now(attempt);
  }
}

// At the moment of its 250 a message must be where no power failure takes it away.
void World::check_durable_now(const Attempt& attempt) {
  if (profile_.gateway.modelled_sink) return;
  const std::string content = attempt.message.stored(StoredForm::lf);
  for (const AcceptedRecipient& recipient : attempt.recipients) {
    const std::size_t slash = recipient.mailbox.find('/');
    const std::string path =
        fmt::format("{}/{}/{}/new", mail_root, encode_component(recipient.mailbox.substr(0, slash)),
                    encode_component(recipient.mailbox.substr(slash + 1)));
    const std::vector<DiskFile> files = disk_.durable_files_below(path);
    const bool there = std::ranges::any_of(
        files, [&](const DiskFile& file) { return file.content.ends_with(content); });
    if (!there)
      record_.violation(checks::durable,
                        fmt::format("attempt {} of client {} was answered 250 and is not durable "
                                    "in {}",
                                    attempt.number, attempt.client, path));
  }
}

std::vector<StoredMessage> World::stored(const std::vector<DiskFile>& files) const {
  std::vector<StoredMessage> messages;
  for (const DiskFile& file : files) {
    std::vector<std::string_view> parts;
    std::string_view rest = std::string_view(file.path).substr(mail_root.size() + 1);
    for (std::size_t slash = 0; (slash = rest.find('/')) != rest.npos;
         rest.remove_prefix(slash + 1))
      parts.push_back(rest.substr(0, slash));
    if (parts.size() != 3 || parts[2] != "new") continue;
    const auto domain = decode_component(parts[0]);
    const auto local_part = decode_component(parts[1]);
    if (!domain || !local_part) continue;
    messages.push_back({*domain + "/" + *local_part, file.content, StoredForm::lf});
  }
  return messages;
}

void World::check_final_store() {
  StoreRules rules;
  rules.hostname = profile_.gateway.session.hostname;
  if (profile_.gateway.modelled_sink) {
    rules.final_delivery = profile_.gateway.modelled.final_delivery;
    stored_count_ = modelled_store_.messages.size();
    check_store(ledger_, modelled_store_.messages, *this, rules, record_);
    return;
  }
  for (const DiskFile& file : disk_.files_below(mail_root))
    if (file.path.find("/tmp/") != file.path.npos)
      record_.violation(checks::resources, "left in tmp/ after a clean end: " + file.path);
  // What counts is what is still there when the power fails.
  disk_.power_failure(random_);
  const std::vector<StoredMessage> messages = stored(disk_.files_below(mail_root));
  stored_count_ = messages.size();
  check_store(ledger_, messages, *this, rules, record_);
}

bool World::in_doubt(std::string_view id) const {
  // A crash may come before what took too long was taken back.
  if (const auto found = facts_.given_up.find(id);
      found != facts_.given_up.end() && crashed_processes_.contains(found->second))
    return true;
  return std::ranges::any_of(facts_.notes,
                             [&](const std::string& note) { return note.find(id) != note.npos; });
}

bool World::crashed_between(SimulatedUs from, SimulatedUs to) const {
  return std::ranges::any_of(crashes_,
                             [&](SimulatedUs crash) { return from <= crash && crash <= to; });
}

void World::struck(Fault fault, unsigned client) {
  struck_.insert(fault);
  for (const auto& each : clients_) {
    if (each->finished() || (client != Faults::everybody && each->number() != client)) continue;
    coverage_.count(static_cast<Phase>(each->model().phase()), fault);
    // It may look as if it did not read its replies.
    if (fault == Fault::slow_network) each->model().excuse_end();
  }
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

}  // namespace

RunResult run_world(const RunOptions& options, const policy::RecipientDirectory& directory,
                    Coverage& coverage) {
  World world(options, directory, coverage);
  return world.run();
}

}  // namespace gatepost::simulation
