#include "simulation/modelled_sink.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.hpp"
#include "fmt/format.h"

namespace gatepost::simulation {
namespace {

constexpr SimulatedNs written_within = 30 * ms;
constexpr SimulatedNs receipt_within = 40 * ms;
constexpr SimulatedNs late_receipt_max = 150 * second;

// What is to happen later finds its sink here, or nothing: a sink may be gone by then.
std::map<std::uint64_t, ModelledSink*>& living() {
  static std::map<std::uint64_t, ModelledSink*> all;
  return all;
}
std::uint64_t next_sink = 1;

std::uint64_t enter_living(ModelledSink* sink) {
  const HeapScope scope(nullptr);
  living()[next_sink] = sink;
  return next_sink++;
}

std::string body_name(BodyType body) {
  switch (body) {
    case BodyType::seven_bit:
      return "7BIT";
    case BodyType::eight_bit_mime:
      return "8BITMIME";
    case BodyType::binary_mime:
      return "BINARYMIME";
    case BodyType::unspecified:
      break;
  }
  return {};
}

Random& chance(Fault fault) {
  return kernel().faults().random(fault);
}

std::string_view cause_of(Disposition disposition) {
  return disposition == Disposition::taken_over ? std::string_view() : "told to fail";
}

}  // namespace

ModelledSink::ModelledSink(const ModelledSinkOptions& options, ModelledStore& store, SinkHost& host)
    : options_(options), store_(store), host_(host), self_(enter_living(this)) {}

ModelledSink::~ModelledSink() {
  const HeapScope scope(nullptr);
  living().erase(self_);
}

void ModelledSink::later(SimulatedNs delay, void (ModelledSink::*what)(std::uint64_t),
                         std::uint64_t number) {
  const HeapScope scope(nullptr);
  kernel().after_in_process(delay, [self = self_, what, number] {
    const auto found = living().find(self);
    if (found == living().end()) return;
    const HeapScope own(&kernel().heap());
    (found->second->*what)(number);
  });
}

Receipt ModelledSink::refusal() {
  constexpr Disposition all[] = {Disposition::storage_full, Disposition::mailbox_full,
                                 Disposition::local_error, Disposition::unreachable,
                                 Disposition::refused};
  return {all[chance(Fault::sink_refuses).below(std::size(all))], "refuses for now"};
}

Receipt ModelledSink::available(std::uint64_t) {
  if (kernel().faults().strikes(Fault::sink_refuses)) return refusal();
  return {Disposition::taken_over, {}};
}

SinkMessage* ModelledSink::open(const Envelope& envelope, SinkToken token, Receipt& why) {
  if (kernel().faults().strikes(Fault::sink_refuses)) {
    why = refusal();
    return nullptr;
  }
  auto message = std::make_unique<Message>();
  message->number = next_++;
  message->token = token;
  message->id = envelope.id.view();
  message->envelope.reverse_path = envelope.reverse_path;
  message->envelope.body = body_name(envelope.body);
  message->envelope.smtputf8 = envelope.smtputf8;
  message->envelope.declared_size = envelope.declared_size;
  for (const Recipient& recipient : envelope.recipients) {
    message->envelope.recipients.emplace_back(recipient.address);
    std::string mailbox = fmt::format("{}/{}", recipient.domain, recipient.mailbox);
    if (std::ranges::find(message->mailboxes, mailbox) == message->mailboxes.end())
      message->mailboxes.push_back(std::move(mailbox));
  }
  if (options_.final_delivery) message->octets += envelope.return_path_field;
  message->octets += envelope.received_field;
  if (options_.form == ContentForm::lf) std::erase(message->octets, '\r');
  Message* const opened = message.get();
  messages_[opened->number] = std::move(message);
  return opened;
}

Flow ModelledSink::append(SinkMessage* handle, Slice content) {
  auto& message = *static_cast<Message*>(handle);
  GP_CHECK(!message.committed);
  std::string copy(reinterpret_cast<const char*>(content.data()), content.size());
  message.pieces.push_back({std::move(content), std::move(copy)});
  later(kernel().random().below(written_within), &ModelledSink::written, message.number);
  std::size_t held = 0;
  for (const Piece& piece : message.pieces) held += piece.slice.size();
  if (held <= options_.hold_limit_bytes && !kernel().faults().strikes(Fault::sink_pauses))
    return Flow::go_on;
  message.paused = true;
  return Flow::pause;
}

// The octets must still be what they were: nobody else may write to a buffer that is held.
void ModelledSink::write_pieces(Message& message) {
  for (Piece& piece : message.pieces) {
    if (std::memcmp(piece.slice.data(), piece.copy.data(), piece.copy.size()) != 0)
      kernel().record().violation(
          checks::resources, fmt::format("octets of {} changed while the sink held them: \"{}\"",
                                         message.id, piece.copy.substr(0, 60)));
    message.octets.append(reinterpret_cast<const char*>(piece.slice.data()), piece.slice.size());
  }
  message.pieces.clear();
}

void ModelledSink::written(std::uint64_t number) {
  const auto found = messages_.find(number);
  if (found == messages_.end()) return;
  write_pieces(*found->second);
  if (found->second->paused) wakeup_.signal();
}

void ModelledSink::commit(SinkMessage* handle) {
  auto& message = *static_cast<Message*>(handle);
  GP_CHECK(!message.committed);
  message.committed = true;
  message.paused = false;
  Faults& faults = kernel().faults();
  if (faults.strikes(Fault::receipt_never)) return;
  SimulatedNs delay = kernel().random().below(receipt_within);
  if (faults.strikes(Fault::receipt_late))
    delay = chance(Fault::receipt_late).below(late_receipt_max);
  if (kernel().random().percent(20)) {
    // Known at once: told at the end of this loop.
    finish(message.number);
    ready_soon_ = true;
    return;
  }
  later(delay, &ModelledSink::finish, message.number);
}

void ModelledSink::decide(Message& message) {
  constexpr Disposition failures[] = {Disposition::storage_full, Disposition::mailbox_full,
                                      Disposition::local_error, Disposition::unreachable,
                                      Disposition::refused};
  message.outcome.assign(message.envelope.recipients.size(), Disposition::taken_over);
  if (!kernel().faults().strikes(Fault::receipt_fails)) return;
  Random& random = chance(Fault::receipt_fails);
  const bool for_all = random.percent(40);
  for (Disposition& each : message.outcome)
    if (for_all || random.percent(50)) each = failures[random.below(std::size(failures))];
}

// From here on it is stored, or refused.
void ModelledSink::finish(std::uint64_t number) {
  const auto found = messages_.find(number);
  if (found == messages_.end()) return;
  Message& message = *found->second;
  write_pieces(message);
  decide(message);
  message.finished = true;
  const bool all = std::ranges::all_of(
      message.outcome, [](Disposition each) { return each == Disposition::taken_over; });
  if (all) {
    const HeapScope scope(nullptr);
    const StoredForm form = options_.form == ContentForm::lf ? StoredForm::lf : StoredForm::crlf;
    for (const std::string& mailbox : message.mailboxes) {
      StoredMessage::Envelope envelope{message.envelope.reverse_path, message.envelope.recipients,
                                       message.envelope.body, message.envelope.smtputf8,
                                       message.envelope.declared_size};
      store_.messages.push_back(
          {std::string(mailbox), std::string(message.octets), form, std::move(envelope)});
    }
    message.stored = true;
  }
  wakeup_.signal();
}

void ModelledSink::poll() {
  wakeup_.reset();
  ready_soon_ = false;
  std::vector<std::uint64_t> finished;
  std::vector<std::uint64_t> drained;
  for (const auto& [number, message] : messages_) {
    if (message->finished)
      finished.push_back(number);
    else if (message->paused && message->pieces.empty())
      drained.push_back(number);
  }
  // In any order.
  for (std::size_t i = finished.size(); i > 1; --i)
    std::swap(finished[i - 1], finished[kernel().random().below(i)]);
  for (const std::uint64_t number : finished) {
    const auto found = messages_.find(number);
    if (found == messages_.end()) continue;  // given up while the others were told
    const std::unique_ptr<Message> message = std::move(found->second);
    messages_.erase(found);
    std::vector<Receipt> receipts;
    const bool one_for_all = std::ranges::all_of(
        message->outcome, [&](Disposition each) { return each == message->outcome.front(); });
    for (const Disposition each : message->outcome) {
      receipts.push_back({each, cause_of(each)});
      if (one_for_all) break;
    }
    kernel().record().trace("receipt", message->number,
                            static_cast<std::uint64_t>(receipts.front().disposition), message->id);
    host_.receipt(message->token, receipts);
  }
  for (const std::uint64_t number : drained) {
    const auto found = messages_.find(number);
    if (found == messages_.end() || !found->second->paused) continue;
    found->second->paused = false;
    host_.drained(found->second->token);
  }
}

void ModelledSink::abort(SinkMessage* handle) {
  auto& message = *static_cast<Message*>(handle);
  write_pieces(message);
  if (message.stored)
    host_.note(fmt::format("{}: given up when it was too late to take it back", message.id));
  kernel().record().trace("abort", message.number, message.stored ? 1 : 0, message.id);
  messages_.erase(message.number);
}

void ModelledSink::relieve() {
  for (const auto& [number, message] : messages_) {
    write_pieces(*message);
    if (message->paused) wakeup_.signal();
  }
}

std::uint64_t ModelledSink::bytes_held() const {
  std::uint64_t held = 0;
  for (const auto& [number, message] : messages_)
    for (const Piece& piece : message->pieces) held += piece.slice.size();
  return held;
}

}  // namespace gatepost::simulation
