// Removes what crashed processes left in the maildirs' tmp/ directories.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "sink/maildir_name.hpp"
#include "sink/maildir_template.hpp"

namespace gatepost {

struct CleaningResult {
  std::uint64_t maildirs = 0;  // looked at
  std::uint64_t removed = 0;
};

// Walks the directories that the template can have made, and no others, and removes stale files
// (is_stale_temporary) from the tmp/ of each maildir. Blocks; ends early when `stop` is set. Errors
// are passed by: what cannot be read or removed is left for next time.
CleaningResult clean_maildirs(const MaildirTemplate& where, const ProcessIdentity& self,
                              const std::atomic<bool>& stop);

}  // namespace gatepost
