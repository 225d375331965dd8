// Names in a maildir: directory components made from addresses, and message files.
//
// Addresses come from strangers. What becomes of them here is the reason why nothing is ever
// written outside the template's root, so that it is small, pure, and fuzzed
// (tests/fuzz/maildir_name.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/message_id.hpp"

namespace gatepost {

// The longest name of one directory entry (NAME_MAX).
constexpr std::size_t component_length_max = 255;

// Appends `value` in the form that a directory name takes. Letters, digits and - _ . + = stay; all
// other octets, '%' itself, and a '.' or '-' at the front become %XX. The empty value becomes "%".
// Different values give different results. Not bounded: three octets for one at most.
void append_encoded(std::string& out, std::string_view value);

// Whether append_encoded keeps this octet (but for the front).
bool kept_when_encoded(char octet);

// Shortens what stands in `out` from `start` on to component_length_max: its front, "%~", and 32
// hex digits of a hash over the whole. No unshortened name contains "%~".
void bound_component(std::string& out, std::size_t start);

// One value as one directory name: append_encoded, then bound_component.
std::string encode_component(std::string_view value);

// The value again. Nothing where `name` was not made by append_encoded, or was shortened.
std::optional<std::string> decode_component(std::string_view name);

// What tells the files of one process from those of all others, of other hosts, and of its own
// predecessors.
struct ProcessIdentity {
  std::string host;  // with '/', ':', ',' and control octets as \ooo (cr.yp.to/proto/maildir.html)
  std::uint32_t pid = 0;
  std::string system;  // 24 hex digits: machine, boot id, pid namespace
  std::string life;    // 8 hex digits, drawn at the start of the process

  // Of this process; `host` empty: ask gethostname(2).
  static ProcessIdentity current(std::string_view host);
};

// Appends the name of a message file without its size:
//   SECONDS.M<usec>P<pid>Q<sequence>X<machine, boot and pid namespace>R<life>_<message id>.<host>
// Names sort by time. They are unique: message ids are in one process, the rest makes it so beyond.
void append_file_name(std::string& out, const ProcessIdentity& identity, WallUs received_at,
                      std::uint64_t sequence, MessageId id);

// Whether a file in tmp/ was left behind by somebody who will not come back for it.
// age_s: seconds since it was last changed. process_alive: whether a process of that pid exists.
// Our own form tells whose it was. What may be of a living process elsewhere (on another machine
// that has the same SMTP name, in a container whose processes can't be seen) and every other name
// is left alone for 36 hours, as the maildir rules have it.
bool is_stale_temporary(std::string_view name, const ProcessIdentity& self, std::int64_t age_s,
                        bool (*process_alive)(std::uint32_t pid));

}  // namespace gatepost
