// The sink that keeps nothing, for measuring what reception itself costs.
#pragma once

#include <memory>
#include <vector>

#include "gatepost/sink.hpp"

namespace gatepost {

// Takes every message over and forgets it. It has no descriptor and no thread: receipts are ready
// as soon as the shard asks (has_ready), which costs it one comparison a loop.
class DiscardSink final : public Sink {
 public:
  explicit DiscardSink(SinkHost& host) : host_(host) {}
  ~DiscardSink() override;

  std::string_view description() const override;
  ContentForm content_form() const override { return ContentForm::crlf; }
  bool final_delivery() const override { return false; }

  int event_fd() const override { return -1; }
  void poll() override;
  bool has_ready() const override { return !committed_.empty(); }

  Receipt available(std::uint64_t) override { return {Disposition::taken_over, {}}; }
  SinkMessage* open(const Envelope& envelope, SinkToken token, Receipt& refusal) override;
  Flow append(SinkMessage* message, Slice content) override;
  void commit(SinkMessage* message) override;
  void abort(SinkMessage* message) override;

  std::uint64_t messages_open() const override { return messages_open_; }
  std::uint64_t bytes_held() const override { return 0; }

  // What went by so far, messages that were aborted not counted.
  std::uint64_t messages_discarded() const { return messages_discarded_; }
  std::uint64_t bytes_discarded() const { return bytes_discarded_; }

 private:
  struct Message final : SinkMessage {
    SinkToken token = 0;
    std::uint64_t size = 0;
    bool committed = false;
    bool aborted = false;
  };

  void recycle(Message* message);

  SinkHost& host_;
  std::vector<std::unique_ptr<Message>> messages_;  // owns all that were ever needed at once
  std::vector<Message*> unused_;
  std::vector<Message*> committed_;
  std::vector<Message*> receipting_;
  std::uint64_t messages_open_ = 0;
  std::uint64_t messages_discarded_ = 0;
  std::uint64_t bytes_discarded_ = 0;
};

}  // namespace gatepost
