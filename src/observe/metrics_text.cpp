// The counters as Prometheus' text exposition format. Names: base units, _total for counters.
#include <prometheus/text_serializer.h>

#include <functional>
#include <sstream>

#include "observe/metrics_page.hpp"

namespace gatepost::observe {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Page {
 public:
  explicit Page(const MetricsSource& source) : source_(source) {}

  // Further samples of the family begun last.
  void counter(Labels labels, std::uint64_t value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = static_cast<double>(value);
    families_.back().metric.push_back(std::move(metric));
  }
  void gauge(Labels labels, std::uint64_t value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = static_cast<double>(value);
    families_.back().metric.push_back(std::move(metric));
  }
  void begin(std::string name, std::string help, MetricType type) {
    families_.push_back({std::move(name), std::move(help), type, {}});
  }

  void counter_per_shard(const char* name, const char* help, Counter ShardCounters::*member) {
    begin(name, help, MetricType::Counter);
    for_each_shard([&](const std::string& shard, const ShardCounters& counters) {
      counter({{"shard", shard}}, (counters.*member).value());
    });
  }
  void gauge_per_shard(const char* name, const char* help, Gauge ShardCounters::*member) {
    begin(name, help, MetricType::Gauge);
    for_each_shard([&](const std::string& shard, const ShardCounters& counters) {
      gauge({{"shard", shard}}, (counters.*member).value());
    });
  }
  template <const auto& bounds_us>
  void histogram_per_shard(const char* name, const char* help,
                           Histogram<bounds_us> ShardCounters::*member) {
    begin(name, help, MetricType::Histogram);
    for_each_shard([&](const std::string& shard, const ShardCounters& counters) {
      const auto& histogram = counters.*member;
      ClientMetric metric;
      metric.label = {{"shard", shard}};
      std::uint64_t cumulative = 0;
      for (std::size_t i = 0; i < bounds_us.size(); ++i) {
        cumulative += histogram.bucket(i);
        metric.histogram.bucket.push_back({cumulative, histogram.upper_bound_seconds(i)});
      }
      // The count is the sum of the buckets, not a counter beside them, so that it never disagrees
      // with the "+Inf" bucket while the shard goes on counting.
      cumulative += histogram.bucket(bounds_us.size());
      metric.histogram.sample_count = cumulative;
      metric.histogram.sample_sum = static_cast<double>(histogram.sum_ns()) / 1e9;
      families_.back().metric.push_back(std::move(metric));
    });
  }

  template <class Visit>
  void for_each_shard(Visit&& visit) {
    for (std::size_t i = 0; i < source_.shards.size(); ++i)
      visit(std::to_string(i), *source_.shards[i]);
  }

  std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

