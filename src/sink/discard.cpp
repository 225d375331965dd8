#include "sink/discard.hpp"

#include "base/check.hpp"

namespace gatepost {

DiscardSink::~DiscardSink() = default;

std::string_view DiscardSink::description() const {
  return "discard: every message is accepted and THROWN AWAY";
}

SinkMessage* DiscardSink::open(const Envelope&, SinkToken token, Receipt&) {
  if (unused_.empty()) {
    messages_.push_back(std::make_unique<Message>());
    unused_.push_back(messages_.back().get());
  }
  Message* message = unused_.back();
  unused_.pop_back();
  message->token = token;
  message->size = 0;
  message->committed = false;
  message->aborted = false;
  ++messages_open_;
  return message;
}

Flow DiscardSink::append(SinkMessage* message, Slice content) {
  static_cast<Message*>(message)->size += content.size();
  return Flow::go_on;
}

void DiscardSink::commit(SinkMessage* message) {
  auto* own = static_cast<Message*>(message);
  GP_CHECK(!own->committed);
  own->committed = true;
  committed_.push_back(own);
}

void DiscardSink::abort(SinkMessage* message) {
  auto* own = static_cast<Message*>(message);
  GP_CHECK(!own->aborted);
  --messages_open_;
  if (own->committed) {
    own->aborted = true;  // it still stands in a list; poll() passes it by
  } else {
    recycle(own);
  }
}

void DiscardSink::poll() {
  // The host may open, commit and abort from inside receipt(), so that the lists are swapped first.
  receipting_.swap(committed_);
  for (Message* message : receipting_) {
    if (!message->aborted) {
      --messages_open_;
      ++messages_discarded_;
      bytes_discarded_ += message->size;
      // From here on it is no longer the host's to abort.
      const Receipt receipt{Disposition::taken_over, {}};
      host_.receipt(message->token, {&receipt, 1});
    }
    recycle(message);
  }
  receipting_.clear();
}

void DiscardSink::recycle(Message* message) {
  unused_.push_back(message);
}

}  // namespace gatepost
