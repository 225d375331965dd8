// A whole shard on its own thread, over real sockets, with a sink whose receipts the test controls.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>

#include "shard/shard.hpp"

namespace gatepost::shard {
namespace {

// What the test's sink does at commit.
enum class Answer { at_once, never, fail };

class ScriptedSink final : public Sink {
 public:
  struct Shared {
    std::atomic<Answer> answer{Answer::at_once};
    std::atomic<bool> pause{false};
    std::atomic<int> committed{0};
    std::atomic<int> aborted{0};
    std::atomic<int> open{0};
    std::mutex mutex;
    std::string last_content;
    int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ~Shared() { close(event_fd); }
  };

  ScriptedSink(SinkHost& host, Shared& shared) : host_(host), shared_(shared) {}

  std::string_view description() const override { return "scripted"; }
  ContentForm content_form() const override { return ContentForm::lf; }
  bool final_delivery() const override { return true; }
  int event_fd() const override { return shared_.event_fd; }
  void poll() override {
    eventfd_t value;
    eventfd_read(shared_.event_fd, &value);
    std::vector<Message*> due;
    due.swap(due_);
    for (Message* message : due) {
      Receipt receipt{message->fails ? Disposition::local_error : Disposition::taken_over,
                      message->fails ? "told to fail" : ""};
      {
        std::lock_guard lock(shared_.mutex);
        shared_.last_content = message->content;
      }
      SinkToken token = message->token;
      forget(message);
      host_.receipt(token, {&receipt, 1});
    }
    if (!shared_.pause) {
      std::vector<Message*> paused;
      paused.swap(paused_);
      for (Message* message : paused) host_.drained(message->token);
    }
  }
  bool has_ready() const override { return !due_.empty(); }
  Receipt available(std::uint64_t) override { return {Disposition::taken_over, {}}; }
  SinkMessage* open(const Envelope&, SinkToken token, Receipt&) override {
    auto* message = new Message;
    message->token = token;
    ++shared_.open;
    return message;
  }
  Flow append(SinkMessage* message, Slice content) override {
    auto* m = static_cast<Message*>(message);
    m->content.append(reinterpret_cast<const char*>(content.data()), content.size());
    if (!shared_.pause) return Flow::go_on;
    paused_.push_back(m);
    return Flow::pause;
  }
  void commit(SinkMessage* message) override {
    auto* m = static_cast<Message*>(message);
    ++shared_.committed;
    if (shared_.answer == Answer::never) return;
    m->fails = shared_.answer == Answer::fail;
    due_.push_back(m);
  }
  void abort(SinkMessage* message) override {
    ++shared_.aborted;
    forget(static_cast<Message*>(message));
  }
  std::uint64_t messages_open() const override {
    return static_cast<std::uint64_t>(shared_.open.load());
  }
  std::uint64_t bytes_held() const override { return 0; }

 private:
  struct Message final : SinkMessage {
    SinkToken token = 0;
    std::string content;
    bool fails = false;
  };
  void forget(Message* message) {
    std::erase(due_, message);
    std::erase(paused_, message);
    --shared_.open;
    delete message;
  }
  SinkHost& host_;
  Shared& shared_;
  std::vector<Message*> due_;
  std::vector<Message*> paused_;
};

struct Variant {
  ring::BufferMode mode;
  bool direct;
};

struct Setting {
  policy::ConnectionLimits limits{.per_client = 0};
  std::uint32_t error_sleep_ms = 0;
  std::uint32_t soft_error_limit = 10;
  int send_buffer = 0;  // of accepted sockets; 0: the kernel's default
};

class RunningShard {
 public:
  explicit RunningShard(Options options, const Setting& setting = {}) {
    settings_.hostname = "mx.example.test";
    settings_.error_sleep_ms = setting.error_sleep_ms;
    settings_.soft_error_limit = setting.soft_error_limit;
    settings_.junk_command_limit = 1'000'000;
    session_ = std::make_shared<smtp::SessionConfig>(settings_);
    policy::RecipientSettings recipients;
    recipients.accept_domains = {"example.test"};
    directory_ = std::move(policy::RecipientDirectory::open(recipients).value());
    observe::EventLog::Options log_options;
    log_options.level = observe::LogLevel::error;
    for (std::size_t verb = 0; verb < smtp::verb_count; ++verb)
      log_options.verb_names.push_back(smtp::verb_name(static_cast<smtp::Verb>(verb)));
    log_ = std::move(observe::EventLog::start(log_options).value());
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (setting.send_buffer > 0)
      setsockopt(listener_, SOL_SOCKET, SO_SNDBUF, &setting.send_buffer, sizeof(int));
    EXPECT_EQ(0, bind(listener_, reinterpret_cast<sockaddr*>(&address_), sizeof address_));
    socklen_t length = sizeof address_;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &length);
    EXPECT_EQ(0, listen(listener_, 256));
    counts_ = std::make_unique<policy::ConnectionCounts>(setting.limits);
    Surroundings with{session_,      directory_.get(),     &clients_,
                      counts_.get(), &log_->add_writer(0), &counters};
    shard_ = std::make_unique<Shard>(options, with, std::vector<Listener>{{listener_, AF_INET}});
    shard_->attach_sink(std::make_unique<ScriptedSink>(*shard_, sink));
    std::promise<bool> ready;
    thread_ = std::thread([&] {
      (void)shard_->run([&](const Result<Done>& result) { ready.set_value(result.ok()); });
    });
    EXPECT_TRUE(ready.get_future().get());
  }
  ~RunningShard() {
    stop();
    close(listener_);
  }
  void stop() {
    if (!thread_.joinable()) return;
    shard_->stop();
    thread_.join();
  }
  void drain() { shard_->drain(); }
  void join() { thread_.join(); }
  const sockaddr_in& address() const { return address_; }

