// `--sink URI`: which sink, and where to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "gatepost/sink.hpp"
#include "sink/maildir.hpp"
#include "sink/maildir_template.hpp"

namespace gatepost {

struct SinkSpec {
  enum class Kind { maildir, discard };
  Kind kind = Kind::discard;
  std::optional<MaildirTemplate> maildir;  // set for Kind::maildir
};

// "maildir:TEMPLATE" or "discard:". The error names what was given and what is allowed; it does not
// name the flag.
Result<SinkSpec> parse_sink_uri(std::string_view uri);

// What the flags beside the URI say.
struct SinkOptions {
  MaildirOptions maildir;
  std::string hostname;  // in the names of files; empty: the system's
};

// One shard's sink. Called for every shard, at start, before the shard's thread is pinned or on an
// unpinned one; blocks on the file system. shard_index: 0 for exactly one of them, which cleans up
// for all. host outlives the sink. Fails where the sink cannot work at all, with the path and the
// cause.
Result<std::unique_ptr<Sink>> create_sink(const SinkSpec& spec, const SinkOptions& options,
                                          unsigned shard_index, SinkHost& host);

}  // namespace gatepost
