// Listening sockets and the addresses of this host.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "policy/admission.hpp"
#include "shard/shard.hpp"

namespace gatepost {

// Binds and listens on `address`, one socket per shard (SO_REUSEPORT, socket(7)), so that the
// kernel spreads connections over them. A port of 0 is chosen by the kernel once, for all. The
// error is one line that names the flag, the address, and the remedy.
Result<std::vector<shard::Listener>> listen_on(const config::ListenAddress& address,
                                               unsigned shards);

// Whether a socket could listen on `address`, which is given to the flag of that name; the error is
// like that of listen_on(). Waits a while for a port whose last owner has just been killed.
Result<Done> check_free(std::string_view flag, const config::ListenAddress& address);

// The port that a listener really has.
std::uint16_t port_of(const shard::Listener& listener);

// Every address of every interface (getifaddrs(3)).
std::vector<policy::Address> own_addresses();

}  // namespace gatepost