  observe::ShardCounters counters;
  ScriptedSink::Shared sink;

 private:
  smtp::SessionSettings settings_;
  std::shared_ptr<smtp::SessionConfig> session_;
  std::unique_ptr<policy::RecipientDirectory> directory_;
  policy::ClientRules clients_;
  std::unique_ptr<policy::ConnectionCounts> counts_;
  std::unique_ptr<observe::EventLog> log_;
  int listener_ = -1;
  sockaddr_in address_{};
  std::unique_ptr<Shard> shard_;
  std::thread thread_;
};

class Client {
 public:
  explicit Client(const RunningShard& shard, int receive_buffer = 0) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0)
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    timeval patience{30, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(
        0, connect(fd_, reinterpret_cast<const sockaddr*>(&shard.address()), sizeof(sockaddr_in)));
  }
  ~Client() {
    if (fd_ >= 0) ::close(fd_);
  }
  void say(std::string_view octets) {
    while (!octets.empty()) {
      ssize_t sent = send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
      ASSERT_GT(sent, 0);
      octets.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // The code of the next reply; 0 at the end of the connection.
  int code() {
    for (;;) {
      std::size_t end = text_.find("\r\n");
      if (end == std::string::npos) {
        char octets[4096];
        ssize_t size = recv(fd_, octets, sizeof octets, 0);
        // The kernel may interrupt a wait to tidy up a ring that this thread had (the probe's).
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return 0;
        text_.append(octets, static_cast<std::size_t>(size));
        continue;
      }
      std::string line = text_.substr(0, end);
      text_.erase(0, end + 2);
      if (line.size() > 3 && line[3] == '-') continue;
      return std::stoi(line.substr(0, 3));
    }
  }
  void greet() {
    ASSERT_EQ(220, code());
    say("EHLO client.test\r\n");
    ASSERT_EQ(250, code());
  }
  void until_data() {
    greet();
    say("MAIL FROM:<a@b.test>\r\nRCPT TO:<u@example.test>\r\nDATA\r\n");
    ASSERT_EQ(250, code());
    ASSERT_EQ(250, code());
    ASSERT_EQ(354, code());
  }
  void finish_sending() { shutdown(fd_, SHUT_WR); }
  void reset() {
    linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    ::close(fd_);
    fd_ = -1;
  }
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
  std::string text_;
};

// Waits for what another thread is about to bring about.
bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 6000; ++i) {
    if (holds()) return true;
    usleep(5000);
  }
  return false;
}

class ShardFlow : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    auto features = ring::Ring::probe().value();
    if (GetParam().mode == ring::BufferMode::bundle && !features.recv_bundle) GTEST_SKIP();
    if (GetParam().mode == ring::BufferMode::incremental && !features.incremental_buffers)
      GTEST_SKIP();
    if (GetParam().direct && !features.socket_commands) GTEST_SKIP();
  }
  static Options options() {
    Options options;
    options.connections_max = 128;
    options.buffer_count = 64;
    options.buffer_size = 4096;
    options.buffer_mode = GetParam().mode;
    options.direct_descriptors = GetParam().direct;
    return options;
  }
};

