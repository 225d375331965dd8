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

std::size_t AddressCounts::Hash::operator()(const Address& address) const {
  std::uint64_t high, low;
  std::memcpy(&high, address.data(), 8);
  std::memcpy(&low, address.data() + 8, 8);
  std::uint64_t mixed = (high ^ (low * 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;
  return static_cast<std::size_t>(mixed ^ (mixed >> 31));
}

bool AddressCounts::enter(const Address& address) {
  if (limit_ == 0) return true;
  Part& p = part(address);
  std::lock_guard lock(p.mutex);
  std::uint32_t& count = p.counts[address];
  if (count >= limit_) return false;
  ++count;
  return true;
}

void AddressCounts::leave(const Address& address) {
  if (limit_ == 0) return;
  Part& p = part(address);
  std::lock_guard lock(p.mutex);
  auto found = p.counts.find(address);
  GP_CHECK(found != p.counts.end() && found->second > 0);
  if (--found->second == 0) p.counts.erase(found);
}

}  // namespace gatepost::policy
