#include "config/warnings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/values.hpp"
#include "sink/sink_uri.hpp"

namespace gatepost::config {

namespace {

constexpr std::uint64_t content_size_min = 65'536;  // RFC 5321 §4.5.3.1.7

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", grouped_text(count), count == 1 ? one : many);
}

// Whether the recipients file says nothing: then a domain takes mail for its postmaster alone.
bool lists_nobody(const policy::RecipientTable& table) {
  if (table.recipient_count() > 0) return false;
  constexpr std::array<std::uint8_t, 16> no_address{};
  for (std::size_t i = 0; i < table.domain_count(); ++i) {
    // No address is listed, so that only "@domain" can let anybody in.
    const policy::RecipientCheck check = table.check("anybody", table.domain(i), no_address);
    if (check.verdict == policy::RecipientVerdict::accepted) return false;
  }
  return true;
}

// What tells mailboxes apart in a template.
struct Distinguishes {
  bool local_parts = false;
  bool domains = false;
};

Distinguishes distinguishes(const MaildirTemplate& where) {
  using Kind = MaildirTemplate::Part::Kind;
  Distinguishes found;
  for (const MaildirTemplate::Component& component : where.components()) {
    for (const MaildirTemplate::Part& part : component) {
      found.local_parts |= part.kind == Kind::local_part || part.kind == Kind::address;
      found.domains |= part.kind == Kind::domain || part.kind == Kind::address;
    }
  }
  return found;
}

}  // namespace

std::vector<Warning> flag_warnings(const Config& config) {
  using observe::LogLevel;
  std::vector<Warning> warnings;
  if (config.sink.starts_with("discard:"))
    warnings.push_back({LogLevel::error, "--sink discard: answers 250 and throws all mail away"});
  if (config.embedded_default && config.refuse_all == 0)
    warnings.push_back({LogLevel::error,
                        "no --accept-domain: running on the built-in example domains, for trying "
                        "out only"});
  if (config.message_size_limit_bytes < content_size_min)
    warnings.push_back(
        {LogLevel::warn,
         fmt::format("--message-size-limit {}: RFC 5321 section 4.5.3.1.7 wants every server to "
                     "take messages of 64K at least",
                     size_text(config.message_size_limit_bytes))});
  if (config.refuse_all != 0)
    warnings.push_back({LogLevel::warn, fmt::format("--refuse-all {}: every client is turned away",
                                                    config.refuse_all)});
  return warnings;
}

std::vector<Warning> recipient_warnings(const Config& config, const policy::RecipientTable& table) {
  std::vector<Warning> warnings;
  const auto warn = [&](std::string text) {
    warnings.push_back({observe::LogLevel::warn, std::move(text)});
  };
  if (!config.recipients.recipients_file.empty() && lists_nobody(table))
    warn(
        fmt::format("--recipients {}: lists no address and no @domain, so that all mail but that "
                    "for postmaster is refused",
                    config.recipients.recipients_file));
  const auto sink = parse_sink_uri(config.sink);
  if (!sink || !sink.value().maildir) return warnings;
  const Distinguishes by = distinguishes(*sink.value().maildir);
  if (!by.local_parts)
    warn(
        fmt::format("--sink {}: all recipients{} share one maildir: the template has neither "
                    "{{local-part}} nor {{address}}",
                    config.sink, by.domains ? " of a domain" : ""));
  else if (!by.domains && table.domain_count() > 1)
    warn(
        fmt::format("--sink {}: users of the same name in the {} accepted domains share one "
                    "maildir: the template has neither {{domain}} nor {{address}}",
                    config.sink, table.domain_count()));
  return warnings;
}

std::string recipients_text(const Config& config, const policy::RecipientTable& table) {
  const std::string domains = counted(table.domain_count(), "domain", "domains");
  if (config.recipients.recipients_file.empty()) return "every local part, " + domains;
  return counted(table.recipient_count(), "address", "addresses") + ", " + domains;
}

}  // namespace gatepost::config
