// Events in the shapes that Postfix's log has, because that is what people's tools look for.
#include <fmt/format.h>

#include <iterator>

#include "observe/escape.hpp"
#include "observe/event_lines.hpp"

namespace gatepost::observe {

namespace {

void append_number(std::string& out, std::uint64_t number) {
  fmt::format_int digits(number);
  out.append(digits.data(), digits.size());
}

void append_field(std::string& out, RecordString field, TextPlace place) {
  append_escaped_text(out, field.text, place);
  if (field.cut) out += "...";
}

void append_enclosed(std::string& out, std::string_view name, RecordString field) {
  out += name;
  out += '<';
  append_field(out, field, TextPlace::enclosed);
  out += '>';
}

// Seconds with milliseconds, as Postfix's delay=.
void append_seconds(std::string& out, std::uint64_t us) {
  std::uint64_t ms = (us + 500) / 1000;
  append_number(out, ms / 1000);
  auto rest = static_cast<unsigned>(ms % 1000);
  out += {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
          static_cast<char>('0' + rest % 10)};
}

// No reverse name is looked up, which Postfix shows as "unknown".
void append_client(std::string& out, RecordString address) {
  out += "unknown[";
  append_field(out, address, TextPlace::sentence);
  out += ']';
}

// Replies of several lines show their first one.
void append_reply(std::string& out, std::uint16_t code, RecordString enhanced, RecordString text) {
  append_number(out, code);
  if (!enhanced.text.empty()) {
    out += ' ';
    append_field(out, enhanced, TextPlace::sentence);
  }
  std::size_t end = text.text.find_first_of("\r\n");
  if (end != std::string_view::npos) text = {text.text.substr(0, end), false};
  if (!text.text.empty()) {
    out += ' ';
    append_field(out, text, TextPlace::sentence);
  }
}

void append_cause(std::string& out, RecordString cause) {
  if (cause.text.empty()) return;
  out += "; cause: ";
  append_field(out, cause, TextPlace::sentence);
}

void append_verb_count(std::string& out, std::string_view name, std::uint64_t accepted,
                       std::uint64_t total) {
  out += ' ';
  out += name;
  out += '=';
  append_number(out, accepted);
  if (accepted != total) {
    out += '/';
    append_number(out, total);
  }
}

std::string_view status_of(std::uint16_t code) {
  switch (code / 100) {
    case 2:
      return "accepted";
    case 4:
      return "deferred";
    case 5:
      return "rejected";
    default:
      return "aborted";
  }
}

class TextLine {
 public:
  TextLine(std::string& out, const std::uint8_t* record, LineContext context)
      : out_(out), record_(record), context_(context) {}

  void append() {
    switch (record_.header().kind) {
      case EventKind::padding:
        return;
      case EventKind::connect:
        return append_connect();
      case EventKind::refuse:
        return append_refuse();
      case EventKind::disconnect:
        return append_disconnect();
      case EventKind::message:
        return append_message();
      case EventKind::reject:
        return append_reject();
      case EventKind::note:
        return append_note();
      case EventKind::session_note:
        return append_session_note();
    }
  }

 private:
  void begin() {
    context_.time_stamp.append(out_, record_.header().time_us);
    out_ += ' ';
    out_ += log_level_name(record_.header().level);
    if (context_.shard < 0) {
      out_ += " [-] ";
      return;
    }
    out_ += " [";
    append_number(out_, static_cast<std::uint64_t>(context_.shard));
    out_ += "] ";
  }
  std::uint16_t take_code() { return static_cast<std::uint16_t>(record_.number()); }

  void append_connect() {
    begin();
    out_ += "connect from ";
    append_client(out_, record_.string());
    out_ += '\n';
  }

  void append_refuse() {
    begin();
    std::uint16_t code = take_code();
    out_ += "refused connection from ";
    append_client(out_, record_.string());
    out_ += ": ";
    RecordString enhanced = record_.string();
    append_reply(out_, code, enhanced, record_.string());
    append_cause(out_, record_.string());
    out_ += '\n';
  }

  void append_disconnect() {
    record_.number();
    RecordString address = record_.string();
    RecordString helo = record_.string();
    RecordString reason = record_.string();
    if (!reason.text.empty()) {
      begin();
      append_field(out_, reason, TextPlace::sentence);
      out_ += " from ";
      append_client(out_, address);
      if (!helo.text.empty()) append_enclosed(out_, " helo=", helo);
      out_ += '\n';
    }
    begin();
    out_ += "disconnect from ";
    append_client(out_, address);
    std::uint64_t all_accepted = 0;
    std::uint64_t all = 0;
    while (record_.numbers_left() != 0) {
      std::uint64_t verb = record_.number();
      std::uint64_t counts = record_.number();
      std::uint64_t accepted = counts >> 32;
      std::uint64_t total = counts & 0xffffffff;
      std::string_view name =
          verb < context_.verb_names.size() ? context_.verb_names[verb] : "unknown";
      append_verb_count(out_, name, accepted, total);
      all_accepted += accepted;
      all += total;
    }
    append_verb_count(out_, "commands", all_accepted, all);
    out_ += '\n';
  }

