// Senders and recipients that simulated clients name: how they are spelled in a command, and what a
// server must make of them.
#pragma once

#include <cstdint>
#include <string>

#include "simulation/client_model.hpp"
#include "simulation/ledger.hpp"
#include "simulation/random.hpp"

namespace gatepost::simulation {

struct SenderModel {
  std::string path;       // with angle brackets
  std::string canonical;  // as Envelope::reverse_path
  bool needs_smtputf8 = false;
};

struct RecipientModel {
  enum class Fate : std::uint8_t { good, unknown_user, foreign, malformed };
  Fate fate = Fate::good;
  std::string path;          // with angle brackets (or what stands for it), and parameters
  AcceptedRecipient target;  // when good
  bool needs_smtputf8 = false;
};

class AddressMaker {
 public:
  // utf8: addresses beyond ASCII may be used.
  AddressMaker(Random& random, const ClientSettings& settings, std::uint64_t attempt, bool utf8)
      : random_(random), settings_(settings), attempt_(attempt), utf8_(utf8) {}

  SenderModel sender();
  // number: of the recipient in its transaction. unique: only such as no other attempt has.
  RecipientModel recipient(std::uint64_t number, bool unique);
  // Plain, and unique.
  RecipientModel plain_recipient(std::uint64_t number);
  RecipientModel bad_recipient(std::uint64_t number);

 private:
  RecipientModel odd_recipient(std::uint64_t number);
  RecipientModel at_everyone(const std::string& wire_local, const std::string& canonical_local,
                             const std::string& local_part);

  Random& random_;
  const ClientSettings& settings_;
  std::uint64_t attempt_;
  bool utf8_;
};

}  // namespace gatepost::simulation
