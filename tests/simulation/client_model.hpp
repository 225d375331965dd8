// One simulated SMTP client: decides what to send, and judges what it is told.
//
// A client is a state machine without a clock, a socket or a thread. Its simulator tells it what
// happens and asks for its wishes:
//
//   client.connected(now);                 // the connection stands
//   for each event: received(now, octets) | peer_ended(now) | reset(now);
//   Wish wish = client.next(now);          // after each event, when a wish was carried out, and
//                                          // when the time of a wait is over
//
// Octets of a wish count as handed to the network when next() is called again (or as soon as any
// other function is called). While reading() is false the simulator keeps what the server sends in
// the connection's windows. All chance comes from the seed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "simulation/ledger.hpp"
#include "simulation/message_model.hpp"
#include "simulation/random.hpp"
#include "simulation/verdicts.hpp"

namespace gatepost::simulation {

// The server as clients know it. Times in milliseconds, sizes in octets.
struct ServerFacts {
  std::string hostname = "mx.example.org";
  enum class Greeting : std::uint8_t { welcome, refuse } greeting = Greeting::welcome;
  std::string everyone_domain = "everyone.example";  // takes every local-part
  std::string users_domain = "example.org";          // has user0 to user9 and postmaster
  std::string postmaster_domain = "example.org";     // the first one accepted: of bare postmaster
  MessageRules message;                              // size limit, hop limit, bare newlines
  std::uint32_t recipient_limit = 1000;
  std::uint32_t soft_error_limit = 10;
  std::uint32_t hard_error_limit = 20;
  std::uint32_t junk_command_limit = 100;
  std::uint32_t timeout_ms = 300'000;
  std::uint32_t bare_dot_timeout_ms = 60'000;
  std::uint32_t min_data_rate_bytes_per_second = 500;
  bool chunking = true;
  bool binarymime = false;
  bool smtputf8 = true;
  bool reject_early_talkers = true;  // SMG-11
};

// How a client behaves: percentages unless said otherwise.
struct ClientSettings {
  ServerFacts server;
  MessageProfile messages;

  unsigned helo = 8;                  // in place of EHLO
  unsigned pipelining = 60;           // of transactions after EHLO
  unsigned chunked = 40;              // of transactions where CHUNKING is offered
  unsigned content_and_next = 20;     // the next group goes out with the end of the content
  unsigned transactions_max = 6;      // 1 to so many a connection
  unsigned side_commands = 15;        // RSET, NOOP, VRFY, HELP, ... between others
  unsigned bad_recipients = 25;       // unknown, foreign, repeated ones among the others
  unsigned many_recipients = 2;       // more than a hundred
  unsigned over_recipient_limit = 1;  // where the limit is at most 200
  unsigned odd_addresses = 10;        // UTF-8, quoted, odd octets
  unsigned parameters = 50;           // SIZE=, BODY=, SMTPUTF8
  unsigned slow = 10;                 // of clients: types in pieces, with pauses
  unsigned thinking = 20;             // of steps: a pause before them
  std::uint32_t thinking_ms_max = 2000;
  unsigned abort = 4;              // of steps: the connection is given up somewhere in it
  unsigned hostile = 20;           // of clients: does one or several of the hostile acts
  unsigned silent = 1;             // of steps: nothing more is ever said
  unsigned half_close = 8;         // of clients: closes its sending side behind what it pipelines
  unsigned plain_disconnect = 15;  // of ends: no QUIT

  // After these times of waiting the client reports a violation of check 3: for a reply that is
  // due, for the server's end of a connection whose last reply was said. 0: waits for ever.
  std::uint32_t reply_wait_ms = 0;
  std::uint32_t end_wait_ms = 0;
};

// What a client wants to do now.
struct Wish {
  enum class Kind : std::uint8_t {
    none,   // nothing until something happens
    wait,   // nothing for wait_ms, unless something happens before
    send,   // octets
    fin,    // close the sending side; what comes is still read
    close,  // close both sides (what arrives later is answered with a reset by the client's system)
    reset   // abort the connection
  };
  Kind kind = Kind::none;
  std::uint32_t wait_ms = 0;
  std::string_view octets;  // valid until the next call of any function of the client
};

// Where a client stands with the server, as far as it knows.
enum class ClientPhase : std::uint8_t {
  connecting,  // the greeting has not come
  greeted,
  ready,
  mail,
  recipients,
  content,     // of DATA
  chunks,      // of BDAT, between or in chunks
  committing,  // the end of the content is sent, the reply awaited
  ending       // QUIT is sent, or the server has said its last word
};

class ClientModel {
 public:
  // number: of the client in the run, for the ledger and for messages. ledger and verdicts are
  // shared by all clients of a run and must outlive this one.
  ClientModel(unsigned number, std::uint64_t seed, const ClientSettings& settings, Ledger& ledger,
              Verdicts& verdicts);
  ~ClientModel();
  ClientModel(const ClientModel&) = delete;
  ClientModel& operator=(const ClientModel&) = delete;

  // --- What happens, as the client's system would tell it ---
  void connected(SimulatedUs now_us);
  void received(SimulatedUs now_us, std::string_view octets);
  void peer_ended(SimulatedUs now_us);  // the server's FIN
  void reset(SimulatedUs now_us);       // reset, or lost in any other way
  // From now on the server may end the connection without a word: it is cut short by a stop, or the
  // network keeps its replies from the client for too long. Otherwise that is a violation.
  void excuse_end();

  // --- What it wants ---
  Wish next(SimulatedUs now_us);
  // False: it never reads; what the server sends must wait, outside of it.
  bool reading() const;
  // Both sides have ended for it: no more calls.
  bool finished() const;
  // It has gone silent for good: the server must end the connection.
  bool stalled_forever() const;
  // Makes it come to its end: what is under way goes out, replies are awaited, QUIT. One that is
  // silent, slow or not reading closes at once.
  void stop_talking();

  ClientPhase phase() const;
  // One line for messages: number, behaviour, what it does now.
  std::string description() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatepost::simulation
