// What goes wrong in a run, how often, and where it has struck.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/random.hpp"

namespace gatepost::simulation {

enum class Fault : std::uint8_t {
  // Network and ring.
  split_read,          // a receive takes fewer octets than there are
  short_send,          // a send takes fewer octets than there would be room for
  no_buffers,          // -ENOBUFS though buffers are there
  multishot_ends,      // a multishot operation completes without F_MORE
  late_cancel,         // a cancelled operation completes only later
  late_shutdown,       // the kernel's worker comes to a shutdown late
  connection_reset,    // ECONNRESET by the network
  lost_at_accept,      // accept gives -ECONNABORTED
  submission_refused,  // io_uring_enter gives EAGAIN or takes only a part
  interrupted_wait,    // io_uring_enter gives EINTR
  slow_network,        // a segment takes seconds
  preempted,           // the shard's thread does not run for a while
  // Process.
  clock_jump,    // the wall clock is set, or the machine was suspended
  process_kill,  // kill -9
  power_failure,
  restart,        // SIGTERM and a new process
  no_descriptor,  // EMFILE for a socket or a file
  // Disk.
  disk_full,        // ENOSPC until somebody makes room
  over_quota,       // EDQUOT until it is raised
  call_fails,       // one file call fails: EIO, ENOSPC, EACCES, ...
  writeback_fails,  // fsync, syncfs or the kernel's own writeback: data is lost
  journal_fails,
  slow_disk,  // a file call takes seconds
  short_write,
  maildir_removed,  // an operator deletes a maildir
  // Modelled sink.
  receipt_late,
  receipt_never,
  receipt_fails,
  sink_pauses,
  sink_refuses,
  count
};
constexpr std::size_t fault_count = static_cast<std::size_t>(Fault::count);

std::string_view name_of(Fault fault);
// Fault::count when there is none of that name.
Fault fault_named(std::string_view name);

// Decides when each fault strikes: once in `rates[fault]` chances; 0: never. Each fault has a
// stream of numbers of its own, so that to leave one out changes as little as possible.
class Faults {
 public:
  using Rates = std::array<std::uint32_t, fault_count>;

  Faults(std::uint64_t seed, const Rates& rates);

  // Whether it strikes now. client: whom it concerns; everybody: all that are connected.
  static constexpr unsigned everybody = ~0u;
  bool strikes(Fault fault, unsigned client = everybody);
  // Called with each that struck.
  std::function<void(Fault, unsigned client)> on_strike;
  // A number that goes with it: how many octets, how long.
  Random& random(Fault fault) { return streams_[static_cast<std::size_t>(fault)]; }
  std::uint32_t rate(Fault fault) const { return rates_[static_cast<std::size_t>(fault)]; }
  // From now on nothing goes wrong any more.
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }
  std::uint64_t count(Fault fault) const { return counts_[static_cast<std::size_t>(fault)]; }

 private:
  Rates rates_;
  std::vector<Random> streams_;
  std::array<std::uint64_t, fault_count> counts_{};
  bool stopped_ = false;
};

}  // namespace gatepost::simulation
