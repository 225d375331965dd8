#include "simulation/profile.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace gatepost::simulation {
namespace {

void set(Profile& profile, Fault fault, std::uint32_t once_in) {
  profile.rates[static_cast<std::size_t>(fault)] = once_in;
}

// The server: small limits, so that they are met.
void choose_gateway(Profile& profile, Random& random) {
  GatewayOptions& gateway = profile.gateway;
  gateway.shards = random.percent(30) ? 2 : 1;
  shard::Options& shard = gateway.shard;
  shard.connections_max = static_cast<std::uint32_t>(random.between(24, 64));
  shard.spare_slots = 16;
  shard.timeout_ms = random.between(20, 60) * 1000;
  shard.refused_timeout_ms = 20'000;
  shard.bare_dot_timeout_ms = 10'000;
  shard.commit_timeout_ms = random.between(15, 40) * 1000;
  shard.drain_timeout_ms = 15'000;
  shard.min_data_rate_bytes_per_second = random.percent(70) ? 500 : 0;
  shard.buffer_count = 1u << random.between(6, 8);
  shard.buffer_size = 4096;
  constexpr ring::BufferMode modes[] = {ring::BufferMode::single, ring::BufferMode::bundle,
                                        ring::BufferMode::incremental};
  shard.buffer_mode = modes[random.below(3)];
  shard.direct_descriptors = random.percent(40);
  if (random.percent(3)) shard.greeting = smtp::Greeting::refuse;
  if (random.percent(20)) shard.bare_newline = scan::BareNewline::normalize;
  smtp::SessionSettings& session = gateway.session;
  session.hostname = "mx.example.org";
  session.message_size_limit = random.percent(50) ? 40'000 : 1'000'000;
  session.recipient_limit = random.percent(50) ? 100 : 1000;
  session.chunking = !random.percent(10);
  session.smtputf8 = !random.percent(10);
  gateway.limits.connections = shard.connections_max * gateway.shards;
  gateway.limits.per_client = 50;
  gateway.maildir.threads = static_cast<unsigned>(random.between(0, 4));
  gateway.maildir.mailboxes_open_max = random.between(4, 64);
  gateway.maildir.hold_limit_bytes = random.percent(50) ? 16 * 1024 : 256 * 1024;
  gateway.modelled_sink = random.percent(25);
  gateway.modelled.form = random.percent(50) ? ContentForm::crlf : ContentForm::lf;
  gateway.modelled.final_delivery = random.percent(50);
  if (random.percent(20)) profile.submission_entries = 8;
}

void choose_disk(Profile& profile, Random& random) {
  MountOptions& mount = profile.mail_mount;
  mount.path = std::string(mail_root);
  constexpr MountKind kinds[] = {MountKind::journaled, MountKind::unjournaled, MountKind::generic};
  mount.kind = kinds[random.below(3)];
  mount.capacity_bytes = 64 << 20;
  if (random.percent(15)) mount.unnamed_files = false;
  if (random.percent(10)) mount.rename_noreplace = false;
  if (random.percent(10)) mount.hard_links = false;
  if (random.percent(25)) profile.gateway.maildir.sync = MaildirSync::portable;
}

// What the clients know of the server.
void tell_clients(Profile& profile) {
  ServerFacts& facts = profile.clients.server;
  const GatewayOptions& gateway = profile.gateway;
  facts.hostname = gateway.session.hostname;
  facts.greeting = gateway.shard.greeting == smtp::Greeting::refuse
                       ? ServerFacts::Greeting::refuse
                       : ServerFacts::Greeting::welcome;
  facts.message.size_limit = gateway.session.message_size_limit;
  facts.message.hop_limit = gateway.session.hopcount_limit;
  facts.message.bare_newline = gateway.shard.bare_newline == scan::BareNewline::normalize
                                   ? BareNewlineMode::normalize
                                   : BareNewlineMode::keep;
  facts.message.final_delivery = !gateway.modelled_sink || gateway.modelled.final_delivery;
  facts.recipient_limit = gateway.session.recipient_limit;
  facts.soft_error_limit = gateway.session.soft_error_limit;
  facts.hard_error_limit = gateway.session.hard_error_limit;
  facts.junk_command_limit = gateway.session.junk_command_limit;
  facts.timeout_ms = static_cast<std::uint32_t>(gateway.shard.timeout_ms);
  facts.bare_dot_timeout_ms = static_cast<std::uint32_t>(gateway.shard.bare_dot_timeout_ms);
  facts.min_data_rate_bytes_per_second =
      static_cast<std::uint32_t>(gateway.shard.min_data_rate_bytes_per_second);
  facts.chunking = gateway.session.chunking;
  facts.binarymime = gateway.session.binarymime;
  facts.smtputf8 = gateway.session.smtputf8;
  // Beyond all that the server may take for an answer, its own times and the network's.
  const std::uint64_t longest =
      gateway.shard.timeout_ms + gateway.shard.commit_timeout_ms + gateway.session.error_sleep_ms;
  profile.clients.reply_wait_ms = static_cast<std::uint32_t>(longest + 60'000);
  profile.clients.end_wait_ms = static_cast<std::uint32_t>(longest + 60'000);
}

void network_faults(Profile& profile) {
  set(profile, Fault::split_read, 8);
  set(profile, Fault::short_send, 4);
  set(profile, Fault::no_buffers, 60);
  set(profile, Fault::multishot_ends, 30);
  set(profile, Fault::late_cancel, 3);
  set(profile, Fault::late_shutdown, 2);
  set(profile, Fault::preempted, 100);
  set(profile, Fault::connection_reset, 15);
  set(profile, Fault::lost_at_accept, 40);
  set(profile, Fault::submission_refused, 200);
  set(profile, Fault::interrupted_wait, 100);
  set(profile, Fault::slow_network, 150);
  // Long dialogues, whose replies do not always find room.
  profile.clients.transactions_max = 12;
  profile.clients.pipelining = 80;
  profile.clients.many_recipients = 6;
}

void disk_faults(Profile& profile) {
  set(profile, Fault::disk_full, 6);
  set(profile, Fault::over_quota, 8);
  set(profile, Fault::call_fails, 150);
  set(profile, Fault::writeback_fails, 5);
  set(profile, Fault::journal_fails, 10);
  set(profile, Fault::slow_disk, 200);
  set(profile, Fault::short_write, 15);
  set(profile, Fault::maildir_removed, 6);
  profile.gateway.modelled_sink = false;
}

void crash_faults(Profile& profile) {
  set(profile, Fault::process_kill, 6);
  set(profile, Fault::power_failure, 6);
  set(profile, Fault::restart, 25);
  profile.gateway.modelled_sink = false;
}

void sink_faults(Profile& profile) {
  set(profile, Fault::receipt_late, 8);
  set(profile, Fault::receipt_never, 25);
  set(profile, Fault::receipt_fails, 6);
  set(profile, Fault::sink_pauses, 10);
  set(profile, Fault::sink_refuses, 25);
  profile.gateway.modelled_sink = true;
}

void scarcity(Profile& profile, Random& random) {
  profile.gateway.shard.connections_max = static_cast<std::uint32_t>(random.between(4, 10));
  profile.gateway.shard.spare_slots = 4;
  profile.gateway.shard.buffer_count = 16;
  profile.gateway.limits.connections =
      profile.gateway.shard.connections_max * profile.gateway.shards;
  profile.gateway.limits.per_client = static_cast<std::uint32_t>(random.between(2, 6));
  profile.client_count = 50;
  set(profile, Fault::no_descriptor, 12);
  set(profile, Fault::no_buffers, 20);
  set(profile, Fault::sink_pauses, 20);
  set(profile, Fault::short_send, 5);
}

void clocks(Profile& profile) {
  set(profile, Fault::clock_jump, 4);
}

void hostile_clients(Profile& profile) {
  set(profile, Fault::late_shutdown, 2);
  set(profile, Fault::preempted, 200);
  profile.client_count = 60;
  profile.connect_window = 30 * second;
  profile.clients.hostile = 70;
  profile.clients.abort = 12;
  profile.clients.silent = 6;
  profile.clients.slow = 25;
  profile.clients.half_close = 15;
  profile.clients.messages.smuggling = 20;
  profile.clients.messages.bare_newlines = 10;
  profile.clients.messages.hidden_commands = 50;
}

}  // namespace

const std::vector<ProfileName>& profile_names() {
  static const std::vector<ProfileName> names{
      {"calm", "nothing goes wrong"},
      {"network", "reads and sends in pieces, resets, delays, refused submissions"},
      {"disk", "full disks, failing calls and flushes, slow disks"},
      {"crash", "kill -9, power failures, restarts"},
      {"sink", "late, failing, missing receipts of a modelled sink"},
      {"scarce", "few slots, buffers and descriptors for many clients"},
      {"hostile", "clients that break every rule"},
      {"everything", "all of it together"}};
  return names;
}

bool is_profile(std::string_view name) {
  return std::ranges::any_of(profile_names(),
                             [&](const ProfileName& each) { return each.name == name; });
}

Profile make_profile(std::uint64_t seed, std::string_view name) {
  Random random = Random(seed).fork(1);
  Profile profile;
  const std::uint64_t chosen = random.below(profile_names().size());
  profile.name = name.empty() ? profile_names()[chosen].name : name;
  GP_CHECK(is_profile(profile.name));
  choose_gateway(profile, random);
  choose_disk(profile, random);
  const bool all = profile.name == "everything";
  if (profile.name == "network" || all) network_faults(profile);
  const bool modelled = profile.gateway.modelled_sink;
  if (profile.name == "disk" || all) disk_faults(profile);
  if (profile.name == "crash" || all) crash_faults(profile);
  if (profile.name == "sink" || (all && modelled)) sink_faults(profile);
  if (profile.name == "scarce" || (all && random.percent(30))) scarcity(profile, random);
  if (profile.name == "hostile" || all) hostile_clients(profile);
  if (profile.name != "calm" && random.percent(30)) clocks(profile);
  // A little of the network's ways in every run but the calm ones.
  if (profile.name != "calm" && profile.name != "network" && !all) {
    set(profile, Fault::split_read, 20);
    set(profile, Fault::multishot_ends, 100);
    set(profile, Fault::connection_reset, 60);
    set(profile, Fault::late_cancel, 10);
  }
  tell_clients(profile);
  return profile;
}

}  // namespace gatepost::simulation
