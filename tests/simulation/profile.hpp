// What kind of run a seed is: which faults, which clients, which server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/client_model.hpp"
#include "simulation/faults.hpp"
#include "simulation/gateway.hpp"
#include "simulation/simulated_disk.hpp"
#include "simulation/simulated_kernel.hpp"

namespace gatepost::simulation {

struct Profile {
  std::string name;
  Faults::Rates rates{};
  GatewayOptions gateway;
  MountOptions mail_mount;
  ClientSettings clients;
  unsigned client_count = 30;
  SimulatedNs connect_window = 60 * second;  // in which clients begin
  SimulatedNs talk_window = 200 * second;    // after which they are asked to end
  unsigned hosts = 6;                        // addresses that clients come from
  std::uint32_t submission_entries = 0;      // 0: as many as the shard asks for
  std::size_t descriptors_max = 1024;
};

// The names, with a few words each, for --help.
struct ProfileName {
  std::string_view name;
  std::string_view description;
};
const std::vector<ProfileName>& profile_names();
bool is_profile(std::string_view name);

// The profile of a seed; `name` empty: the seed decides that too.
Profile make_profile(std::uint64_t seed, std::string_view name);

}  // namespace gatepost::simulation
