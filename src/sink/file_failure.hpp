// A file call that failed: what to tell the sender, and what to tell the operator.
#pragma once

#include <string>
#include <string_view>

#include "gatepost/sink.hpp"

namespace gatepost {

struct FileFailure {
  int error = 0;  // errno; 0: nothing failed
  Disposition disposition = Disposition::taken_over;
  std::string cause;  // "open /srv/mail/x: Permission denied"

  bool failed() const { return error != 0; }

  // call: the system call's name. path: what it was for. error: errno(3), not 0.
  static FileFailure of(std::string_view call, std::string_view path, int error);
};

}  // namespace gatepost
