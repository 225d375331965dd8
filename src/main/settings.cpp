#include "main/settings.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

#include "config/values.hpp"
#include "main/listeners.hpp"
#include "shard/connection.hpp"

namespace gatepost {

using config::Config;
using config::DescriptorPlan;

namespace {

// Stacks of a shard's threads, its log and what else is not worth a sum of its own.
constexpr std::uint64_t other_shard_memory = 112 * 1024 * 1024;

MaildirSync maildir_sync(config::MaildirSync sync) {
  switch (sync) {
    case config::MaildirSync::portable:
      return MaildirSync::portable;
    case config::MaildirSync::batched:
      return MaildirSync::batched;
    case config::MaildirSync::automatic:
      break;
  }
  return MaildirSync::automatic;
}

}  // namespace

smtp::SessionSettings session_settings(const Config& c) {
  smtp::SessionSettings s;
  s.hostname = c.hostname;
  s.banner_text = c.banner_text;
  s.software = c.banner_name ? "Gatepost" : "";
  s.refuse_text = c.refuse_text;
  s.message_size_limit = c.message_size_limit_bytes;
  s.header_size_limit = c.header_size_limit_bytes;
  s.recipient_limit = c.recipient_limit;
  s.recipient_overshoot_limit = c.recipient_overshoot_limit;
  s.hopcount_limit = c.hopcount_limit;
  s.soft_error_limit = c.soft_error_limit;
  s.hard_error_limit = c.hard_error_limit;
  s.junk_command_limit = c.junk_command_limit;
  s.error_sleep_ms = static_cast<std::uint32_t>(c.error_sleep_time_ms);
  s.space_after_colon = !c.strict_mail_syntax;
  s.reject_early_talkers = c.early_talkers == config::EarlyTalkers::reject;
  s.chunking = c.chunking;
  s.binarymime = c.binarymime;
  s.smtputf8 = c.smtputf8;
  return s;
}

shard::Options shard_options(const Config& c, const DescriptorPlan& plan, unsigned number,
                             const ring::Features& features) {
  shard::Options o;
  o.number = number;
  o.connections_max = plan.shard_connections_max;
  o.spare_slots = plan.shard_spare_slots;
  o.timeout_ms = c.timeout_ms;
  o.commit_timeout_ms = c.commit_timeout_ms;
  o.drain_timeout_ms = c.drain_timeout_ms;
  o.min_data_rate_bytes_per_second = c.min_data_rate_bytes_per_second;
  o.buffer_count = c.buffer_count();
  o.buffer_size = c.buffer_size_bytes;
  o.buffer_mode = c.buffer_mode.value_or(ring::BufferMode::single);
  o.direct_descriptors =
      c.direct_descriptors == config::Choice::on ||
      (c.direct_descriptors == config::Choice::automatic && features.socket_commands);
  if (c.refuse_all == 554) o.greeting = smtp::Greeting::refuse;
  if (c.refuse_all == 521) o.greeting = smtp::Greeting::no_mail;
  if (c.bare_newline == config::BareNewline::normalize)
    o.bare_newline = scan::BareNewline::normalize;
  o.own_addresses = own_addresses();
  return o;
}

SinkOptions sink_options(const Config& c, const DescriptorPlan& plan) {
  SinkOptions o;
  o.hostname = c.hostname;
  o.maildir.sync = maildir_sync(c.maildir_sync);
  o.maildir.threads = c.maildir_threads;
  o.maildir.min_free_bytes = c.min_free_space_bytes;
  o.maildir.mailboxes_open_max = plan.shard_mailboxes_open_max;
  return o;
}

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) cpus.push_back(cpu);
  return cpus;
}

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

Result<Done> check_memory(const Config& c, const DescriptorPlan& plan) {
  const std::uint64_t slots = std::uint64_t{plan.shard_connections_max} + plan.shard_spare_slots;
  const std::uint64_t needed =
      c.shards * (c.buffer_memory_bytes + slots * sizeof(shard::Connection) + other_shard_memory);
  // Nothing of it is touched, so that this costs nothing.
  void* memory = mmap(nullptr, needed, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return Error{fmt::format(
        "no {}M of memory for {} shards: {}: lower --shards, --buffer-memory or --max-connections, "
        "or raise RLIMIT_AS (systemd: LimitAS=)",
        needed / (1024 * 1024), c.shards, std::strerror(errno))};
  munmap(memory, needed);
  return Done{};
}

}  // namespace gatepost