 private:
  const MetricsSource& source_;
  std::vector<MetricFamily> families_;
};

void add_connections(Page& page) {
  page.counter_per_shard("gatepost_smtp_connections_total",
                         "Connections accepted from the kernel, those refused at once included.",
                         &ShardCounters::connections_accepted);
  page.begin("gatepost_smtp_connections_refused_total",
             "Connections turned away at the greeting, by reason.", MetricType::Counter);
  page.for_each_shard([&](const std::string& shard, const ShardCounters& counters) {
    for (std::size_t i = 0; i < counters.connections_refused.size(); ++i)
      page.counter({{"shard", shard}, {"reason", std::string(refusal_name(Refusal(i)))}},
                   counters.connections_refused[i].value());
  });
  page.gauge_per_shard("gatepost_smtp_connections_open", "Connections open now.",
                       &ShardCounters::connections_open);
  page.counter_per_shard("gatepost_smtp_connections_lost_total",
                         "Connections that the peer ended without QUIT.",
                         &ShardCounters::connections_lost);
  page.begin("gatepost_smtp_timeouts_total", "Connections closed for want of time, by kind.",
             MetricType::Counter);
  page.for_each_shard([&](const std::string& shard, const ShardCounters& counters) {
    for (std::size_t i = 0; i < counters.timeouts.size(); ++i)
      page.counter({{"shard", shard}, {"kind", std::string(timeout_name(Timeout(i)))}},
                   counters.timeouts[i].value());
  });
  page.counter_per_shard("gatepost_smtp_early_talkers_total",
                         "Connections that sent octets before the greeting.",
                         &ShardCounters::early_talkers);
  page.counter_per_shard(
      "gatepost_smtp_pipelining_violations_total",
      "Connections that sent octets behind a command that must wait for its reply.",
      &ShardCounters::pipelining_violations);
  page.counter_per_shard("gatepost_smtp_error_limit_disconnects_total",
                         "Sessions closed with 421 at the hard error limit.",
                         &ShardCounters::error_limit_disconnects);
}

void add_protocol(Page& page, const MetricsSource& source) {
  page.begin("gatepost_smtp_commands_total", "Commands received, by verb.", MetricType::Counter);
  page.for_each_shard([&](const std::string& shard, const ShardCounters& counters) {
    for (std::size_t i = 0; i < source.verb_names.size() && i < verb_slots; ++i) {
      if (source.verb_names[i].empty()) continue;
      page.counter({{"shard", shard}, {"command", std::string(source.verb_names[i])}},
                   counters.commands[i].value());
    }
  });
  // 400 codes per shard would drown the page: a code appears with its first use.
  page.begin(
      "gatepost_smtp_replies_total",
      "Replies sent, by code and by the command answered (none: greetings, and what was said "
      "unasked).",
      MetricType::Counter);
  page.for_each_shard([&](const std::string& shard, const ShardCounters& counters) {
    for (std::size_t i = 0; i < counters.replies.size(); ++i) {
      for (std::size_t verb = 0; verb < verb_slots; ++verb) {
        const std::uint64_t count = counters.replies[i][verb].value();
        if (count == 0) continue;
        const bool named = verb < source.verb_names.size() && !source.verb_names[verb].empty();
        page.counter({{"shard", shard},
                      {"code", std::to_string(reply_code_min + i)},
                      {"command", named ? std::string(source.verb_names[verb]) : "none"}},
                     count);
      }
    }
  });
}

void add_messages(Page& page) {
  page.begin("gatepost_smtp_messages_total",
             "Messages whose content began, by outcome: accepted (answered 2yz, the sink has it), "
             "deferred (4yz), rejected (5yz), aborted (the connection ended before the reply).",
             MetricType::Counter);
  page.for_each_shard([&](const std::string& shard, const ShardCounters& counters) {
    page.counter({{"shard", shard}, {"outcome", "accepted"}}, counters.messages_accepted.value());
    page.counter({{"shard", shard}, {"outcome", "deferred"}}, counters.messages_deferred.value());
    page.counter({{"shard", shard}, {"outcome", "rejected"}}, counters.messages_rejected.value());
    page.counter({{"shard", shard}, {"outcome", "aborted"}}, counters.messages_aborted.value());
  });
  page.begin("gatepost_smtp_recipients_total", "RCPT commands, by outcome.", MetricType::Counter);
  page.for_each_shard([&](const std::string& shard, const ShardCounters& counters) {
    page.counter({{"shard", shard}, {"outcome", "accepted"}}, counters.recipients_accepted.value());
    page.counter({{"shard", shard}, {"outcome", "rejected"}}, counters.recipients_rejected.value());
  });
  page.counter_per_shard("gatepost_smtp_bare_newline_refusals_total",
                         "Messages refused because of a bare CR or LF.",
                         &ShardCounters::bare_newline_refusals);
  page.counter_per_shard("gatepost_smtp_received_bytes_total", "Octets received from sockets.",
                         &ShardCounters::bytes_received);
  page.counter_per_shard("gatepost_sink_content_bytes_total",
                         "Octets of message content handed to the sink.",
                         &ShardCounters::content_bytes);
}

void add_resources(Page& page, const MetricsSource& source) {
  page.gauge_per_shard("gatepost_buffers_in_use", "Receive buffers that hold octets now.",
                       &ShardCounters::buffers_in_use);
  page.begin("gatepost_buffers", "Receive buffers there are.", MetricType::Gauge);
  page.for_each_shard([&](const std::string& shard, const ShardCounters&) {
    page.gauge({{"shard", shard}}, source.buffers_per_shard);
  });
  page.counter_per_shard("gatepost_buffer_exhaustion_pauses_total",
                         "Times that a connection waited because no receive buffer was free.",
                         &ShardCounters::buffer_exhaustion_pauses);
  page.counter_per_shard("gatepost_smtp_send_stalls_total",
                         "Times that a reply did not fit into the socket at once.",
                         &ShardCounters::send_stalls);
  page.counter_per_shard("gatepost_sink_stalls_total",
                         "Times that the sink asked a connection to pause.",
                         &ShardCounters::sink_stalls);
  page.counter_per_shard("gatepost_sink_refusals_total",
                         "MAIL commands refused because the sink could not take a message.",
                         &ShardCounters::sink_refusals);
  page.gauge_per_shard("gatepost_sink_messages_open", "Messages in the sink without a receipt.",
                       &ShardCounters::sink_messages_open);
  page.gauge_per_shard("gatepost_sink_held_bytes", "Octets that the sink has not written yet.",
                       &ShardCounters::sink_bytes_held);
  page.counter_per_shard("gatepost_ring_enters_total", "Calls of io_uring_enter.",
                         &ShardCounters::ring_enters);
  page.counter_per_shard("gatepost_ring_completions_total", "Completions handled.",
                         &ShardCounters::ring_completions);
  page.counter_per_shard(
      "gatepost_ring_overflows_total",
      "Completions lost because the kernel had neither room nor memory for them.",
      &ShardCounters::ring_overflows);
  page.begin("gatepost_log_lines_dropped_total", "Events lost because the log's ring was full.",
             MetricType::Counter);
  for (std::size_t i = 0; i < source.log_writers.size(); ++i)
    page.counter({{"shard", std::to_string(i)}}, source.log_writers[i]->dropped());
}

void add_process(Page& page, const MetricsSource& source, Readiness readiness) {
  page.begin("gatepost_info", "The version that runs.", MetricType::Gauge);
  page.gauge({{"version", source.version}}, 1);
  page.begin("gatepost_ready", "Whether /readyz says so.", MetricType::Gauge);
  page.gauge({}, readiness == Readiness::ready ? 1 : 0);
  page.begin("gatepost_ring_feature", "Kernel features: 1 in use, 0 not.", MetricType::Gauge);
  for (const auto& [name, in_use] : source.ring_features)
    page.gauge({{"feature", name}}, in_use ? 1 : 0);
}

}  // namespace

std::string render_metrics(const MetricsSource& source, Readiness readiness) {
  Page page(source);
  add_process(page, source, readiness);
  add_connections(page);
  add_protocol(page, source);
  add_messages(page);
  add_resources(page, source);
  page.histogram_per_shard("gatepost_smtp_session_seconds", "From accept to close.",
                           &ShardCounters::session_time);
  page.histogram_per_shard("gatepost_smtp_data_seconds",
                           "From 354, or the first BDAT, to the end of data.",
                           &ShardCounters::data_time);
  page.histogram_per_shard("gatepost_sink_commit_seconds",
                           "From handing a whole message to the sink to its receipt.",
                           &ShardCounters::commit_time);
  return page.text();
}

}  // namespace gatepost::observe
