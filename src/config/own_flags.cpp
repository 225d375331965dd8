#include "config/own_flags.hpp"

#include <fmt/format.h>

#include <array>

#include "base/bounds.hpp"
#include "config/flag_kinds.hpp"
#include "config/values.hpp"
#include "sink/sink_uri.hpp"
#include "smtp/path.hpp"

namespace gatepost::config {

using namespace topics;

Flag listen_flag() {
  return {
      .name = "listen",
      .kind = FlagKind::list,
      .topic = receiving,
      .value_name = "ADDR:PORT",
      .help =
          "Where to take connections: 192.0.2.1:25, [2001:db8::1]:25, or *:25 for every address. "
          "Beyond loopback only together with --accept-domain.",
      .apply = [](Config& config, std::string_view text) -> Result<Done> {
        auto address = parse_listen(text);
        if (!address) return Error{address.error()};
        for (const ListenAddress& other : config.listen) {
          if (other == address.value())
            return Error{"is given twice; each address is allowed once"};
        }
        config.listen.push_back(address.value());
        return Done{};
      },
      .show =
          [](const Config& config) {
            std::string shown;
            for (const ListenAddress& address : config.listen)
              shown += (shown.empty() ? "" : ", ") + to_text(address);
            return shown;
          },
      .clear = [](Config& config) { config.listen.clear(); }};
}

Flag hostname_flag() {
  return {
      .name = "hostname",
      .kind = FlagKind::value,
      .topic = receiving,
      .value_name = "NAME",
      .help =
          "The name to greet with and to write into Received fields. It should be the one that the "
          "MX record and the address's reverse record have.",
      .apply = [](Config& config, std::string_view text) -> Result<Done> {
        if (!smtp::valid_domain(text, false) || text.find('.') == std::string_view::npos)
          return Error{"allowed is a fully qualified domain name such as mx1.example.org"};
        config.hostname = text;
        return Done{};
      },
      .show = [](const Config& config) { return config.hostname; },
      .default_note = "this machine's full name if it has a dot, else localhost.localdomain"};
}

Flag accept_domain_flag() {
  return {
      .name = "accept-domain",
      .kind = FlagKind::list,
      .topic = recipients,
      .value_name = "DOMAIN",
      .help =
          "A domain to take mail for; a subdomain is another domain. @FILE: those listed there, "
          "one "
          "a line, read again on SIGHUP. Mail for any other domain is refused (550 5.7.1).",
      .apply = [](Config& config, std::string_view text) -> Result<Done> {
        if (text.starts_with('@')) {
          if (text.size() == 1) return Error{"allowed is a domain, or @ and the path of a file"};
          config.recipients.accept_domain_files.emplace_back(text.substr(1));
          return Done{};
        }
        std::array<char, bounds::domain_length_max + 1> canonical;
        if (!smtp::valid_domain(text, true) || smtp::canonical_domain(text, canonical) == 0)
          return Error{"allowed is a domain such as example.org, or @FILE with one domain a line"};
        config.recipients.accept_domains.emplace_back(text);
        return Done{};
      },
      .show =
          [](const Config& config) {
            std::string shown;
            for (const std::string& domain : config.recipients.accept_domains)
              shown += (shown.empty() ? "" : ", ") + domain;
            for (const std::string& file : config.recipients.accept_domain_files)
              shown += (shown.empty() ? "@" : ", @") + file;
            return shown;
          },
      .clear =
          [](Config& config) {
            config.recipients.accept_domains.clear();
            config.recipients.accept_domain_files.clear();
          }};
}

Flag recipients_flag() {
  return {.name = "recipients",
          .kind = FlagKind::value,
          .topic = recipients,
          .value_name = "FILE",
          .help =
              "The recipients there are, one address or @domain a line, read again on SIGHUP. "
              "Others are "
              "refused (550 5.1.1). postmaster is always taken.",
          .apply = [](Config& config, std::string_view text) -> Result<Done> {
            if (text.empty()) return Error{"allowed is the path of a file"};
            config.recipients.recipients_file = text;
            return Done{};
          },
          .show = [](const Config& config) { return config.recipients.recipients_file; },
          .default_note = "every local part of the accepted domains"};
}

Flag recipient_delimiter_flag() {
  return {.name = "recipient-delimiter",
          .kind = FlagKind::value,
          .topic = recipients,
          .value_name = "CHARS",
          .help =
              "Each of these characters ends the user's name: mail for user+list@ goes to the "
              "mailbox of user@, unless user+list@ is listed itself. Empty: none does.",
          .apply = [](Config& config, std::string_view text) -> Result<Done> {
            bool fine = text.size() <= 8;
            for (char c : text) fine &= c > ' ' && c <= '~' && c != '@' && c != '"' && c != '\\';
            if (!fine)
              return Error{
                  "allowed are up to 8 printable characters other than @, \" and backslash, or "
                  "nothing"};
            config.recipients.recipient_delimiter = text;
            return Done{};
          },
          .show = [](const Config& config) { return config.recipients.recipient_delimiter; }};
}

Flag sink_flag() {
  return {.name = "sink",
          .kind = FlagKind::value,
          .topic = delivery,
          .value_name = "URI",
          .help =
              "Where mail goes. maildir:TEMPLATE writes maildirs, one per recipient; the template "
              "may hold "
              "{domain}, {local-part} and {address}. discard: throws all mail away, for measuring "
              "only.",
          .apply = [](Config& config, std::string_view text) -> Result<Done> {
            if (auto sink = parse_sink_uri(text); !sink) {
              // It repeats the URI, which stands in front of it here.
              std::string_view wrong = sink.error();
              std::string prefix = fmt::format("\"{}\": ", text);
              if (wrong.starts_with(prefix)) wrong.remove_prefix(prefix.size());
              // What is allowed in a path says enough where only the path is wrong.
              constexpr std::string_view allowed = "allowed are ";
              const std::size_t last = wrong.rfind(allowed);
              if (wrong.find(allowed) < last) wrong = wrong.substr(0, wrong.rfind(';', last));
              return Error{std::string(wrong)};
            }
            config.sink = text;
            return Done{};
          },
          .show = [](const Config& config) { return config.sink; }};
}

Flag pin_flag() {
  return {.name = "pin",
          .kind = FlagKind::on_off,
          .topic = performance,
          .value_name = "",
          .help = "Keep each shard on a core of its own.",
          .apply = [](Config& config, std::string_view text) -> Result<Done> {
            if (text != "true" && text != "false") return Error{"allowed is true or false"};
            config.pin = text == "true" ? Choice::on : Choice::off;
            return Done{};
          },
          .show = [](const Config& config) { return config.pin == Choice::on ? "true" : "false"; },
          .default_note = "when there are as many shards as cores, and more than one"};
}

Flag buffer_size_flag() {
  Flag flag = size_flag("buffer-size", performance, &Config::buffer_size_bytes,
                        {bounds::receive_buffer_size_min, bounds::receive_buffer_size_max},
                        "Size of one receive buffer: a power of two.");
  flag.apply = [parse = flag.apply](Config& config, std::string_view text) -> Result<Done> {
    Config tried;
    if (!parse(tried, text) || (tried.buffer_size_bytes & (tried.buffer_size_bytes - 1)) != 0)
      return Error{"allowed is a power of two from 4K to 1M"};
    config.buffer_size_bytes = tried.buffer_size_bytes;
    return Done{};
  };
  return flag;
}

Flag metrics_listen_flag() {
  return {.name = "metrics-listen",
          .kind = FlagKind::value,
          .topic = logging,
          .value_name = "ADDR:PORT",
          .help =
              "Serve /metrics (Prometheus), /healthz and /readyz there over HTTP, for example on "
              "127.0.0.1:9125. It has no access control.",
          .apply = [](Config& config, std::string_view text) -> Result<Done> {
            auto address = parse_listen(text);
            if (!address) return Error{address.error()};
            config.metrics_listen = address.value();
            return Done{};
          },
          .show =
              [](const Config& config) {
                return config.metrics_listen ? to_text(*config.metrics_listen) : std::string();
              },
          .default_note = "off"};
}

}  // namespace gatepost::config
