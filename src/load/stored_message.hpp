// One file of a maildir, as far as `verify` needs to understand it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gatepost::load {

struct StoredMessage {
  std::string id;           // empty: there is no field of ours at the end of the trace fields
  std::uint64_t size = 0;   // of the content below the trace fields, counted with CRLF
  std::string hash;         // of the content below the trace fields, with LF
  bool mixed_ends = false;  // some lines end with CRLF, others with LF
};

// content: the whole file. Return-Path and Received fields on top, folded or not, are taken off
// (RFC 5321 §4.4); what follows must begin with our own field.
StoredMessage read_stored(std::string_view content);

// Reads a whole file.
Result<std::string> read_file(const std::string& path);

}  // namespace gatepost::load