TEST_P(ShardFlow, PIPE_10_pipelined_transactions_are_answered_in_order) {
  RunningShard shard(options());
  Client client(shard);
  client.until_data();
  client.say(
      "Subject: 1\r\n\r\n..one\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<u@example.test>\r\n"
      "BDAT 5 LAST\r\nhello");
  EXPECT_EQ(250, client.code());
  EXPECT_EQ(250, client.code());
  EXPECT_EQ(250, client.code());
  EXPECT_EQ(250, client.code());
  client.say("QUIT\r\n");
  EXPECT_EQ(221, client.code());
  EXPECT_EQ(0, client.code());
  EXPECT_EQ(2, shard.sink.committed);
  std::lock_guard lock(shard.sink.mutex);
  EXPECT_EQ("hello", shard.sink.last_content);
}

TEST_P(ShardFlow, a_failing_sink_is_451_and_the_session_goes_on) {
  RunningShard shard(options());
  shard.sink.answer = Answer::fail;
  Client client(shard);
  client.until_data();
  client.say("x\r\n.\r\n");
  EXPECT_EQ(451, client.code());
  client.say("NOOP\r\n");
  EXPECT_EQ(250, client.code());
}

TEST_P(ShardFlow, R5321_4_5_3_2_6_01_a_sink_without_answer_is_451_and_its_message_aborted) {
  Options short_commit = options();
  short_commit.commit_timeout_ms = 200;
  RunningShard shard(short_commit);
  shard.sink.answer = Answer::never;
  Client client(shard);
  client.until_data();
  client.say("x\r\n.\r\nNOOP\r\n");
  EXPECT_EQ(451, client.code());
  EXPECT_EQ(250, client.code());
  EXPECT_EQ(1, shard.sink.aborted);
  EXPECT_EQ(0, shard.sink.open);
}

TEST_P(ShardFlow, R5321_4_1_1_5_05_a_peer_that_leaves_while_its_message_is_committed_ends_cleanly) {
  RunningShard shard(options());
  shard.sink.answer = Answer::never;
  {
    Client client(shard);
    client.until_data();
    client.say("x\r\n.\r\n");
    ASSERT_TRUE(eventually([&] { return shard.sink.committed == 1; }));
    client.reset();
  }
  Client other(shard);
  other.greet();
  ASSERT_TRUE(eventually([&] { return shard.sink.open == 0; }));
}

TEST_P(ShardFlow, a_paused_sink_stops_its_own_connection_and_no_other) {
  RunningShard shard(options());
  shard.sink.pause = true;
  Client stalled(shard);
  stalled.until_data();
  // Far more than all buffers of the shard, in the background: it must come to a halt.
  std::thread sender([&] {
    std::string line(998, 'x');
    line += "\r\n";
    for (int i = 0; i < 4000; ++i) stalled.say(line);
    stalled.say(".\r\n");
  });
  ASSERT_TRUE(eventually([&] { return shard.counters.sink_stalls.value() > 0; }));
  for (int i = 0; i < 20; ++i) {
    Client other(shard);
    other.greet();
    other.say("QUIT\r\n");
    EXPECT_EQ(221, other.code());
  }
  shard.sink.pause = false;
  eventfd_write(shard.sink.event_fd, 1);
  EXPECT_EQ(250, stalled.code());
  sender.join();
  std::lock_guard lock(shard.sink.mutex);
  EXPECT_EQ(4000u * 999u, shard.sink.last_content.size());
}

TEST_P(ShardFlow, a_sink_that_stays_paused_ends_the_session_after_the_time_of_a_commit) {
  Options short_commit = options();
  short_commit.commit_timeout_ms = 200;
  RunningShard shard(short_commit);
  shard.sink.pause = true;
  Client client(shard);
  client.until_data();
  client.say("Subject: x\r\n\r\nx\r\n");
  EXPECT_EQ(421, client.code());
  EXPECT_EQ(1u,
            shard.counters.timeouts[static_cast<std::size_t>(observe::Timeout::commit)].value());
  EXPECT_TRUE(eventually([&] { return shard.sink.aborted == 1 && shard.sink.open == 0; }));
}

