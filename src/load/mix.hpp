// How clients behave: most send a message as they should, some are slow, some break off.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"
#include "load/random.hpp"

namespace gatepost::load {

enum class Kind : std::uint8_t {
  normal,
  slow,       // a whole message, its content a few octets at a time
  abort,      // closes (FIN) in the middle of the content
  reset,      // resets (RST) in the middle of the content
  halfclose,  // shuts its sending side in the middle of the content and goes on reading
  silent,     // says nothing more
  garbage,    // unknown commands
};
constexpr std::size_t kind_count = 7;
constexpr std::array<std::string_view, kind_count> kind_names = {
    "normal", "slow", "abort", "reset", "halfclose", "silent", "garbage"};

// Whether a client of this kind breaks off inside the content.
constexpr bool cuts_content(Kind kind) {
  return kind == Kind::abort || kind == Kind::reset || kind == Kind::halfclose;
}
// Whether a client of this kind never completes a message.
constexpr bool is_broken(Kind kind) {
  return kind != Kind::normal && kind != Kind::slow;
}

class Mix {
 public:
  // "slow=5%,abort=1%"; what is left over of 100% is normal. Empty: all normal.
  static Result<Mix> parse(std::string_view text);
  // Whether some clients are of this kind, which is not normal.
  bool has(Kind kind) const { return share_[static_cast<std::size_t>(kind)] > 0; }
  Kind draw(Random& random) const {
    if (total_ == 0) return Kind::normal;
    return draw_some(random);
  }

 private:
  Kind draw_some(Random& random) const;

  std::array<double, kind_count> share_{};
  double total_ = 0;
};

}  // namespace gatepost::load
