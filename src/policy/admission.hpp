// Who may connect: rules by client network, and how many connections one address may hold.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace gatepost::policy {

// An IPv6 address in network order; IPv4 as ::ffff:a.b.c.d.
using Address = std::array<std::uint8_t, 16>;

struct Network {
  Address address{};
  unsigned prefix_bits = 128;  // of 128
  bool contains(const Address& other) const;
};

// Immutable after start; any thread.
struct ClientRules {
  std::vector<Network> denied;                  // greeted with 554
  std::vector<Network> bare_newline_tolerated;  // normalised where others are refused
  static bool matches(const std::vector<Network>& networks, const Address& address);
};

struct ConnectionLimits {
  std::uint32_t connections = 10'000;
  std::uint32_t per_client = 50;          // 0: no limit
  unsigned ipv6_client_prefix_bits = 84;  // of an IPv6 address, what tells clients apart
};

// Sessions, in all and by client, over all shards: the one place where shards share something that
// is written, touched only when a session begins or ends. Clients are divided by hash so that two
// shards seldom meet at a lock.
class ConnectionCounts {
 public:
  enum class Verdict : std::uint8_t { entered, process_full, client_full };

  explicit ConnectionCounts(const ConnectionLimits& limits) : limits_(limits) {}
  // Counts one more, unless that would be over a limit. Any thread.
  Verdict enter(const Address& address);
  // Gives one back that entered. Any thread.
  void leave(const Address& address);

 private:
  // What is counted as one client: an IPv4 address, or the network of an IPv6 one.
  Address client_of(const Address& address) const;
  struct Hash {
    std::size_t operator()(const Address& address) const;
  };
  struct Part {
    std::mutex mutex;
    std::unordered_map<Address, std::uint32_t, Hash> counts;
  };
  Part& part(const Address& address) { return parts_[Hash{}(address) % parts_.size()]; }

  const ConnectionLimits limits_;
  std::atomic<std::uint32_t> sessions_{0};
  std::array<Part, 64> parts_;
};

}  // namespace gatepost::policy