TEST_P(ShardFlow, more_senders_than_buffers_are_all_served) {
  Options tiny = options();
  tiny.buffer_count = 8;
  RunningShard shard(tiny);
  std::vector<std::thread> senders;
  std::atomic<int> accepted{0};
  for (int i = 0; i < 24; ++i)
    senders.emplace_back([&] {
      Client client(shard);
      client.until_data();
      std::string line(100, 'y');
      line += "\r\n";
      for (int n = 0; n < 2000; ++n) client.say(line);
      client.say(".\r\n");
      if (client.code() == 250) ++accepted;
    });
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(24, accepted);
  shard.stop();
  EXPECT_EQ(0u, shard.counters.connections_open.value());
  EXPECT_EQ(0, shard.sink.open);
}

TEST_P(ShardFlow, PIPE_15_a_peer_that_never_reads_holds_up_nobody) {
  RunningShard shard(options());
  Client deaf(shard);
  int small = 4096;
  setsockopt(deaf.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  deaf.greet();
  std::string flood;
  for (int i = 0; i < 4000; ++i) flood += "MAIL FROM:<a@b.test>\r\nRSET x\r\n";
  // Until the kernel takes no more of it: the shard has stopped reading.
  std::size_t total = 0;
  while (send(deaf.fd(), flood.data(), flood.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0 &&
         total < (256u << 20))
    total += flood.size();
  Client other(shard);
  other.greet();
  other.say("NOOP\r\n");
  EXPECT_EQ(250, other.code());
}

TEST_P(ShardFlow, PIPE_17_what_came_whole_before_a_half_close_is_answered) {
  RunningShard shard(options());
  Client client(shard);
  client.greet();
  client.say("RSET\r\nMAIL FROM:<a@b.test>\r\nRSET\r\nNOO");
  client.finish_sending();
  EXPECT_EQ(250, client.code());
  EXPECT_EQ(250, client.code());
  EXPECT_EQ(250, client.code());
  EXPECT_EQ(0, client.code());
}

TEST_P(ShardFlow, R5321_4_5_3_2_7_01_silence_is_421_and_not_before_its_time) {
  Options impatient = options();
  impatient.timeout_ms = 500;
  RunningShard shard(impatient);
  Client client(shard);
  client.greet();
  MonotonicNs begun = SystemClock::monotonic_ns();
  EXPECT_EQ(421, client.code());
  EXPECT_GE((SystemClock::monotonic_ns() - begun) / ns_per_ms, 490u);
  EXPECT_EQ(0, client.code());
}

TEST_P(ShardFlow, R5321_3_8_02_a_drain_tells_the_idle_and_waits_for_the_busy) {
  RunningShard shard(options());
  Client idle(shard);
  idle.greet();
  Client busy(shard);
  busy.until_data();
  shard.drain();
  EXPECT_EQ(421, idle.code());
  EXPECT_EQ(0, idle.code());
  busy.say("x\r\n.\r\n");
  EXPECT_EQ(250, busy.code());
  EXPECT_EQ(421, busy.code());
  EXPECT_EQ(0, busy.code());
  shard.join();
  EXPECT_EQ(1, shard.sink.committed);
  EXPECT_EQ(0u, shard.counters.connections_open.value());
}

TEST_P(ShardFlow, over_the_limit_is_421_and_slots_come_back) {
  Options few = options();
  few.connections_max = 4;
  RunningShard shard(few, {.limits = {.connections = 4, .per_client = 0}});
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(std::make_unique<Client>(shard));
      clients.back()->greet();
    }
    {
      Client extra(shard);
      EXPECT_EQ(421, extra.code());
    }
    for (auto& client : clients) {
      client->say("QUIT\r\n");
      EXPECT_EQ(221, client->code());
    }
    clients.clear();
    ASSERT_TRUE(eventually([&] { return shard.counters.connections_open.value() == 0; }));
  }
}

TEST_P(ShardFlow, who_is_refused_does_not_count_and_as_many_as_may_are_served_of_a_burst) {
  Options few = options();
  few.connections_max = 2;
  RunningShard shard(few, {.limits = {.connections = 2, .per_client = 0}});
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Client>> burst;
    for (int i = 0; i < 10; ++i) burst.push_back(std::make_unique<Client>(shard));
    std::vector<Client*> served;
    for (auto& client : burst) {
      const int code = client->code();
      EXPECT_TRUE(code == 220 || code == 421) << code;
      if (code == 220) served.push_back(client.get());
    }
    EXPECT_EQ(2u, served.size());
    for (Client* client : served) {
      client->say("QUIT\r\n");
      EXPECT_EQ(221, client->code());
      EXPECT_EQ(0, client->code());
    }
    // The refused ones are still there, and are nobody's limit.
    Client next(shard);
    EXPECT_EQ(220, next.code());
    next.say("QUIT\r\n");
    EXPECT_EQ(221, next.code());
    EXPECT_EQ(0, next.code());
  }
}

