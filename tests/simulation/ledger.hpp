// What all clients of a run know about their messages, and the check of the store against it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/message_model.hpp"
#include "simulation/verdicts.hpp"

namespace gatepost::simulation {

// Nothing has happened yet.
constexpr SimulatedUs never = UINT64_MAX;

// One recipient that the server took with 250.
struct AcceptedRecipient {
  std::string mailbox;  // "domain/local-part", raw: what decode_component gives back
  std::string address;  // canonical, as Recipient::address: minimum quoting, domain as spelled
  // "domain/local-part" as they are compared to tell whether it was given before; empty: as
  // mailbox. Several recipients may share a mailbox: postmaster in different case.
  std::string identity{};
};

// One message transaction of one client.
struct Attempt {
  enum class State : std::uint8_t {
    unfinished,  // its end was never sent whole
    unanswered,  // sent whole, at least handed to the network; no reply was seen
    accepted,    // 250
    refused      // 4yz or 5yz at the end, or to something before it
  };
  std::uint64_t number = 0;  // index in the ledger; in the token and in recipients' names
  unsigned client = 0;
  State state = State::unfinished;
  std::string sender;  // canonical, without angle brackets; empty: the null reverse-path
  std::vector<AcceptedRecipient> recipients;  // in order, each once
  // Sent, and the connection ended before their replies: they may have been taken or not.
  std::vector<AcceptedRecipient> unanswered_recipients;
  MessageModel message;
  // What MAIL said.
  std::optional<std::uint64_t> declared_size;
  std::string body;  // "", "7BIT", "8BITMIME"
  bool smtputf8 = false;
  bool chunked = false;
  std::string queue_id;    // of the 250
  std::uint16_t code = 0;  // of the last reply to its content
  SimulatedUs begun_us = never;
  SimulatedUs handed_us = never;  // its last octet went to the network
  SimulatedUs answered_us = never;
  SimulatedUs lost_us = never;  // the connection ended before the answer

  void add_recipient(AcceptedRecipient recipient);
  // Also of unanswered ones.
  bool has_mailbox(std::string_view mailbox) const;
  // Of accepted ones, each once.
  std::vector<std::string_view> mailboxes() const;
};

// References to attempts stay valid.
class Ledger {
 public:
  Attempt& begin(unsigned client, SimulatedUs now_us);
  Attempt& at(std::uint64_t number) { return attempts_.at(number); }
  const Attempt& at(std::uint64_t number) const { return attempts_.at(number); }
  std::uint64_t size() const { return attempts_.size(); }
  const std::deque<Attempt>& all() const { return attempts_; }
  std::uint64_t count(Attempt::State state) const;

 private:
  std::deque<Attempt> attempts_;
};

// One message as a store holds it.
struct StoredMessage {
  std::string mailbox;  // "domain/local-part", raw
  std::string octets;   // the whole file
  StoredForm form = StoredForm::lf;
  // What a modelled sink was told in open(); once a message is enough.
  struct Envelope {
    std::string reverse_path;
    std::vector<std::string> recipients;  // Recipient::address, in order
    std::string body;                     // "", "7BIT", "8BITMIME"
    bool smtputf8 = false;
    std::uint64_t declared_size = 0;
  };
  std::optional<Envelope> envelope{};
};

// What else is known of the run.
class Facts {
 public:
  // The server's log says that this message may or may not have been stored.
  virtual bool in_doubt(std::string_view id) const = 0;
  // The server's log says that it was stored.
  virtual bool logged_accepted(std::string_view id) const = 0;
  // The server crashed at or after `from` and not after `to`.
  virtual bool crashed_between(SimulatedUs from, SimulatedUs to) const = 0;

 protected:
  ~Facts() = default;
};

struct StoreRules {
  std::string hostname = "mx.example.org";
  // The store is where mail ends up: Return-Path stands on top.
  bool final_delivery = true;
  // A message for several that was on its way when the server crashed, or is in doubt, may be with
  // some of them only.
  bool partial_after_crash = true;
};

// Holds the store at the end of a run against what the clients know. Reports under the numbers of
// `checks`: 1, 2, 4 and 7.
void check_store(const Ledger& ledger, const std::vector<StoredMessage>& stored, const Facts& facts,
                 const StoreRules& rules, Verdicts& verdicts);

}  // namespace gatepost::simulation
