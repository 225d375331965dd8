// What the machine says of this process.

#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cstring>
#include <fstream>
#include <random>

#include "fmt/format.h"
#include "sink/maildir_name.hpp"

namespace gatepost {
namespace {

std::string encode_host(std::string_view host) {
  std::string out;
  for (const char octet : host.substr(0, 64)) {
    const auto value = static_cast<unsigned char>(octet);
    if (value <= ' ' || value >= 0x7F || std::strchr("/:,\\", octet) != nullptr) {
      out += fmt::format("\\{:03o}", value);
    } else {
      out += octet;
    }
  }
  return out.empty() ? "localhost" : out;
}

}  // namespace

ProcessIdentity ProcessIdentity::current(std::string_view host) {
  ProcessIdentity identity;
  char name[256] = {};
  if (host.empty() && gethostname(name, sizeof name - 1) == 0) host = name;
  identity.host = encode_host(host);
  identity.pid = static_cast<std::uint32_t>(getpid());

  std::string machine, boot;
  std::ifstream("/etc/machine-id") >> machine;
  if (gethostname(name, sizeof name - 1) == 0) machine += name;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  struct stat pid_namespace {};
  if (stat("/proc/self/ns/pid", &pid_namespace) != 0) pid_namespace.st_ino = 0;
  identity.system = fmt::format(
      "{:08X}{:08X}{:08X}", static_cast<std::uint32_t>(XXH3_64bits(machine.data(), machine.size())),
      static_cast<std::uint32_t>(XXH3_64bits(boot.data(), boot.size())),
      static_cast<std::uint32_t>(pid_namespace.st_ino));
  // One draw for all sinks of the process: its shards must know each other's files.
  static const std::uint32_t life = std::random_device{}();
  identity.life = fmt::format("{:08X}", life);
  return identity;
}

}  // namespace gatepost
