// One life of a simulated gateway: what src/main wires, without signals and sockets.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "observe/counters.hpp"
#include "observe/event_log.hpp"
#include "policy/admission.hpp"
#include "policy/recipients.hpp"
#include "shard/shard.hpp"
#include "simulation/modelled_sink.hpp"
#include "sink/maildir.hpp"
#include "smtp/session_config.hpp"

namespace gatepost::simulation {

struct GatewayOptions {
  unsigned shards = 1;
  shard::Options shard;
  smtp::SessionSettings session;
  policy::ConnectionLimits limits;
  bool modelled_sink = false;
  MaildirOptions maildir;
  ModelledSinkOptions modelled;
};

// What the log has said, over all lives.
struct LogFacts {
  std::set<std::string, std::less<>> accepted;  // ids of messages that were answered 250
  std::vector<std::string> notes;
  // Messages that were refused because their receipt took too long, each with the number of the
  // process that said so.
  std::map<std::string, std::uint32_t, std::less<>> given_up;
  std::uint64_t lines = 0;
};

// The root of the maildirs; below it {domain}/{local-part}.
constexpr std::string_view mail_root = "/srv/mail";

class Gateway {
 public:
  // Everything is made in the process's memory; call it on a thread of the process. directory and
  // store outlive the gateway.
  Gateway(const GatewayOptions& options, const policy::RecipientDirectory& directory,
          ModelledStore& store);
  ~Gateway();

  // Serves until drained, on the thread that calls it and one for each shard.
  void run();
  // Any thread, and none.
  void drain();

  bool serving() const { return serving_; }
  unsigned shard_count() const { return static_cast<unsigned>(parts_.size()); }
  const observe::ShardCounters& counters(unsigned shard) const { return *parts_[shard].counters; }
  // Calls count(code, how often) for each reply code that was said.
  void count_replies(const std::function<void(std::uint16_t, std::uint64_t)>& count) const;
  // Takes over what the log's rings hold. Not from a thread of the process.
  void read_log(LogFacts& facts);

 private:
  struct Part {
    std::unique_ptr<observe::ShardCounters> counters;
    std::unique_ptr<observe::EventWriter> log;
    std::unique_ptr<shard::Shard> shard;
    std::vector<int> listeners;
  };

  Result<Done> prepare();
  void serve(Part& part);

  const GatewayOptions options_;
  const policy::RecipientDirectory& directory_;
  ModelledStore& store_;
  std::shared_ptr<const smtp::SessionConfig> session_;
  policy::ClientRules clients_;
  policy::ConnectionCounts counts_;
  std::vector<Part> parts_;
  bool serving_ = false;
};

}  // namespace gatepost::simulation
