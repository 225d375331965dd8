// What is looked at after every event, at every 250, and when all is over.

#include <algorithm>

#include "fmt/format.h"
#include "simulation/simulated_ring.hpp"
#include "simulation/world_impl.hpp"
#include "sink/maildir_name.hpp"

namespace gatepost::simulation {
namespace {

constexpr SimulatedNs network_slack = 60 * second;
// Memory that a shard may take beside what is configured: replies of a loop, logs, tables.
constexpr std::size_t shard_memory_max = 10 << 20;
constexpr std::size_t reply_memory_max = 64 * 1024;
constexpr std::size_t envelope_memory_max = 512 * 1024;

}  // namespace

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
  const std::size_t used = kernel_.heap().bytes() + kernel_.heap().mapped_bytes();
  if (used > memory_max())
    record_.violation(
        checks::resources,
        fmt::format("{} octets of memory are in use, over the bound of {}", used, memory_max()));
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
    coverage_.count(each->model().phase(), fault);
    // It may look as if it did not read its replies.
    if (fault == Fault::slow_network) each->model().excuse_end();
  }
}

SimulatedNs World::session_bound() const {
  const shard::Options& shard = profile_.gateway.shard;
  return (shard.timeout_ms + shard.commit_timeout_ms + shard.linger_timeout_ms) * ms +
         network_slack;
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

}  // namespace gatepost::simulation
