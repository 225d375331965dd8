// XXH3-128 over content that comes in pieces.
#pragma once

#include <xxhash.h>

#include <memory>
#include <string>
#include <string_view>

namespace gatepost::load {

class ContentHash {
 public:
  ContentHash();
  void update(std::string_view octets);
  // 32 hex digits, as XXH128_canonicalFromHash orders them.
  std::string hex() const;

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

}  // namespace gatepost::load
