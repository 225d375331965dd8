#include "observe/metrics_page.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <regex.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <thread>

#include "thread_starts.hpp"

namespace gatepost::observe {
namespace {

MetricsSource source_of(const ShardCounters& first, const ShardCounters& second) {
  return {.shards = {&first, &second},
          .verb_names = {"ehlo", "", "mail"},
          .log_writers = {},
          .version = "1.2.3",
          .ring_features = {{"recv_bundle", true}, {"incremental_buffers", false}},
          .buffers_per_shard = 4096};
}

bool has_line(const std::string& text, const std::string& wanted) {
  return ("\n" + text).find("\n" + wanted + "\n") != std::string::npos;
}

TEST(MetricsText, shows_counters_by_shard) {
  ShardCounters first;
  ShardCounters second;
  first.connections_accepted.add(3);
  second.connections_accepted.add(4);
  first.connections_open.set(2);
  first.count_refusal(Refusal::address_full);
  second.count_timeout(Timeout::too_slow);
  first.count_command(0);
  first.count_command(2);
  first.count_reply(250, 2);
  first.count_reply(250, 2);
  second.count_reply(550);
  second.count_reply(551, 7);  // a verb without a name
  first.messages_accepted.add(7);
  std::string text = render_metrics(source_of(first, second), Readiness::ready);
  for (const char* wanted : {
           "# TYPE gatepost_smtp_connections_total counter",
           "gatepost_smtp_connections_total{shard=\"0\"} 3",
           "gatepost_smtp_connections_total{shard=\"1\"} 4",
           "# TYPE gatepost_smtp_connections_open gauge",
           "gatepost_smtp_connections_open{shard=\"0\"} 2",
           "gatepost_smtp_connections_refused_total{shard=\"0\",reason=\"address_full\"} 1",
           "gatepost_smtp_timeouts_total{shard=\"1\",kind=\"too_slow\"} 1",
           "gatepost_smtp_commands_total{shard=\"0\",command=\"ehlo\"} 1",
           "gatepost_smtp_commands_total{shard=\"0\",command=\"mail\"} 1",
           "gatepost_smtp_replies_total{shard=\"0\",code=\"250\",command=\"mail\"} 2",
           "gatepost_smtp_replies_total{shard=\"1\",code=\"550\",command=\"none\"} 1",
           "gatepost_smtp_replies_total{shard=\"1\",code=\"551\",command=\"none\"} 1",
           "gatepost_smtp_messages_total{shard=\"0\",outcome=\"accepted\"} 7",
           "gatepost_info{version=\"1.2.3\"} 1",
           "gatepost_ready 1",
           "gatepost_ring_feature{feature=\"recv_bundle\"} 1",
           "gatepost_ring_feature{feature=\"incremental_buffers\"} 0",
           "gatepost_buffers{shard=\"1\"} 4096",
       })
    EXPECT_TRUE(has_line(text, wanted)) << wanted;
  EXPECT_EQ(text.find("code=\"354\""), std::string::npos);
  EXPECT_EQ(text.find("command=\"\""), std::string::npos);
}

TEST(MetricsText, shows_no_more_verbs_than_are_counted) {
  ShardCounters counters;
  counters.count_reply(250, verb_slots - 1);
  MetricsSource source = source_of(counters, counters);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < verb_slots + 3; ++i) names.push_back("verb" + std::to_string(i));
  source.verb_names.assign(names.begin(), names.end());
  std::string text = render_metrics(source, Readiness::ready);
  EXPECT_TRUE(has_line(text, "gatepost_smtp_commands_total{shard=\"0\",command=\"verb31\"} 0"));
  EXPECT_EQ(text.find("command=\"verb32\""), std::string::npos);
  EXPECT_TRUE(
      has_line(text, "gatepost_smtp_replies_total{shard=\"0\",code=\"250\",command=\"verb31\"} 1"));
}

TEST(MetricsText, cumulates_histogram_buckets) {
  ShardCounters first;
  ShardCounters second;
  first.commit_time.record(90'000);           // 90 us
  first.commit_time.record(2'000'000);        // 2 ms
  first.commit_time.record(100'000'000'000);  // beyond the last bound
  std::string text = render_metrics(source_of(first, second), Readiness::ready);
  EXPECT_TRUE(has_line(text, "# TYPE gatepost_sink_commit_seconds histogram"));
  EXPECT_TRUE(has_line(text, "gatepost_sink_commit_seconds_count{shard=\"0\"} 3"));
  for (auto [bound, count] :
       {std::pair{"0.0001", "1"}, {"0.001", "1"}, {"0.0025", "2"}, {"60", "2"}, {"+Inf", "3"}})
    EXPECT_TRUE(
        has_line(text, std::string("gatepost_sink_commit_seconds_bucket{shard=\"0\",le=\"") +
                           bound + "\"} " + count))
        << bound;
  EXPECT_TRUE(has_line(text, "gatepost_sink_commit_seconds_count{shard=\"1\"} 0"));
}

TEST(MetricsText, is_well_formed_line_by_line) {
  ShardCounters first;
  ShardCounters second;
  first.session_time.record(1);
  first.count_reply(220);
  std::string text = render_metrics(source_of(first, second), Readiness::starting);
  // regcomp(3) and not <regex>, which g++ 12's sanitizers warn about.
  regex_t shape;
  ASSERT_EQ(regcomp(&shape,
                    "^(# (HELP|TYPE) gatepost_[a-z_]+ .+|"
                    "gatepost_[a-z_]+([{]([a-z]+=\"[^\"]*\",?)*[}])? [-+.e0-9]+)$",
                    REG_EXTENDED | REG_NOSUB),
            0);
  std::istringstream in(text);
  for (std::string each; std::getline(in, each);)
    EXPECT_EQ(regexec(&shape, each.c_str(), 0, nullptr, 0), 0) << each;
  regfree(&shape);
  EXPECT_EQ(text.back(), '\n');
}

int connect_to(std::uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return fd;
}

std::string get(std::uint16_t port, const std::string& path) {
  int fd = connect_to(port);
  std::string request = "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n";
  EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  char part[4096];
  for (ssize_t got; (got = read(fd, part, sizeof part)) > 0;)
    answer.append(part, static_cast<std::size_t>(got));
  close(fd);
  return answer;
}

struct Served {
  Served() {
    page = std::move(
        MetricsPage::start({"127.0.0.1", 0, source_of(counters[0], counters[1])}).value());
  }
  ShardCounters counters[2];
  std::unique_ptr<MetricsPage> page;
};

TEST(MetricsPage, serves_metrics_health_and_readiness) {
  Served served;
  std::uint16_t port = served.page->port();
  served.counters[0].messages_accepted.add(5);
  std::string metrics = get(port, "/metrics");
  EXPECT_EQ(metrics.rfind("HTTP/1.1 200 ", 0), 0u);
  EXPECT_NE(metrics.find("Content-Type: text/plain; version=0.0.4"), std::string::npos);
  EXPECT_NE(metrics.find("gatepost_smtp_messages_total{shard=\"0\",outcome=\"accepted\"} 5\n"),
            std::string::npos);

  EXPECT_EQ(get(port, "/healthz").rfind("HTTP/1.1 200 ", 0), 0u);
  EXPECT_EQ(get(port, "/nothing").rfind("HTTP/1.1 404 ", 0), 0u);

  std::string starting = get(port, "/readyz");
  EXPECT_EQ(starting.rfind("HTTP/1.1 503 ", 0), 0u);
  EXPECT_NE(starting.find("\r\n\r\nstarting\n"), std::string::npos);
  served.page->set_readiness(Readiness::ready);
  EXPECT_EQ(get(port, "/readyz").rfind("HTTP/1.1 200 ", 0), 0u);
  served.page->set_readiness(Readiness::draining);
  EXPECT_NE(get(port, "/readyz").find("\r\n\r\ndraining\n"), std::string::npos);
  EXPECT_EQ(get(port, "/healthz").rfind("HTTP/1.1 200 ", 0), 0u);
}

TEST(MetricsPage, names_flag_address_and_cause_when_the_port_is_taken) {
  Served served;
  std::uint16_t port = served.page->port();
  auto second = MetricsPage::start({"127.0.0.1", port, {}});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error(), "--metrics-listen 127.0.0.1:" + std::to_string(port) +
                                ": cannot listen there: Address already in use");
}

TEST(MetricsPage, names_an_address_that_is_not_of_this_machine) {
  auto page = MetricsPage::start({"192.0.2.1", 9125, {}});
  ASSERT_FALSE(page.ok());
  EXPECT_EQ(page.error().rfind("--metrics-listen 192.0.2.1:9125: cannot listen there: ", 0), 0u);
}

TEST(MetricsPage, names_what_is_no_address) {
  auto page = MetricsPage::start({"mx.example", 9125, {}});
  ASSERT_FALSE(page.ok());
  EXPECT_EQ(page.error().rfind("--metrics-listen mx.example:9125: cannot listen there: ", 0), 0u)
      << page.error();
}

TEST(MetricsPage, serves_ipv6) {
  ShardCounters counters;
  auto page = MetricsPage::start({"::1", 0, source_of(counters, counters)});
  if (!page.ok()) GTEST_SKIP() << "no IPv6 here: " << page.error();
  auto taken = MetricsPage::start({"::1", page.value()->port(), {}});
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error(), "--metrics-listen [::1]:" + std::to_string(page.value()->port()) +
                               ": cannot listen there: Address already in use");
}

TEST(MetricsPage, says_so_when_its_threads_cannot_be_started) {
  for (auto [started, told] :
       {std::pair{0, "cannot start a thread: Resource temporarily unavailable"},
        {1, "cannot start its threads"},
        {2, "cannot start its threads"}}) {
    NoMoreThreads behind(started);
    ShardCounters counters;
    auto page = MetricsPage::start({"127.0.0.1", 0, source_of(counters, counters)});
    ASSERT_FALSE(page.ok()) << started;
    EXPECT_EQ(page.error(), std::string("--metrics-listen 127.0.0.1:0: ") + told);
  }
}

TEST(MetricsPage, stops_although_more_clients_wait_than_it_has_room_for) {
  auto served = std::make_unique<Served>();
  std::vector<int> idle;
  for (int i = 0; i < 24; ++i) {  // both workers, the queue, and those who wait for it
    idle.push_back(connect_to(served->page->port()));
    EXPECT_EQ(send(idle.back(), "GET /me", 7, MSG_NOSIGNAL), 7);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // until they have been accepted
  const auto begin = std::chrono::steady_clock::now();
  served.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  for (int fd : idle) close(fd);
}

TEST(MetricsPage, stops_although_clients_hold_all_its_workers) {
  auto served = std::make_unique<Served>();
  std::vector<int> idle;
  for (int i = 0; i < 18; ++i) {  // both workers and the queue; more would wait in the backlog
    idle.push_back(connect_to(served->page->port()));
    EXPECT_EQ(send(idle.back(), "GET /me", 7, MSG_NOSIGNAL), 7);
  }
  served.reset();  // a hang here fails by the suite's own limit
  for (int fd : idle) close(fd);
}

}  // namespace
}  // namespace gatepost::observe
