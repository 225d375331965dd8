#include "sink/sink_uri.hpp"

#include "fmt/format.h"
#include "sink/discard.hpp"

namespace gatepost {
namespace {

constexpr std::string_view maildir_scheme = "maildir:";
constexpr std::string_view allowed =
    "allowed are maildir:PATH, where PATH may hold {domain}, {local-part} and {address}, and "
    "discard:";

}  // namespace

Result<SinkSpec> parse_sink_uri(std::string_view uri) {
  SinkSpec spec;
  if (uri == "discard:") return spec;
  if (uri.starts_with(maildir_scheme)) {
    Result<MaildirTemplate> where = MaildirTemplate::parse(uri.substr(maildir_scheme.size()));
    if (!where) return Error{fmt::format("\"{}\": {}; {}", uri, where.error(), allowed)};
    spec.kind = SinkSpec::Kind::maildir;
    spec.maildir = std::move(where.value());
    return spec;
  }
  return Error{fmt::format("\"{}\": unknown sink; {}", uri, allowed)};
}

Result<std::unique_ptr<Sink>> create_sink(const SinkSpec& spec, const SinkOptions& options,
                                          unsigned shard_index, SinkHost& host) {
  if (spec.kind == SinkSpec::Kind::maildir) {
    GP_CHECK(spec.maildir.has_value());
    return MaildirSink::create(*spec.maildir, options.maildir, options.hostname, shard_index, host);
  }
  return std::unique_ptr<Sink>(std::make_unique<DiscardSink>(host));
}

}  // namespace gatepost
