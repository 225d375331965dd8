#include "config/machine.hpp"

#include <netdb.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace gatepost::config {

namespace {

std::string full_hostname() {
  std::array<char, 256> name{};
  std::string hostname;
  if (gethostname(name.data(), name.size() - 1) == 0) hostname = name.data();
  if (!hostname.empty() && hostname.find('.') == std::string::npos) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_CANONNAME;
    addrinfo* found = nullptr;
    if (getaddrinfo(hostname.c_str(), nullptr, &hints, &found) == 0 && found != nullptr) {
      if (found->ai_canonname != nullptr) hostname = found->ai_canonname;
      freeaddrinfo(found);
    }
  }
  return hostname.find('.') == std::string::npos ? std::string() : hostname;
}

}  // namespace

Machine this_machine() {
  Machine machine;
  machine.hostname = full_hostname();
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) == 0)
    machine.cores = static_cast<std::uint32_t>(std::max(1, CPU_COUNT(&cores)));
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) machine.descriptors_max = limit.rlim_max;
  machine.probe_ring = [] { return ring::Ring::probe(); };
  return machine;
}

}  // namespace gatepost::config
