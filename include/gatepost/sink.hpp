// The contract between a shard and what takes its messages over: maildir, discard, and later LMTP,
// Kafka, SMTP relay, journal.
//
// One Sink object per shard. Every function here is called on the shard's thread and must not
// block: a sink that has slow work to do (files, connections) does it on threads or rings of its
// own and reports back from poll(), which the shard calls whenever event_fd() becomes readable,
// and at the end of each of its loops in which has_ready() says so.
//
// The life of a message:
//
//   available()  at MAIL: could a message of this size be taken at all?
//   open()       at 354, or at the first BDAT: the envelope is final (for BDAT too)
//   append()     any number of times, content in order, as it arrives
//   commit()     the content is whole: exactly one SinkHost::receipt() later, never from inside
//                commit()
//   abort()      at any time after open(), also after commit() as long as there was no receipt:
//                nothing more is reported for the message. Where it is too late to undo, the
//                outcome is in doubt and the sink says so through SinkHost::note().
//
// The reply 250 is sent when the receipt says `taken_over` for the recipients, and only then.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "buffer/buffer_pool.hpp"
#include "gatepost/envelope.hpp"

namespace gatepost {

// Names one open message towards the host. Chosen by the shard, only handed back by the sink.
using SinkToken = std::uint64_t;

// What became of one recipient's copy.
enum class Disposition : std::uint8_t {
  taken_over,    // 250: as durable as this sink promises
  storage_full,  // 452 4.3.1
  mailbox_full,  // 452 4.2.2
  local_error,   // 451 4.3.0
  unreachable,   // 451 4.4.1
  refused        // 554 5.0.0: never will be taken
};

struct Receipt {
  Disposition disposition = Disposition::local_error;
  // For the operator's log, empty when taken over: "open /srv/mail/...: Permission denied".
  // Valid during the call.
  std::string_view cause;
};

// What the shard is to a sink.
class SinkHost {
 public:
  // The outcome of a committed message: one receipt per recipient, in the envelope's order, or a
  // single one that holds for all.
  virtual void receipt(SinkToken token, std::span<const Receipt> receipts) = 0;
  // append() answered Flow::pause before; now there is room again.
  virtual void drained(SinkToken token) = 0;
  // One line for the operator's log, at level warning.
  virtual void note(std::string_view text) = 0;

 protected:
  ~SinkHost() = default;
};

// What a sink keeps per message; each sink derives its own.
class SinkMessage {
 protected:
  SinkMessage() = default;
  ~SinkMessage() = default;
};

// Whether more content is welcome at once. `pause`: what was appended is kept, but the host should
// stop reading from this connection until drained().
enum class Flow : std::uint8_t { go_on, pause };

// The line ends that a sink wants to be given.
enum class ContentForm : std::uint8_t { crlf, lf };

class Sink {
 public:
  virtual ~Sink() = default;

  // For the start-up block: "maildir /srv/mail/{domain}/{local-part}, batched on ext4".
  virtual std::string_view description() const = 0;
  virtual ContentForm content_form() const = 0;
  // Whether this sink is where mail ends up, so that Return-Path goes on top (RFC 5321 §4.4).
  virtual bool final_delivery() const = 0;

  // A descriptor that turns readable when poll() has something to do, or -1. The sink resets it.
  virtual int event_fd() const = 0;
  virtual void poll() = 0;
  // Whether poll() has something to do that needs no waiting: receipts that are known already, work
  // gathered during this loop that is handed on in one go. The shard asks once at the end of every
  // loop, before it waits, and calls poll() when the answer is true. It costs a load or two, where
  // an eventfd costs a system call and a completion.
  virtual bool has_ready() const { return false; }

  // At MAIL. size: declared, 0 when unknown. taken_over means "go ahead"; else the answer to MAIL.
  virtual Receipt available(std::uint64_t size) = 0;
  // Returns the message, or nullptr with `refusal` set. The sink owns the message until the receipt
  // has been given, or until abort().
  virtual SinkMessage* open(const Envelope& envelope, SinkToken token, Receipt& refusal) = 0;
  // Takes the slice over: no copy; the sink lets go of it (on this thread) when it is written.
  virtual Flow append(SinkMessage* message, Slice content) = 0;
  virtual void commit(SinkMessage* message) = 0;
  virtual void abort(SinkMessage* message) = 0;
  // The shard runs out of receive buffers. A sink that keeps slices back until it is worth its
  // while (one hand-off for many) hands them on now, so that they return soon. May come often.
  virtual void relieve() {}

  // Messages not yet receipted, and octets taken but not yet written: for metrics and for draining.
  virtual std::uint64_t messages_open() const = 0;
  virtual std::uint64_t bytes_held() const = 0;
};

}  // namespace gatepost
