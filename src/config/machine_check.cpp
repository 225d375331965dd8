#include "config/machine_check.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "config/descriptor_plan.hpp"
#include "config/warnings.hpp"
#include "sink/sink_uri.hpp"

namespace gatepost::config {

namespace {

// 0 or errno. Root-only rights and read-only file systems count, as they do for open(2).
int access_error(const std::string& path, int mode) {
  return faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0 ? 0 : errno;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

void check_sink(const Config& config, Findings& findings) {
  const auto sink = parse_sink_uri(config.sink);
  if (!sink || !sink.value().maildir) return;
  const std::string& root = sink.value().maildir->root();
  const auto unusable = [&](const std::string& path, int error) {
    return fmt::format("--sink {}: {}: {}", config.sink, path, std::strerror(error));
  };

  std::string existing = root;
  struct stat status {};
  while (stat(existing.c_str(), &status) != 0) {
    if (errno != ENOENT || existing == "/") {
      findings.errors.push_back(unusable(existing, errno));
      return;
    }
    existing = parent_of(existing);
  }
  if (!S_ISDIR(status.st_mode)) {
    findings.errors.push_back(unusable(existing, ENOTDIR));
  } else if (existing != root) {
    if (int error = access_error(existing, W_OK | X_OK); error != 0)
      findings.errors.push_back(unusable("cannot make directories in " + existing, error));
  } else if (int unreadable = access_error(root, R_OK | X_OK); unreadable != 0) {
    findings.errors.push_back(unusable(root, unreadable));
  } else if (int error = access_error(root, W_OK); error != 0) {
    // Whoever has made all maildirs beforehand needs no more.
    findings.warnings.push_back(unusable("cannot make maildirs in " + root, error));
  }
}

void check_kernel_features(const Machine& machine, const Config& config, Findings& findings) {
  const auto features = machine.probe_ring();
  if (!features) {
    findings.errors.push_back(features.error());
  } else if (auto fine = check_features(config, features.value()); !fine) {
    findings.errors.push_back(fine.error());
  }
}

void check_descriptors(const Machine& machine, const Config& config, Findings& findings) {
  const auto plan = plan_descriptors(config, machine.descriptors_max);
  if (!plan) {
    findings.errors.push_back(plan.error());
  } else if (std::string warning = plan_warning(config, plan.value()); !warning.empty()) {
    findings.warnings.push_back(std::move(warning));
  }
}

}  // namespace

Result<Done> check_features(const Config& config, const ring::Features& features) {
  if (config.buffer_mode == ring::BufferMode::bundle && !features.recv_bundle)
    return Error{"--buffer-mode bundle: this kernel has no receive bundles (Linux 6.10); use auto"};
  if (config.buffer_mode == ring::BufferMode::incremental && !features.incremental_buffers)
    return Error{
        "--buffer-mode incremental: this kernel has no incremental buffers (Linux 6.12); use auto"};
  if (config.direct_descriptors == Choice::on && !features.socket_commands)
    return Error{
        "--direct-descriptors on: this kernel can't tell their peers (Linux 6.7); use auto"};
  return Done{};
}

Findings check_on(const Machine& machine, const Config& config) {
  Findings findings;
  check_kernel_features(machine, config, findings);
  check_descriptors(machine, config, findings);
  check_sink(config, findings);
  const auto take = [&](const std::vector<Warning>& warnings) {
    for (const Warning& warning : warnings) findings.warnings.push_back(warning.text);
  };
  take(flag_warnings(config));
  if (auto table = policy::RecipientTable::load(config.recipients); !table) {
    findings.errors.push_back(table.error());  // it changed since it was read
  } else {
    take(recipient_warnings(config, *table.value()));
  }
  return findings;
}

}  // namespace gatepost::config
