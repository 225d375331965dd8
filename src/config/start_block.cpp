#include "config/start_block.hpp"

#include <fmt/format.h>

#include "config/flags.hpp"
#include "config/values.hpp"

namespace gatepost::config {

namespace {

std::string_view mode_name(ring::BufferMode mode) {
  switch (mode) {
    case ring::BufferMode::single:
      return "single";
    case ring::BufferMode::bundle:
      return "bundle";
    case ring::BufferMode::incremental:
      return "incremental";
  }
  return "single";
}

std::string_view yes_no(bool value) {
  return value ? "yes" : "no";
}

// The flag's value as it would be written.
std::string shown(std::string_view flag, const Config& config) {
  const Flag* found = find_flag(flag);
  GP_CHECK(found != nullptr);
  return found->show(config);
}

std::string recipients_line(const Config& config) {
  std::string line = "domains: " + shown("accept-domain", config);
  if (config.recipients.recipients_file.empty()) return line + "; every local part";
  return line + "; recipients of " + config.recipients.recipients_file;
}

std::string kernel_line(const StartFacts& facts) {
  return fmt::format(
      "kernel {}: buffers {}, direct descriptors {}; offered: recv bundles {}, incremental buffers "
      "{}, socket "
      "commands {}; scanner {}",
      facts.kernel_release, mode_name(facts.buffer_mode), yes_no(facts.direct_descriptors),
      yes_no(facts.features.recv_bundle), yes_no(facts.features.incremental_buffers),
      yes_no(facts.features.socket_commands), scan::kernel_name(facts.kernel));
}

std::string limits_line(const Config& config) {
  return fmt::format(
      "limits: message {}, recipients {}, hops {}, connections {} ({} per address), silence {}, "
      "content {} B/s, "
      "errors {} soft {} hard",
      size_text(config.message_size_limit_bytes), config.recipient_limit, config.hopcount_limit,
      config.max_connections,
      config.max_connections_per_ip == 0 ? "any" : std::to_string(config.max_connections_per_ip),
      duration_text(config.timeout_ms), config.min_data_rate_bytes_per_second,
      config.soft_error_limit, config.hard_error_limit);
}

}  // namespace

std::vector<std::string> start_block(const Config& config, const StartFacts& facts) {
  std::vector<std::string> lines;
  lines.push_back(
      fmt::format("gatepost {} as {} on {}", version, config.hostname, shown("listen", config)));
  lines.push_back(recipients_line(config));
  lines.push_back("sink: " + facts.sink_description);
  lines.push_back(kernel_line(facts));
  lines.push_back(fmt::format("shards: {}{}, {} buffers of {} each", config.shards,
                              config.pin == Choice::on ? " pinned" : "", config.buffer_count(),
                              size_text(config.buffer_size_bytes)));
  lines.push_back(limits_line(config));
  lines.push_back(fmt::format("bare newlines: {}; early talkers: {}", shown("bare-newline", config),
                              shown("early-talkers", config)));
  lines.push_back(config.metrics_listen
                      ? fmt::format("metrics: http://{}/metrics", to_text(*config.metrics_listen))
                      : "metrics: off (--metrics-listen)");
  if (!config.config_file.empty()) lines.push_back("configuration: " + config.config_file);
  return lines;
}

}  // namespace gatepost::config
