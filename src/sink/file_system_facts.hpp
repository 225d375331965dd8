// What the kernel says of the file system that a descriptor lies on.
#pragma once

#include <string>

namespace gatepost {

struct FileSystemFacts {
  enum class Kind { unknown, ext4, xfs, other };  // unknown: it could not be asked
  Kind kind = Kind::unknown;
  std::string type = "unknown file system";  // as mounted: "ext4", "tmpfs", ...; for display
  std::string ext4_options;                  // of /proc/fs/ext4/<device>/options, else empty
};

// Reads /proc and /sys; may block.
FileSystemFacts file_system_facts(int fd);

}  // namespace gatepost
