// The gateway's lives, and what goes wrong in them.

#include <algorithm>

#include "fmt/format.h"
#include "simulation/world_impl.hpp"

namespace gatepost::simulation {
namespace {

constexpr SimulatedNs restart_after = 700 * ms;
// Faults of the whole process or disk are tried once in so many fates.
constexpr unsigned fates_for_process_faults = 5;
// How many events ahead a crash may lie once it is decided.
constexpr std::uint64_t crash_within_events = 3000;

}  // namespace

// --- The gateway's lives -------------------------------------------------------------------------

void World::start_gateway() {
  if (kernel_.process_alive()) return;
  draining_ = false;
  kernel_.start_process([this] { gateway_thread(); });
}

void World::gateway_thread() {
  auto gateway = std::make_unique<Gateway>(profile_.gateway, directory_, modelled_store_);
  gateway_ = gateway.get();
  gateway->run();
  {
    const HeapScope scope(nullptr);
    gateway_ = nullptr;
    take_leave(*gateway);
  }
}

// What is to be known of a life that ends.
void World::take_leave(Gateway& gateway) {
  gateway.read_log(facts_);
  gateway.count_replies(
      [this](std::uint16_t code, std::uint64_t count) { coverage_.count_replies(code, count); });
}

void World::crash(bool power_failure) {
  if (!kernel_.process_alive()) return;
  if (gateway_ != nullptr) take_leave(*gateway_);
  gateway_ = nullptr;
  kernel_.kill_process(power_failure);
  if (power_failure)
    disk_.power_failure(faults_.random(Fault::power_failure));
  else
    disk_.process_killed();
  crashes_.push_back(kernel_.now() / us);
  crashed_processes_.insert(kernel_.process_number());
  kernel_.after(random_.between(restart_after, 5 * second), [this] { start_gateway(); });
}

void World::begin_drain() {
  // Who still waits for a receipt when the time of the drain is over is cut off without a word.
  for (const auto& client : clients_)
    if (client->connected() && !client->finished()) client->model().excuse_end();
  draining_ = true;
  drain_since_ = kernel_.now();
  gateway_->drain();
}

// All threads of the process have come to their end.
void World::after_process_end() {
  const bool wanted = draining_;
  kernel_.reap_process();
  if (stage_ == Stage::draining) return;
  // Who could not start is started again, as a supervisor does.
  kernel_.after(wanted ? restart_after : 3 * second, [this] { start_gateway(); });
}

// --- What happens by itself ----------------------------------------------------------------------

void World::fate() {
  disk_now_ = kernel_.now();
  ++fates_;
  if (kernel_.process_ended()) after_process_end();
  if (stage_ == Stage::talking) {
    fate_of_network();
    if (fates_ % fates_for_process_faults == 0) {
      fate_of_process();
      fate_of_disk();
    }
    check_stalled();
  }
  next_stage();
  if (stage_ != Stage::ended) kernel_.after(fate_every, [this] { fate(); });
}

void World::fate_of_network() {
  if (clients_.empty()) return;
  ClientDriver& client = *clients_[random_.below(clients_.size())];
  if (client.connected() && !client.finished() &&
      faults_.strikes(Fault::connection_reset, client.number()))
    client.cut();
}

void World::fate_of_process() {
  if (faults_.strikes(Fault::clock_jump)) {
    Random& random = faults_.random(Fault::clock_jump);
    const auto by = static_cast<std::int64_t>(random.below(7200ull * 1'000'000));
    if (random.percent(20))
      kernel_.suspend(random.below(30) * second);
    else
      kernel_.set_wall_clock(random.percent(50) ? by : -by);
    record_.trace("clock jump");
  }
  if (crash_at_event_ == 0 && faults_.strikes(Fault::process_kill)) {
    crash_at_event_ =
        record_.event + 1 + faults_.random(Fault::process_kill).below(crash_within_events);
    crash_by_power_ = false;
  }
  if (crash_at_event_ == 0 && faults_.strikes(Fault::power_failure)) {
    crash_at_event_ =
        record_.event + 1 + faults_.random(Fault::power_failure).below(crash_within_events);
    crash_by_power_ = true;
  }
  if (gateway_ != nullptr && gateway_->serving() && !draining_ && faults_.strikes(Fault::restart)) {
    record_.trace("restart");
    begin_drain();
  }
}

void World::fate_of_disk() {
  if (profile_.gateway.modelled_sink) return;
  if (faults_.strikes(Fault::disk_full)) {
    Random& random = faults_.random(Fault::disk_full);
    record_.trace("disk is full");
    disk_.set_capacity(mail_root, random.below(256 * 1024));
    kernel_.after(random.between(1, 20) * second, [this] {
      record_.trace("disk has room");
      disk_.set_capacity(mail_root, profile_.mail_mount.capacity_bytes);
    });
  }
  if (faults_.strikes(Fault::over_quota)) {
    record_.trace("over quota");
    disk_.set_quota(mail_root, faults_.random(Fault::over_quota).below(64 * 1024));
    kernel_.after(faults_.random(Fault::over_quota).between(1, 20) * second,
                  [this] { disk_.set_quota(mail_root, std::nullopt); });
  }
  if (faults_.strikes(Fault::writeback_fails)) {
    Random& random = faults_.random(Fault::writeback_fails);
    constexpr int errors[] = {EIO, ENOSPC, EDQUOT};
    record_.trace("writeback is going to fail");
    disk_.fail_next_writeback(mail_root, errors[random.below(3)],
                              static_cast<unsigned>(random.between(1, 5)));
  }
  if (faults_.strikes(Fault::journal_fails)) {
    Random& random = faults_.random(Fault::journal_fails);
    record_.trace("journal is going to fail");
    // Without a journal a directory that can't be written keeps, for all that can be seen, names
    // that are not on the disk; nobody can mend that for directories above a maildir, so that only
    // the names of mails are lost here.
    if (profile_.mail_mount.kind == MountKind::journaled)
      disk_.fail_next_metadata(mail_root, EIO, static_cast<unsigned>(random.between(1, 3)));
    else
      disk_.fail_next_sync_of("new", EIO);
    if (random.percent(30)) {
      disk_.set_read_only(mail_root, true);
      kernel_.after(random.between(1, 10) * second,
                    [this] { disk_.set_read_only(mail_root, false); });
    }
  }
  if (faults_.strikes(Fault::maildir_removed)) remove_empty_maildir();
}

// An operator deletes the maildir of a user that has no mail: it is to be made anew.
void World::remove_empty_maildir() {
  const std::string path = fmt::format("{}/example.org/user{}", mail_root,
                                       faults_.random(Fault::maildir_removed).below(10));
  if (!disk_.files_below(path).empty()) return;
  record_.trace("maildir removed", 0, 0, path);
  disk_.remove_tree(path);
}

// The kernel writes back when it likes.
void World::disk_background() {
  disk_.background_step(random_);
  if (stage_ != Stage::ended)
    kernel_.after(random_.between(20 * ms, 2 * second), [this] { disk_background(); });
}

void World::relieve_disk() {
  disk_.set_capacity(mail_root, profile_.mail_mount.capacity_bytes);
  disk_.set_quota(mail_root, std::nullopt);
  disk_.set_read_only(mail_root, false);
  disk_.fail_next_writeback(mail_root, EIO, 0);
  disk_.fail_next_metadata(mail_root, EIO, 0);
}

}  // namespace gatepost::simulation
