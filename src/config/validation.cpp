#include "config/validation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/bounds.hpp"
#include "config/values.hpp"
#include "policy/recipients.hpp"
#include "scan/scanner.hpp"

namespace gatepost::config {

namespace {

constexpr std::uint64_t buffers_min = 64;

// Nobody shall run a relay, or lose mail for a domain, by having forgotten a flag.
Result<Done> check_reach(const Config& config, const Given& given) {
  if (given.accept_domain || config.refuse_all != 0) return Done{};
  for (const ListenAddress& address : config.listen) {
    if (is_loopback(address)) continue;
    return Error{fmt::format(
        "--listen {}: can be reached from elsewhere, so it needs --accept-domain with the "
        "domains to take mail for",
        to_text(address))};
  }
  return Done{};
}

Result<Done> check_limits(const Config& config) {
  if (config.soft_error_limit > config.hard_error_limit)
    return Error{
        fmt::format("--soft-error-limit {}: allowed is at most --hard-error-limit, which is {}",
                    config.soft_error_limit, config.hard_error_limit)};
  if (config.binarymime && !config.chunking)
    return Error{"--binarymime: needs --chunking, which is off (RFC 3030)"};
  return Done{};
}

Result<Done> check_buffers(const Config& config) {
  std::uint64_t least = buffers_min * config.buffer_size_bytes;
  std::uint64_t most = std::uint64_t{bounds::receive_buffers_max} * config.buffer_size_bytes;
  if (config.buffer_memory_bytes < least || config.buffer_memory_bytes > most)
    return Error{fmt::format(
        "--buffer-memory {}: allowed with --buffer-size {} is {} to {} ({} to {} buffers)",
        size_text(config.buffer_memory_bytes), size_text(config.buffer_size_bytes),
        size_text(least), size_text(most), buffers_min, bounds::receive_buffers_max)};
  return Done{};
}

Result<Done> check_kernel(const Config& config) {
  if (!config.simd || scan::kernel_available(*config.simd)) return Done{};
  std::string available = "auto";
  for (scan::Kernel kernel : {scan::Kernel::scalar, scan::Kernel::sse42, scan::Kernel::avx2,
                              scan::Kernel::avx512, scan::Kernel::neon}) {
    if (scan::kernel_available(kernel)) available += fmt::format(", {}", scan::kernel_name(kernel));
  }
  return Error{fmt::format("--simd {}: this machine can't run it; allowed is {}",
                           scan::kernel_name(*config.simd), available)};
}

// The kernel would refuse the second socket, as if another server had the port.
Result<Done> check_addresses(const Config& config) {
  for (std::size_t later = 1; later < config.listen.size(); ++later) {
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      if (overlap(config.listen[earlier], config.listen[later]))
        return Error{fmt::format("--listen {}: overlaps with --listen {}; allowed is one of them",
                                 to_text(config.listen[later]), to_text(config.listen[earlier]))};
    }
  }
  if (!config.metrics_listen) return Done{};
  if (config.metrics_listen->host == "*")
    return Error{fmt::format("--metrics-listen {}: allowed is one address, such as 127.0.0.1:{}",
                             to_text(*config.metrics_listen), config.metrics_listen->port)};
  for (const ListenAddress& address : config.listen) {
    if (overlap(address, *config.metrics_listen))
      return Error{
          fmt::format("--metrics-listen {}: overlaps with --listen {}; allowed is another "
                      "port",
                      to_text(*config.metrics_listen), to_text(address))};
  }
  return Done{};
}

Result<Done> check_recipients(const Config& config) {
  auto table = policy::RecipientTable::load(config.recipients);
  if (!table) {
    const std::string& wrong = table.error();
    if (wrong.starts_with("--")) return Error{wrong};
    const std::string& file = config.recipients.recipients_file;
    bool by_recipients = !file.empty() && wrong.find(file) != std::string::npos;
    return Error{fmt::format("{}: {}", by_recipients ? "--recipients" : "--accept-domain", wrong)};
  }
  if (table.value()->domain_count() == 0)
    return Error{"--accept-domain: the files given name no domain; at least one is needed"};
  return Done{};
}

}  // namespace

Result<Done> complete(Config& config, const Given& given, std::uint32_t cores) {
  if (config.shards == 0) config.shards = cores;
  if (config.pin == Choice::automatic)
    config.pin = config.shards == cores && cores > 1 ? Choice::on : Choice::off;
  if (!config.banner_name && !given.banner_text) config.banner_text = "ESMTP";
  // Who only lowers the hard limit means no error by the default of the soft one.
  if (!given.soft_error_limit)
    config.soft_error_limit = std::min(config.soft_error_limit, config.hard_error_limit);
  config.embedded_default = !given.accept_domain;

  if (auto fine = check_reach(config, given); !fine) return fine;
  if (auto fine = check_limits(config); !fine) return fine;
  if (auto fine = check_buffers(config); !fine) return fine;
  if (auto fine = check_kernel(config); !fine) return fine;
  if (auto fine = check_addresses(config); !fine) return fine;
  return check_recipients(config);
}

}  // namespace gatepost::config
