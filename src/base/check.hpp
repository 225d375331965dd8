// Invariants that stay on in release builds.
//
// GP_CHECK is for what this program promises itself. What a peer sent is never checked with it:
// hostile input gets an SMTP reply, not an abort.
#pragma once

namespace gatepost {

// Writes the failed condition and its place to stderr and aborts. Any thread.
[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace gatepost

#define GP_CHECK(condition)                                     \
  do {                                                          \
    if (!(condition)) [[unlikely]]                              \
      ::gatepost::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
