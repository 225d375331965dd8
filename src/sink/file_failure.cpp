#include "sink/file_failure.hpp"

#include <cerrno>
#include <cstring>

#include "base/check.hpp"
#include "fmt/format.h"

namespace gatepost {
namespace {

Disposition disposition_of(int error) {
  switch (error) {
    case ENOSPC:
      return Disposition::storage_full;
    case EDQUOT:  // The quota of the file's owner, or of the project: one mailbox, not the disk.
      return Disposition::mailbox_full;
    default:
      // All else is ours to repair, and the sender is to try again: permissions, a mount that went
      // away, RLIMIT_FSIZE, a broken disk.
      return Disposition::local_error;
  }
}

}  // namespace

FileFailure FileFailure::of(std::string_view call, std::string_view path, int error) {
  GP_CHECK(error != 0);
  const char* text = strerrordesc_np(error);
  FileFailure failure;
  failure.error = error;
  failure.disposition = disposition_of(error);
  failure.cause = text != nullptr ? fmt::format("{} {}: {}", call, path, text)
                                  : fmt::format("{} {}: error {}", call, path, error);
  return failure;
}

}  // namespace gatepost