  void append_message() {
    begin();
    std::uint16_t code = take_code();
    std::uint64_t size = record_.number();
    std::uint64_t recipients = record_.number();
    std::uint64_t total_us = record_.number();
    std::uint64_t commit_us = record_.number();
    RecordString address = record_.string();
    RecordString protocol = record_.string();
    RecordString helo = record_.string();
    RecordString id = record_.string();
    RecordString reverse_path = record_.string();
    append_field(out_, id, TextPlace::sentence);
    out_ += ": client=";
    append_client(out_, address);
    append_enclosed(out_, ", helo=", helo);
    out_ += ", proto=";
    append_field(out_, protocol, TextPlace::sentence);
    append_enclosed(out_, ", from=", reverse_path);
    out_ += ", size=";
    append_number(out_, size);
    out_ += ", nrcpt=";
    append_number(out_, recipients);
    RecordString enhanced = record_.string();
    RecordString text = record_.string();
    RecordString cause = record_.string();
    while (record_.strings_left() != 0) append_enclosed(out_, ", to=", record_.string());
    out_ += ", delay=";
    append_seconds(out_, total_us);
    out_ += ", commit=";
    append_seconds(out_, commit_us);
    out_ += ", status=";
    out_ += status_of(code);
    if (code != 0) {
      out_ += " (";
      append_reply(out_, code, enhanced, text);
      out_ += ')';
    }
    append_cause(out_, cause);
    out_ += '\n';
    if (code / 100 < 4) return;
    // Once more as a reject, which is what people look for.
    begin();
    append_reject_begin(id, {"END-OF-MESSAGE", false}, address, code, enhanced, text);
    append_enclosed(out_, " from=", reverse_path);
    append_reject_end(protocol, helo, cause);
  }

  void append_reject_begin(RecordString id, RecordString command, RecordString address,
                           std::uint16_t code, RecordString enhanced, RecordString text) {
    if (id.text.empty()) {
      out_ += "NOQUEUE";
    } else {
      append_field(out_, id, TextPlace::sentence);
    }
    out_ += ": reject: ";
    append_field(out_, command, TextPlace::sentence);
    out_ += " from ";
    append_client(out_, address);
    out_ += ": ";
    append_reply(out_, code, enhanced, text);
    out_ += ';';
  }

  void append_reject_end(RecordString protocol, RecordString helo, RecordString cause) {
    if (!protocol.text.empty()) {
      out_ += " proto=";
      append_field(out_, protocol, TextPlace::sentence);
    }
    if (!helo.text.empty()) append_enclosed(out_, " helo=", helo);
    if (out_.back() == ';') out_.pop_back();  // nothing is known yet
    append_cause(out_, cause);
    out_ += '\n';
  }

  void append_reject() {
    begin();
    std::uint16_t code = take_code();
    bool has_reverse_path = record_.number() != 0;
    RecordString address = record_.string();
    RecordString protocol = record_.string();
    RecordString helo = record_.string();
    RecordString id = record_.string();
    RecordString reverse_path = record_.string();
    RecordString enhanced = record_.string();
    RecordString text = record_.string();
    RecordString cause = record_.string();
    RecordString command = record_.string();
    RecordString recipient = record_.string();
    append_reject_begin(id, command, address, code, enhanced, text);
    if (has_reverse_path) append_enclosed(out_, " from=", reverse_path);
    if (!recipient.text.empty()) append_enclosed(out_, " to=", recipient);
    append_reject_end(protocol, helo, cause);
  }

  void append_note() {
    begin();
    append_field(out_, record_.string(), TextPlace::sentence);
    out_ += '\n';
  }

  void append_session_note() {
    begin();
    RecordString address = record_.string();
    append_field(out_, record_.string(), TextPlace::sentence);
    out_ += ": ";
    append_client(out_, address);
    out_ += '\n';
  }

  std::string& out_;
  RecordReader record_;
  LineContext context_;
};

}  // namespace

void TimeStamp::append(std::string& out, WallUs time) {
  std::uint64_t second = time / 1'000'000;
  if (second != second_) {
    second_ = second;
    auto seconds = static_cast<std::time_t>(second);
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    std::size_t length = std::strftime(prefix_, sizeof prefix_, "%Y-%m-%dT%H:%M:%S", &utc);
    prefix_[length] = '.';
  }
  auto ms = static_cast<unsigned>(time / 1000 % 1000);
  out.append(prefix_, sizeof prefix_);
  out += {static_cast<char>('0' + ms / 100), static_cast<char>('0' + ms / 10 % 10),
          static_cast<char>('0' + ms % 10), 'Z'};
}

void append_text_lines(std::string& out, const std::uint8_t* record, LineContext context) {
  TextLine(out, record, context).append();
}

}  // namespace gatepost::observe
