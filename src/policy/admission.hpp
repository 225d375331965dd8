// Who may connect: rules by client network, and how many connections one address may hold.
#pragma once

#include <array>
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

// Connections by client address over all shards: the one place where shards share something that is
// written, touched only when a connection begins or ends. Divided by hash so that two shards seldom
// meet at a lock.
class AddressCounts {
 public:
  // limit: connections per address; 0: no limit, nothing is counted.
  explicit AddressCounts(std::uint32_t limit) : limit_(limit) {}
  // Counts one more, unless that would be over the limit. Any thread.
  bool enter(const Address& address);
  // Gives one back that entered. Any thread.
  void leave(const Address& address);

 private:
  struct Hash {
    std::size_t operator()(const Address& address) const;
  };
  struct Part {
    std::mutex mutex;
    std::unordered_map<Address, std::uint32_t, Hash> counts;
  };
  Part& part(const Address& address) { return parts_[Hash{}(address) % parts_.size()]; }

  std::uint32_t limit_;
  std::array<Part, 64> parts_;
};

}  // namespace gatepost::policy
