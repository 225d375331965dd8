// Events as one JSON object a line (RFC 8259), with KumoMTA's names where it has one for the field.
//
// Written in ASCII, everything else as \uHHHH and malformed UTF-8 as U+FFFD: no octet from the wire
// can end a line or turn the reading direction of a terminal.
#include <nlohmann/json.hpp>

#include "observe/event_lines.hpp"

namespace gatepost::observe {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(RecordString value) {
  std::string text(value.text);
  if (value.cut) text += "...";
  return text;
}

void put_unless_empty(Json& object, const char* name, RecordString value) {
  if (!value.text.empty()) object[name] = text_of(value);
}

Json peer_of(RecordString address, std::uint64_t port, RecordString helo) {
  Json peer = Json::object();
  put_unless_empty(peer, "name", helo);
  peer["addr"] = text_of(address);
  peer["port"] = port;
  return peer;
}

Json response_of(std::uint16_t code, RecordString enhanced, RecordString content,
                 RecordString command) {
  Json response = Json::object();
  response["code"] = code;
  put_unless_empty(response, "enhanced_code", enhanced);
  response["content"] = text_of(content);
  put_unless_empty(response, "command", command);
  return response;
}

// Reads one record's fields in the order in which event_writer.cpp wrote them.
class JsonEvent {
 public:
  JsonEvent(const std::uint8_t* record, LineContext context) : record_(record), context_(context) {}

  Json take() {
    switch (record_.header().kind) {
      case EventKind::padding:
        break;
      case EventKind::connect:
        take_connect();
        break;
      case EventKind::refuse:
        take_refuse();
        break;
      case EventKind::disconnect:
        take_disconnect();
        break;
      case EventKind::message:
        take_message();
        break;
      case EventKind::reject:
        take_reject();
        break;
      case EventKind::note:
        begin("Note");
        line_["content"] = text_of(record_.string());
        break;
      case EventKind::session_note:
        take_session_note();
        break;
    }
    return std::move(line_);
  }

 private:
  void begin(const char* type) {
    line_["type"] = type;
    std::string time;
    context_.time_stamp.append(time, record_.header().time_us);
    line_["event_time"] = std::move(time);
    line_["level"] = log_level_name(record_.header().level);
    if (context_.shard >= 0) line_["shard"] = context_.shard;
  }
  // The first number of every event of a session: port and reply code. Returns the code.
  std::uint16_t take_port_and_code() {
    const std::uint64_t packed = record_.number();
    port_ = packed >> 16;
    return static_cast<std::uint16_t>(packed);
  }

  void take_connect() {
    begin("Connect");
    take_port_and_code();
    line_["peer_address"] = peer_of(record_.string(), port_, {});
  }

  void take_refuse() {
    begin("Refusal");
    const std::uint16_t code = take_port_and_code();
    line_["peer_address"] = peer_of(record_.string(), port_, {});
    const RecordString enhanced = record_.string();
    line_["response"] = response_of(code, enhanced, record_.string(), {});
    put_unless_empty(line_, "cause", record_.string());
  }

  void take_disconnect() {
    begin("Disconnect");
    take_port_and_code();
    const RecordString address = record_.string();
    line_["peer_address"] = peer_of(address, port_, record_.string());
    put_unless_empty(line_, "reason", record_.string());
    Json& commands = line_["commands"] = Json::object();
    while (record_.numbers_left() != 0) {
      const std::uint64_t verb = record_.number();
      const std::uint64_t counts = record_.number();
      const std::string_view name =
          verb < context_.verb_names.size() ? context_.verb_names[verb] : "unknown";
      commands[std::string(name)] = {{"accepted", counts >> 32}, {"total", counts & 0xffffffff}};
    }
  }

  void take_message() {
    const std::uint16_t code = take_port_and_code();
    begin(code / 100 == 2 ? "Reception" : code == 0 ? "Abort" : "Rejection");
    const std::uint64_t size = record_.number();
    const std::uint64_t recipient_count = record_.number();
    const std::uint64_t total_us = record_.number();
    const std::uint64_t commit_us = record_.number();
    const RecordString address = record_.string();
    const RecordString protocol = record_.string();
    const RecordString helo = record_.string();
    line_["id"] = text_of(record_.string());
    line_["sender"] = text_of(record_.string());
    const RecordString enhanced = record_.string();
    const RecordString text = record_.string();
    const RecordString cause = record_.string();
    Json& recipients = line_["recipient"] = Json::array();
    while (record_.strings_left() != 0) recipients.push_back(text_of(record_.string()));
    line_["recipient_count"] = recipient_count;
    line_["size"] = size;
    line_["peer_address"] = peer_of(address, port_, helo);
    line_["reception_protocol"] = text_of(protocol);
    if (code != 0) line_["response"] = response_of(code, enhanced, text, {"END-OF-MESSAGE", false});
    line_["delay_us"] = total_us;
    line_["commit_us"] = commit_us;
    put_unless_empty(line_, "cause", cause);
  }

  void take_reject() {
    begin("Rejection");
    const std::uint16_t code = take_port_and_code();
    const bool has_reverse_path = record_.number() != 0;
    const RecordString address = record_.string();
    const RecordString protocol = record_.string();
    const RecordString helo = record_.string();
    put_unless_empty(line_, "id", record_.string());
    const RecordString reverse_path = record_.string();
    if (has_reverse_path) line_["sender"] = text_of(reverse_path);
    const RecordString enhanced = record_.string();
    const RecordString text = record_.string();
    const RecordString cause = record_.string();
    const RecordString command = record_.string();
    put_unless_empty(line_, "recipient", record_.string());
    line_["peer_address"] = peer_of(address, port_, helo);
    put_unless_empty(line_, "reception_protocol", protocol);
    line_["response"] = response_of(code, enhanced, text, command);
    put_unless_empty(line_, "cause", cause);
  }

  void take_session_note() {
    begin("Note");
    take_port_and_code();
    line_["peer_address"] = peer_of(record_.string(), port_, {});
    line_["content"] = text_of(record_.string());
  }

  RecordReader record_;
  LineContext context_;
  Json line_ = Json::object();
  std::uint64_t port_ = 0;
};

}  // namespace

void append_json_lines(std::string& out, const std::uint8_t* record, LineContext context) {
  const Json line = JsonEvent(record, context).take();
  out += line.dump(-1, ' ', true, Json::error_handler_t::replace);
  out += '\n';
}

}  // namespace gatepost::observe
