// Arbitrary octets to a session: it must answer in well-formed lines, never depend on how the input
// was cut, keep its questions to the sink in order, and give everything back that it drew.
//
// The first octet of the input chooses the settings, the second seeds the cuts.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "smtp/session.hpp"

namespace gatepost::smtp {
namespace {

class ModelHost final : public SessionHost {
 public:
  bool reply(const ReplyNote& note) override {
    std::string_view wire = note.wire;
    GP_CHECK(wire.ends_with("\r\n"));
    while (!wire.empty()) {
      std::size_t end = wire.find("\r\n");
      GP_CHECK(end >= 4 && end + 2 <= bounds::reply_line_length_max);
      GP_CHECK(wire[0] >= '2' && wire[0] <= '5' && wire[1] <= '5' && wire[2] >= '0' &&
               wire[2] <= '9');
      bool last = end + 2 == wire.size();
      GP_CHECK(wire[3] == (last ? ' ' : '-'));
      for (char c : wire.substr(0, end)) GP_CHECK(c >= 32 && c < 127);
      wire.remove_prefix(end + 2);
    }
    replies.append(note.wire);
    return true;
  }
  void content(std::uint8_t* octets, std::size_t size) override {
    GP_CHECK(message_open && !holds);
    contents.append(reinterpret_cast<const char*>(octets), size);
  }
  void content_constant(std::string_view octets) override {
    GP_CHECK(message_open && !holds);
    contents.append(octets);
  }
  void hold_content(std::uint8_t* octets, std::size_t size) override {
    GP_CHECK(message_open);
    holds = true;
    held.append(reinterpret_cast<const char*>(octets), size);
  }
  void hold_constant(std::string_view octets) override {
    GP_CHECK(message_open);
    holds = true;
    held.append(octets);
  }
  void resolve_held(bool keep) override {
    GP_CHECK(message_open && holds);
    if (keep) contents.append(held);
    held.clear();
    holds = false;
  }
  void abort_message() override {
    GP_CHECK(message_open);
    message_open = false;
    holds = false;
    held.clear();
    // How much of a message was handed on before it failed depends on the cuts; nothing of it
    // counts.
    contents.resize(message_begin);
  }

  std::string replies;
  std::string contents;
  std::string held;
  std::size_t message_begin = 0;
  bool message_open = false;
  bool holds = false;
};

// The session's input in pieces; returns replies and accepted contents.
std::string run(const SessionConfig& config, scan::LineEnd line_end, scan::BareNewline bare_newline,
                std::string input, std::uint32_t cuts) {
  SessionPools pools(1 << 20);
  ModelHost host;
  {
    ContentStyle style{line_end, line_end == scan::LineEnd::lf};
    Session session(config, pools, host, style, {Greeting::welcome, bare_newline});
    session.greet(false);
    bool closed = false;
    std::size_t at = 0;
    unsigned messages = 0;
    while (at < input.size() && !closed) {
      std::size_t size = input.size() - at;
      if (cuts != 0) {
        cuts = cuts * 1664525u + 1013904223u;
        size = std::min<std::size_t>(size, 1 + (cuts >> 24) % 17);
      }
      // A copy of its own, so that reading beyond it is found out.
      std::vector<std::uint8_t> piece(input.begin() + static_cast<long>(at),
                                      input.begin() + static_cast<long>(at + size));
      at += size;
      std::span<std::uint8_t> octets(piece);
      for (;;) {
        Event event = session.next(octets, false);
        if (event == Event::need_input) break;
        if (event == Event::close) {
          closed = true;
          break;
        }
        switch (event) {
          case Event::decide_mail:
            session.mail_decided(nullptr);
            break;
          case Event::decide_recipient: {
            const auto& recipient = session.pending_recipient();
            GP_CHECK(recipient.local_part.size() <= bounds::local_part_length_max);
            bool refuse = recipient.local_part.starts_with("no");
            session.recipient_decided(refuse ? &replies::unknown_user : nullptr,
                                      recipient.local_part,
                                      recipient.domain.empty() ? "example.test" : recipient.domain);
            break;
          }
          case Event::open_message:
            GP_CHECK(!host.message_open && session.transaction()->recipient_count() > 0);
            host.message_open = true;
            host.message_begin = host.contents.size();
            session.opened(nullptr);
            break;
          case Event::commit_message:
            GP_CHECK(host.message_open && !host.holds);
            host.message_open = false;
            host.contents.append("|");
            ++messages;
            session.committed(messages % 3 == 0 ? &replies::local_error : nullptr,
                              "0123456789ABCDEF");
            break;
          default:
            break;
        }
      }
      GP_CHECK(octets.empty() || closed);
    }
  }
  GP_CHECK(!host.message_open);
  GP_CHECK(pools.transactions.in_use() == 0);
  return host.replies + "\n--\n" + host.contents;
}

}  // namespace
}  // namespace gatepost::smtp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gatepost;
  if (size < 2) return 0;
  smtp::SessionSettings settings;
  settings.hostname = "mx.example.test";
  settings.reject_early_talkers = false;  // the one rule that depends on the cuts (SMG-11)
  settings.message_size_limit = 2000;
  settings.header_size_limit = 400;
  settings.hopcount_limit = 2;
  settings.recipient_limit = 100;
  settings.binarymime = (data[0] & 1) != 0;
  settings.smtputf8 = (data[0] & 2) == 0;
  settings.chunking = (data[0] & 4) == 0 || settings.binarymime;
  scan::LineEnd line_end = (data[0] & 8) != 0 ? scan::LineEnd::lf : scan::LineEnd::crlf;
  scan::BareNewline bare_newline =
      (data[0] & 16) != 0 ? scan::BareNewline::normalize : scan::BareNewline::keep;
  smtp::SessionConfig config(settings);
  std::string input(reinterpret_cast<const char*>(data) + 2, size - 2);
  std::string whole = smtp::run(config, line_end, bare_newline, input, 0);
  std::string cut = smtp::run(config, line_end, bare_newline, input, data[1] + 1u);
  if (whole != cut) {
    std::fprintf(stderr, "whole:\n%s\ncut:\n%s\n", whole.c_str(), cut.c_str());
    std::abort();
  }
  return 0;
}
