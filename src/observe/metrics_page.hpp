// The metrics page: /metrics in Prometheus' text format, /healthz, /readyz, on threads of its own.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "observe/counters.hpp"
#include "observe/event_log.hpp"

namespace gatepost::observe {

// What /readyz says: 200 "ready" in state ready, else 503 and the state's name.
enum class Readiness : std::uint8_t { starting, ready, draining };

// Where the metrics come from. The pointers are read until the page is destroyed.
struct MetricsSource {
  std::vector<const ShardCounters*> shards = {};     // by shard number
  std::vector<std::string_view> verb_names = {};     // by verb; unnamed slots are not shown
  std::vector<const EventWriter*> log_writers = {};  // by shard number; may be empty
  std::string version = {};
  // Kernel features in use ("recv_bundle", true), shown as gatepost_ring_feature.
  std::vector<std::pair<std::string, bool>> ring_features = {};
  std::uint64_t buffers_per_shard = 0;
};

// The page's text at this moment. Any thread.
std::string render_metrics(const MetricsSource& source, Readiness readiness);

class MetricsPage {
 public:
  struct Options {
    std::string address = {};  // "127.0.0.1" or "::1", no brackets
    std::uint16_t port = 0;    // 0: the kernel chooses (port() tells)
    MetricsSource source = {};
  };

  // Binds and starts serving. The error names the flag, the address and the cause.
  static Result<std::unique_ptr<MetricsPage>> start(Options options);
  // Stops within a second, whatever its clients do.
  ~MetricsPage();
  MetricsPage(const MetricsPage&) = delete;
  MetricsPage& operator=(const MetricsPage&) = delete;

  // Any thread.
  void set_readiness(Readiness readiness);
  std::uint16_t port() const;

 private:
  struct State;
  explicit MetricsPage(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
  std::future<void> ended_;
};

}  // namespace gatepost::observe
