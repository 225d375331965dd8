#include "policy/admission.hpp"

#include <cstring>

#include "base/check.hpp"

namespace gatepost::policy {

bool Network::contains(const Address& other) const {
  unsigned bytes = prefix_bits / 8;
  if (std::memcmp(address.data(), other.data(), bytes) != 0) return false;
  unsigned rest = prefix_bits % 8;
  if (rest == 0) return true;
  auto mask = static_cast<std::uint8_t>(0xff00u >> rest);
  return (address[bytes] & mask) == (other[bytes] & mask);
}

bool ClientRules::matches(const std::vector<Network>& networks, const Address& address) {
  for (const Network& network : networks)
    if (network.contains(address)) return true;
  return false;
}

std::size_t ConnectionCounts::Hash::operator()(const Address& address) const {
  std::uint64_t high, low;
  std::memcpy(&high, address.data(), 8);
  std::memcpy(&low, address.data() + 8, 8);
  std::uint64_t mixed = (high ^ (low * 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;
  return static_cast<std::size_t>(mixed ^ (mixed >> 31));
}

Address ConnectionCounts::client_of(const Address& address) const {
  constexpr std::uint8_t ipv4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::memcmp(address.data(), ipv4_prefix, sizeof ipv4_prefix) == 0) return address;
  Address client{};
  const unsigned bytes = limits_.ipv6_client_prefix_bits / 8;
  std::memcpy(client.data(), address.data(), bytes);
  if (const unsigned rest = limits_.ipv6_client_prefix_bits % 8; rest != 0)
    client[bytes] = static_cast<std::uint8_t>(address[bytes] & (0xff00u >> rest));
  return client;
}

ConnectionCounts::Verdict ConnectionCounts::enter(const Address& address) {
  if (sessions_.fetch_add(1, std::memory_order_relaxed) >= limits_.connections) {
    sessions_.fetch_sub(1, std::memory_order_relaxed);
    return Verdict::process_full;
  }
  if (limits_.per_client == 0) return Verdict::entered;
  const Address client = client_of(address);
  Part& p = part(client);
  std::lock_guard lock(p.mutex);
  std::uint32_t& count = p.counts[client];
  if (count >= limits_.per_client) {
    sessions_.fetch_sub(1, std::memory_order_relaxed);
    return Verdict::client_full;
  }
  ++count;
  return Verdict::entered;
}

void ConnectionCounts::leave(const Address& address) {
  const std::uint32_t before = sessions_.fetch_sub(1, std::memory_order_relaxed);
  GP_CHECK(before > 0);
  if (limits_.per_client == 0) return;
  const Address client = client_of(address);
  Part& p = part(client);
  std::lock_guard lock(p.mutex);
  auto found = p.counts.find(client);
  GP_CHECK(found != p.counts.end() && found->second > 0);
  if (--found->second == 0) p.counts.erase(found);
}

}  // namespace gatepost::policy
