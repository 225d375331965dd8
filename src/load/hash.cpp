#include "load/hash.hpp"

#include "base/check.hpp"

namespace gatepost::load {

ContentHash::ContentHash() : state_(XXH3_createState()) {
  GP_CHECK(state_ != nullptr);
  XXH3_128bits_reset(state_.get());
}

void ContentHash::update(std::string_view octets) {
  XXH3_128bits_update(state_.get(), octets.data(), octets.size());
}

std::string ContentHash::hex() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (unsigned char octet : canonical.digest) {
    text += digits[octet >> 4];
    text += digits[octet & 15];
  }
  return text;
}

}  // namespace gatepost::load
