// The inside of a run. Its functions are in world.cpp (stages of a run), world_faults.cpp (the
// gateway's lives, and what goes wrong) and world_checks.cpp.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/world.hpp"

namespace gatepost::simulation {

constexpr SimulatedNs fate_every = 1 * second;

class World final : private Facts {
 public:
  World(const RunOptions& options, const policy::RecipientDirectory& directory, Coverage& coverage);
  RunResult run();

 private:
  enum class Stage : std::uint8_t {
    talking,      // clients come and go, faults strike
    ending,       // no more faults; clients come to their end
    settled,      // everybody is gone: everything must have come back
    calm_before,  // one well-behaved client must be served
    restarting,   // a clean restart
    calm,         // once more
    draining,
    ended
  };

  // Facts.
  bool in_doubt(std::string_view id) const override;
  bool logged_accepted(std::string_view id) const override { return facts_.accepted.contains(id); }
  bool crashed_between(SimulatedUs from, SimulatedUs to) const override;

  static DiskOptions disk_options(const Profile& profile, std::uint64_t seed,
                                  const SimulatedNs& now);
  static Faults::Rates rates(const Profile& profile, const RunOptions& options);
  void add_clients();
  std::unique_ptr<ClientDriver> make_client(unsigned number, const ClientSettings& settings,
                                            SimulatedNs begins_after);
  bool chosen(unsigned number) const;

  // The gateway's lives.
  void start_gateway();
  void gateway_thread();
  void take_leave(Gateway& gateway);
  void crash(bool power_failure);
  void begin_drain();
  void after_process_end();

  // What happens by itself.
  void fate();
  void fate_of_network();
  void fate_of_process();
  void fate_of_disk();
  void disk_background();
  void relieve_disk();
  void remove_empty_maildir();

  // Stages.
  void next_stage();
  bool all_finished() const;
  void end_talking();
  void await_end();
  void check_settled();
  void begin_calm(Stage stage);
  void await_calm();
  void await_drain();

  // Checks.
  void check_each_event();
  bool sink_busy() const;
  void check_resources_back();
  void check_stalled();
  void client_told(ClientDriver& client);
  void check_durable_now(const Attempt& attempt);
  void check_final_store();
  std::vector<StoredMessage> stored(const std::vector<DiskFile>& files) const;
  std::size_t memory_max() const;
  void struck(Fault fault, unsigned client);
  SimulatedNs session_bound() const;

  const RunOptions options_;
  const Profile profile_;
  const policy::RecipientDirectory& directory_;
  Coverage& coverage_;
  Random random_;
  Record record_;
  Faults faults_;
  SimulatedNs disk_now_ = 0;
  SimulatedDisk disk_;
  Ledger ledger_;
  LogFacts facts_;
  ModelledStore modelled_store_;
  SimulatedKernel kernel_;
  std::vector<std::unique_ptr<ClientDriver>> clients_;
  std::unique_ptr<Canary> canary_;
  ClientSettings calm_settings_;

  Gateway* gateway_ = nullptr;  // in the process's memory
  Stage stage_ = Stage::talking;
  SimulatedNs stage_since_ = 0;
  std::uint64_t fates_ = 0;
  std::uint64_t crash_at_event_ = 0;  // 0: none is decided
  bool crash_by_power_ = false;
  bool draining_ = false;
  SimulatedNs drain_since_ = 0;
  std::vector<SimulatedUs> crashes_;
  std::set<std::uint32_t> crashed_processes_;
  std::set<std::uint64_t> verified_;  // attempts whose durability was looked at
  std::set<Fault> struck_;
  std::uint64_t stored_count_ = 0;
  unsigned calm_client_ = 0;
  unsigned calm_count_ = 0;
  unsigned calm_tries_ = 0;
};

}  // namespace gatepost::simulation
