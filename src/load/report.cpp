#include "load/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

namespace gatepost::load {
namespace {

constexpr double percents[] = {50, 90, 99, 99.9};
constexpr const char* percent_names[] = {"p50", "p90", "p99", "p99.9"};

double per_second(double amount, const RunResult& r) {
  return r.seconds > 0 ? amount / r.seconds : 0;
}

double cpu_us_per_message(const RunResult& r) {
  return r.tally.acknowledged == 0
             ? 0
             : r.cpu_seconds * 1e6 / static_cast<double>(r.tally.acknowledged);
}

// Three significant digits, as many as the histogram has.
std::string show_ns(std::uint64_t ns) {
  double value = static_cast<double>(ns);
  const char* unit = "ns";
  for (const char* next : {"us", "ms", "s"}) {
    if (value < 999.5) break;
    value /= 1000;
    unit = next;
  }
  int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, decimals, unit);
}

// Faults of all kinds, or without those of connections.
std::uint64_t errors(const Tally& tally, bool with_connections) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < fault_count; ++i)
    if (with_connections || !is_connection_fault(static_cast<Fault>(i))) sum += tally.faults[i];
  return sum;
}

void append_latencies(std::string& text, const char* name, const Histogram& histogram) {
  if (histogram.count() == 0) return;
  text += fmt::format("  {:<22}", name);
  for (double percent : percents)
    text += fmt::format("{:>10}", show_ns(histogram.percentile(percent)));
  text += fmt::format("{:>10}\n", show_ns(histogram.max()));
}

nlohmann::ordered_json latencies(const Histogram& histogram) {
  nlohmann::ordered_json result;
  result["count"] = histogram.count();
  for (std::size_t i = 0; i < std::size(percents); ++i)
    result[percent_names[i]] = static_cast<double>(histogram.percentile(percents[i])) / 1e6;
  result["max"] = static_cast<double>(histogram.max()) / 1e6;
  return result;
}

}  // namespace

bool rate_held(const RunOptions& options, const RunResult& result) {
  const Tally& tally = result.tally;
  return tally.unstarted * 100 <= tally.started + tally.unstarted &&
         tally.late_max_ns < static_cast<std::uint64_t>(1e9 * (1 + 100 / options.rate));
}

int exit_code_of(const RunOptions& options, const RunResult& result) {
  const Tally& tally = result.tally;
  bool forgiving = options.on_disconnect != OnDisconnect::fail;
  if (tally.ledger_failed) return 1;
  if (errors(tally, !forgiving) > 0) return 1;
  if (options.rate > 0 && !rate_held(options, result)) return 3;
  return 0;
}

