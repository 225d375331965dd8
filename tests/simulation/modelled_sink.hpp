// A sink behind the contract of gatepost/sink.hpp that uses all the freedom it has: receipts come
// late, out of order, different for each recipient, or never; content is asked to pause; slices are
// let go of at any time. It also watches that its host keeps the contract, and that octets do not
// change under it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/wakeup.hpp"
#include "gatepost/sink.hpp"
#include "simulation/ledger.hpp"
#include "simulation/simulated_kernel.hpp"

namespace gatepost::simulation {

// Where modelled sinks put what they took over. Survives the process.
struct ModelledStore {
  std::vector<StoredMessage> messages;
};

struct ModelledSinkOptions {
  ContentForm form = ContentForm::crlf;
  bool final_delivery = false;
  std::uint64_t hold_limit_bytes = 32 * 1024;
};

class ModelledSink final : public Sink {
 public:
  // store and host outlive the sink.
  ModelledSink(const ModelledSinkOptions& options, ModelledStore& store, SinkHost& host);
  ~ModelledSink() override;

  std::string_view description() const override { return "modelled"; }
  ContentForm content_form() const override { return options_.form; }
  bool final_delivery() const override { return options_.final_delivery; }
  int event_fd() const override { return wakeup_.fd(); }
  void poll() override;
  bool has_ready() const override { return ready_soon_; }

  Receipt available(std::uint64_t size) override;
  SinkMessage* open(const Envelope& envelope, SinkToken token, Receipt& refusal) override;
  Flow append(SinkMessage* message, Slice content) override;
  void commit(SinkMessage* message) override;
  void abort(SinkMessage* message) override;
  void relieve() override;

  std::uint64_t messages_open() const override { return messages_.size(); }
  std::uint64_t bytes_held() const override;

 private:
  struct Piece {
    Slice slice;
    std::string copy;  // as it came
  };
  struct Message final : SinkMessage {
    std::uint64_t number = 0;
    SinkToken token = 0;
    std::string id;
    std::vector<std::string> mailboxes;
    StoredMessage::Envelope envelope;
    std::string octets;         // of the pieces that were let go of, trace fields on top
    std::vector<Piece> pieces;  // held
    std::vector<Disposition> outcome;
    bool committed = false;
    bool paused = false;
    bool finished = false;
    bool stored = false;
  };

  void write_pieces(Message& message);
  void finish(std::uint64_t number);
  void decide(Message& message);
  void later(SimulatedNs delay, void (ModelledSink::*what)(std::uint64_t), std::uint64_t number);
  void written(std::uint64_t number);
  Receipt refusal();

  const ModelledSinkOptions options_;
  ModelledStore& store_;
  SinkHost& host_;
  Wakeup wakeup_;
  const std::uint64_t self_;  // in the list of living sinks
  std::map<std::uint64_t, std::unique_ptr<Message>> messages_;
  std::uint64_t next_ = 1;
  bool ready_soon_ = false;
};

}  // namespace gatepost::simulation
