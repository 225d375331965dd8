#include "smtp/session_config.hpp"

#include <fmt/format.h>

#include "base/bounds.hpp"
#include "base/check.hpp"

namespace gatepost::smtp {
namespace {

std::string ehlo_reply(const SessionSettings& s) {
  // RFC 5321 §4.1.1.1: the first line names the server, each further one a keyword. Only what is
  // really supported, and all of it that is outside the minimum set.
  std::string text = fmt::format("250-{}\r\n250-PIPELINING\r\n250-SIZE {}\r\n250-8BITMIME\r\n",
                                 s.hostname, s.message_size_limit);
  if (s.chunking) text += "250-CHUNKING\r\n";
  if (s.chunking && s.binarymime) text += "250-BINARYMIME\r\n";
  text += "250-ENHANCEDSTATUSCODES\r\n";
  if (s.smtputf8) text += "250-SMTPUTF8\r\n";
  // RFC 9422 §4: at most six digits.
  if (s.recipient_limit <= 999'999)
    text += fmt::format("250-LIMITS RCPTMAX={}\r\n", s.recipient_limit);
  text += "250 HELP\r\n";
  return text;
}

}  // namespace

ServerTexts::ServerTexts(const SessionSettings& s) {
  const std::string& host = s.hostname;
  GP_CHECK(!host.empty() && host.size() <= bounds::domain_length_max);
  GP_CHECK(s.recipient_limit >= bounds::recipients_min);
  welcome = s.banner_text.empty() ? fmt::format("220 {}\r\n", host)
                                  : fmt::format("220 {} {}\r\n", host, s.banner_text);
  refuse = fmt::format("554 {} {}\r\n", host, s.refuse_text);
  no_mail = fmt::format("521 {} {}\r\n", host, s.refuse_text);
  early_talker = fmt::format("554 {} Protocol error: you talked before my reply\r\n", host);
  ehlo = ehlo_reply(s);
  helo = fmt::format("250 {}\r\n", host);
  bad_greeting = "501 Syntax: EHLO domain or [address literal]\r\n";
  bare_newline = "500 Bare CR or LF in command line; lines end with <CR><LF>\r\n";
  no_service = "503 No SMTP service here; send QUIT\r\n";
  help = fmt::format(
      "214-2.0.0 Commands: EHLO HELO MAIL RCPT DATA {}RSET NOOP QUIT VRFY HELP\r\n"
      "214 2.0.0 {}see RFC 5321\r\n",
      s.chunking ? "BDAT " : "", s.software.empty() ? std::string() : s.software + "; ");
  quit = fmt::format("221 2.0.0 {} Bye\r\n", host);
  too_many_errors = fmt::format("421 4.7.0 {} Error: too many errors\r\n", host);
  not_smtp = fmt::format("421 4.7.0 {} Error: this is not SMTP\r\n", host);
  line_flood = fmt::format("421 4.7.0 {} Error: line without end\r\n", host);
  timeout = fmt::format("421 4.4.2 {} Error: timeout exceeded\r\n", host);
  shutdown = fmt::format("421 4.3.2 {} Service shutting down\r\n", host);
  too_many_sessions = fmt::format("421 4.3.2 {} Error: too many concurrent sessions\r\n", host);
}

}  // namespace gatepost::smtp