// The last send of a session may find the socket full; what did not fit was lost with the close.
TEST_P(ShardFlow, R5321_4_2_01_every_reply_arrives_before_the_end_however_late_it_is_read) {
  // The kernel doubles it: what sockets have by default, and no more.
  RunningShard shard(options(), {.send_buffer = 8192});
  for (int count : {20, 80, 120, 200, 250, 300, 400, 800}) {
    Client client(shard, 2048);
    client.greet();
    std::string commands;
    for (int i = 0; i < count; ++i) commands += "HELP\r\n";
    client.say(commands + "QUIT\r\n");
    usleep(50'000);
    for (int i = 0; i < count; ++i) ASSERT_EQ(214, client.code()) << i << " of " << count;
    EXPECT_EQ(221, client.code()) << count;
    EXPECT_EQ(0, client.code());
  }
}

TEST_P(ShardFlow, SMG_13_a_delay_holds_back_one_error_and_not_all_that_follow) {
  RunningShard shard(options(), {.error_sleep_ms = 500, .soft_error_limit = 1});
  Client client(shard);
  client.greet();
  client.say("FOO\r\nFOO\r\nFOO\r\nFOO\r\n");
  EXPECT_EQ(500, client.code());
  const auto first = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(500, client.code());
  const auto all = std::chrono::steady_clock::now();
  EXPECT_GT(std::chrono::duration_cast<std::chrono::milliseconds>(all - first).count(), 300);
}

TEST_P(ShardFlow, E10_peers_that_do_not_read_give_up_their_buffers_when_others_need_them) {
  Options scarce = options();
  scarce.buffer_count = 16;
  scarce.unread_replies_borne_ms = 300;
  RunningShard shard(scarce, {.send_buffer = 4096});
  std::string commands;
  while (commands.size() < 16 * 1024) commands += "HELP\r\n";
  std::vector<std::unique_ptr<Client>> greedy;
  for (int i = 0; i < 40; ++i) {
    greedy.push_back(std::make_unique<Client>(shard, 2048));
    greedy.back()->greet();
    greedy.back()->say(commands);
  }
  Client other(shard);
  other.greet();
  other.say("NOOP\r\n");
  EXPECT_EQ(250, other.code());
}

TEST_P(ShardFlow, SMG_13_peers_with_many_errors_give_up_their_buffers_when_others_need_them) {
  Options scarce = options();
  scarce.buffer_count = 16;
  RunningShard shard(scarce, {.error_sleep_ms = 60'000, .soft_error_limit = 1});
  std::vector<std::unique_ptr<Client>> bad;
  for (int i = 0; i < 40; ++i) {
    bad.push_back(std::make_unique<Client>(shard));
    bad.back()->greet();
    bad.back()->say("FOO\r\nFOO\r\nFOO\r\nFOO\r\n");
  }
  Client other(shard);
  other.greet();
  other.say("NOOP\r\n");
  EXPECT_EQ(250, other.code());
}

TEST_P(ShardFlow, SMG_11_octets_behind_DATA_are_seen_when_its_buffer_is_full_to_the_last_octet) {
  RunningShard shard(options());
  Client client(shard);
  client.greet();
  client.say("MAIL FROM:<a@b.test>\r\nRCPT TO:<u@example.test>\r\n");
  EXPECT_EQ(250, client.code());
  EXPECT_EQ(250, client.code());
  const std::string data = "DATA\r\n";
  const std::size_t padding = options().buffer_size - data.size();
  client.say("NOOP " + std::string(padding - 7, 'x') + "\r\n" + data + "x\r\n.\r\n");
  EXPECT_EQ(250, client.code());
  EXPECT_EQ(554, client.code());
  EXPECT_EQ(0, client.code());
}

INSTANTIATE_TEST_SUITE_P(Variants, ShardFlow,
                         testing::Values(Variant{ring::BufferMode::single, true},
                                         Variant{ring::BufferMode::single, false},
                                         Variant{ring::BufferMode::bundle, true},
                                         Variant{ring::BufferMode::incremental, true}),
                         [](const auto& variant) {
                           std::string name =
                               variant.param.mode == ring::BufferMode::single   ? "single"
                               : variant.param.mode == ring::BufferMode::bundle ? "bundle"
                                                                                : "incremental";
                           return name + (variant.param.direct ? "_direct" : "_plain");
                         });

}  // namespace
}  // namespace gatepost::shard
