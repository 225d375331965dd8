// Events as one JSON object a line (RFC 8259), with KumoMTA's names where it has one for the field.
#include <fmt/format.h>

#include "observe/escape.hpp"
#include "observe/event_lines.hpp"

namespace gatepost::observe {

namespace {

// Writes members of one object; puts the commas.
class JsonObject {
 public:
  explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }
  void end() { out_ += '}'; }

  void key(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
  }
  void string(std::string_view name, std::string_view value) {
    key(name);
    value_string({value, false});
  }
  void string(std::string_view name, RecordString value) {
    key(name);
    value_string(value);
  }
  void string_unless_empty(std::string_view name, RecordString value) {
    if (!value.text.empty()) string(name, value);
  }
  void number(std::string_view name, std::uint64_t value) {
    key(name);
    fmt::format_int digits(value);
    out_.append(digits.data(), digits.size());
  }
  void value_string(RecordString value) {
    out_ += '"';
    append_escaped_json(out_, value.text);
    if (value.cut) out_ += "...";
    out_ += '"';
  }

 private:
  std::string& out_;
  bool first_ = true;
};

class JsonLine {
 public:
  JsonLine(std::string& out, const std::uint8_t* record, LineContext context)
      : out_(out), record_(record), context_(context), line_(out) {}

  void append() {
    switch (record_.header().kind) {
      case EventKind::padding:
        break;
      case EventKind::connect:
        append_connect();
        break;
      case EventKind::refuse:
        append_refuse();
        break;
      case EventKind::disconnect:
        append_disconnect();
        break;
      case EventKind::message:
        append_message();
        break;
      case EventKind::reject:
        append_reject();
        break;
      case EventKind::note:
        append_note();
        break;
      case EventKind::session_note:
        append_session_note();
        break;
    }
    line_.end();
    out_ += '\n';
  }

 private:
  void begin(std::string_view type) {
    line_.string("type", type);
    line_.key("event_time");
    out_ += '"';
    context_.time_stamp.append(out_, record_.header().time_us);
    out_ += '"';
    line_.string("level", log_level_name(record_.header().level));
    if (context_.shard >= 0) line_.number("shard", static_cast<std::uint64_t>(context_.shard));
  }
  // The first number of every event of a session: port and reply code. Returns the code.
  std::uint16_t take_port_and_code() {
    std::uint64_t packed = record_.number();
    port_ = packed >> 16;
    return static_cast<std::uint16_t>(packed);
  }
  void append_peer(RecordString address, RecordString helo) {
    line_.key("peer_address");
    JsonObject peer(out_);
    if (!helo.text.empty()) peer.string("name", helo);
    peer.string("addr", address);
    peer.number("port", port_);
    peer.end();
  }
  void append_response(std::uint16_t code, RecordString enhanced, RecordString content,
                       RecordString command) {
    line_.key("response");
    JsonObject response(out_);
    response.number("code", code);
    response.string_unless_empty("enhanced_code", enhanced);
    response.string("content", content);
    response.string_unless_empty("command", command);
    response.end();
  }

  void append_connect() {
    begin("Connect");
    take_port_and_code();
    append_peer(record_.string(), {});
  }

  void append_refuse() {
    begin("Refusal");
    std::uint16_t code = take_port_and_code();
    append_peer(record_.string(), {});
    RecordString enhanced = record_.string();
    append_response(code, enhanced, record_.string(), {});
    line_.string_unless_empty("cause", record_.string());
  }

  void append_disconnect() {
    begin("Disconnect");
    take_port_and_code();
    RecordString address = record_.string();
    append_peer(address, record_.string());
    line_.string_unless_empty("reason", record_.string());
    line_.key("commands");
    JsonObject commands(out_);
    while (record_.numbers_left() != 0) {
      std::uint64_t packed = record_.number();
      std::uint64_t verb = packed >> 32;
      commands.key(verb < context_.verb_names.size() ? context_.verb_names[verb] : "unknown");
      JsonObject counts(out_);
      counts.number("accepted", packed >> 16 & 0xffff);
      counts.number("total", packed & 0xffff);
      counts.end();
    }
    commands.end();
  }

  void append_message() {
    std::uint16_t code = take_port_and_code();
    begin(code / 100 == 2 ? "Reception" : code == 0 ? "Abort" : "Rejection");
    std::uint64_t size = record_.number();
    std::uint64_t recipients = record_.number();
    std::uint64_t total_us = record_.number();
    std::uint64_t commit_us = record_.number();
    RecordString address = record_.string();
    RecordString protocol = record_.string();
    RecordString helo = record_.string();
    line_.string("id", record_.string());
    line_.string("sender", record_.string());
    RecordString enhanced = record_.string();
    RecordString text = record_.string();
    RecordString cause = record_.string();
    line_.key("recipient");
    out_ += '[';
    for (bool first = true; record_.strings_left() != 0; first = false) {
      if (!first) out_ += ',';
      line_.value_string(record_.string());
    }
    out_ += ']';
    line_.number("recipient_count", recipients);
    line_.number("size", size);
    append_peer(address, helo);
    line_.string("reception_protocol", protocol);
    if (code != 0) append_response(code, enhanced, text, {"END-OF-MESSAGE", false});
    line_.number("delay_us", total_us);
    line_.number("commit_us", commit_us);
    line_.string_unless_empty("cause", cause);
  }

  void append_reject() {
    begin("Rejection");
    std::uint16_t code = take_port_and_code();
    bool has_reverse_path = record_.number() != 0;
    RecordString address = record_.string();
    RecordString protocol = record_.string();
    RecordString helo = record_.string();
    line_.string_unless_empty("id", record_.string());
    RecordString reverse_path = record_.string();
    if (has_reverse_path) line_.string("sender", reverse_path);
    RecordString enhanced = record_.string();
    RecordString text = record_.string();
    RecordString cause = record_.string();
    RecordString command = record_.string();
    line_.string_unless_empty("recipient", record_.string());
    append_peer(address, helo);
    line_.string_unless_empty("reception_protocol", protocol);
    append_response(code, enhanced, text, command);
    line_.string_unless_empty("cause", cause);
  }

  void append_note() {
    begin("Note");
    line_.string("content", record_.string());
  }

  void append_session_note() {
    begin("Note");
    take_port_and_code();
    append_peer(record_.string(), {});
    line_.string("content", record_.string());
  }

  std::string& out_;
  RecordReader record_;
  LineContext context_;
  JsonObject line_;
  std::uint64_t port_ = 0;
};

}  // namespace

void append_json_lines(std::string& out, const std::uint8_t* record, LineContext context) {
  JsonLine(out, record, context).append();
}

}  // namespace gatepost::observe