std::string table(const RunOptions& options, const RunResult& r) {
  const Tally& t = r.tally;
  std::string text = fmt::format(
      "{} for {:.2f} s, {} connection{} at a time, {}\n", options.target.text, r.seconds,
      options.connections, options.connections == 1 ? "" : "s",
      options.rate > 0 ? fmt::format("open loop at {} messages/s", options.rate) : "closed loop");
  text += fmt::format("  {:<22}{:>10}   {:.1f} msg/s, {:.2f} MB/s\n", "acknowledged",
                      t.acknowledged, per_second(static_cast<double>(t.acknowledged), r),
                      per_second(static_cast<double>(t.octets) / 1e6, r));
  if (t.recipients != t.acknowledged)
    text += fmt::format("  {:<22}{:>10}\n", "  to recipients", t.recipients);
  text += fmt::format("  {:<22}{:>10}{}\n", "errors", errors(t, true),
                      options.on_disconnect != OnDisconnect::fail && errors(t, true) > 0
                          ? "   those of connections are forgiven"
                          : "");
  if (t.in_doubt > 0)
    text += fmt::format("  {:<22}{:>10}   sent whole, never answered\n", "in doubt", t.in_doubt);
  text += fmt::format("  {:<22}{:>10}\n", "connections", t.connections);
  for (std::size_t i = 1; i < kind_count; ++i)
    if (t.by_kind[i] > 0)
      text += fmt::format(
          "  {:<22}{:>10}   {}\n", fmt::format("{} clients", kind_names[i]), t.by_kind[i],
          is_broken(static_cast<Kind>(i)) ? "on purpose, not counted as failed" : "");
  if (options.rate > 0) {
    text +=
        fmt::format("  rate of {}/s {}: {} begun, {} due and never begun, latest begun {} late\n",
                    options.rate, rate_held(options, r) ? "held" : "NOT HELD", t.started,
                    t.unstarted, show_ns(t.late_max_ns));
  }
  text += fmt::format("\n  {:<22}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "latency", "p50", "p90", "p99",
                      "p99.9", "max");
  append_latencies(text, "connect and greeting", t.connect);
  append_latencies(text, "reply to end of data", t.end_of_data);
  append_latencies(text, options.rate > 0 ? "whole, from due time" : "whole transaction",
                   t.transaction);
  append_latencies(text, "slow clients, whole", t.slow_transaction);
  text += "\n  replies    ";
  for (std::size_t code = 200; code < t.replies.size(); ++code)
    if (t.replies[code] > 0) text += fmt::format("  {}: {}", code, t.replies[code]);
  text += '\n';
  for (std::size_t i = 0; i < fault_count; ++i)
    if (t.faults[i] > 0)
      text += fmt::format("  error        {}: {}\n", fault_names[i], t.faults[i]);
  for (const auto& [refusal, count] : t.refusals)
    text += fmt::format("  refusal      {}x {}\n", count, refusal);
  if (t.gave_up) text += "  error        a thread's connections all gave up before the run's end\n";
  if (t.ledger_failed) text += fmt::format("  error        could not write {}\n", options.ledger);
  text += fmt::format(
      "  own CPU      {:.1f} us a message ({:.1f} user), {:.0f} % of a core, {:.2f} completions a "
      "ring call\n",
      cpu_us_per_message(r),
      t.acknowledged == 0 ? 0 : r.cpu_user_seconds * 1e6 / static_cast<double>(t.acknowledged),
      per_second(r.cpu_seconds * 100, r),
      t.ring_enters == 0 ? 0
                         : static_cast<double>(t.completions) / static_cast<double>(t.ring_enters));
  return text;
}

std::string json(const RunOptions& options, const RunResult& r) {
  const Tally& t = r.tally;
  nlohmann::ordered_json out;
  out["target"] = options.target.text;
  out["loop"] = options.rate > 0 ? "open" : "closed";
  out["seconds"] = r.seconds;
  out["connections_at_a_time"] = options.connections;
  out["messages"] = {{"started", t.started},       {"acknowledged", t.acknowledged},
                     {"errors", errors(t, true)},  {"in_doubt", t.in_doubt},
                     {"recipients", t.recipients}, {"octets", t.octets}};
  out["connections"] = t.connections;
  out["messages_per_second"] = per_second(static_cast<double>(t.acknowledged), r);
  out["megabytes_per_second"] = per_second(static_cast<double>(t.octets) / 1e6, r);
  if (options.rate > 0)
    out["open_loop"] = {{"rate", options.rate},
                        {"held", rate_held(options, r)},
                        {"unstarted", t.unstarted},
                        {"latest_begun_late_ms", static_cast<double>(t.late_max_ns) / 1e6}};
  out["latency_ms"] = {{"connect", latencies(t.connect)},
                       {"end_of_data", latencies(t.end_of_data)},
                       {"transaction", latencies(t.transaction)},
                       {"slow_transaction", latencies(t.slow_transaction)}};
  out["replies"] = nlohmann::ordered_json::object();
  for (std::size_t code = 200; code < t.replies.size(); ++code)
    if (t.replies[code] > 0) out["replies"][std::to_string(code)] = t.replies[code];
  out["errors"] = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < fault_count; ++i)
    if (t.faults[i] > 0) out["errors"][std::string(fault_names[i])] = t.faults[i];
  out["refusals"] = nlohmann::ordered_json::object();
  for (const auto& [refusal, count] : t.refusals) out["refusals"][refusal] = count;
  out["clients"] = nlohmann::ordered_json::object();
  for (std::size_t i = 1; i < kind_count; ++i)
    if (t.by_kind[i] > 0) out["clients"][std::string(kind_names[i])] = t.by_kind[i];
  out["cpu_us_per_message"] = cpu_us_per_message(r);
  out["cpu_seconds"] = r.cpu_seconds;
  out["gave_up"] = t.gave_up;
  out["ledger_complete"] = !t.ledger_failed;
  out["exit_code"] = exit_code_of(options, r);
  // What a server says may be any octets: those that are no UTF-8 are replaced.
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace gatepost::load
