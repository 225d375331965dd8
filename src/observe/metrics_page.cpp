#include "observe/metrics_page.hpp"

#include <fmt/format.h>
#include <httplib.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "base/worker_thread.hpp"

namespace gatepost::observe {

namespace {

constexpr std::size_t worker_count = 2;
constexpr std::size_t waiting_max = 16;
constexpr std::chrono::milliseconds stop_time_max{800};

// A few threads and a short queue. When the queue is full the accepting thread waits, and further
// clients wait in the kernel's backlog, so that a flood of scrapes costs a bounded number of
// threads and descriptors.
class BoundedQueue : public httplib::TaskQueue {
 public:
  // `self` points here until the queue is destroyed; `self_mutex` guards it and is held now.
  BoundedQueue(std::mutex& self_mutex, BoundedQueue*& self) : self_mutex_(self_mutex), self_(self) {
    try {
      for (auto& worker : workers_) worker = std::thread([this] { work(); });
    } catch (const std::system_error&) {
      // A thread that is not joined would end the process.
      release();
      for (auto& worker : workers_)
        if (worker.joinable()) worker.join();
      throw;
    }
    self_ = this;
  }

  ~BoundedQueue() override {
    std::lock_guard lock(self_mutex_);
    self_ = nullptr;
  }

  void enqueue(std::function<void()> task) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || waiting_.size() < waiting_max; });
    waiting_.push_back(std::move(task));
    changed_.notify_all();
  }
  void shutdown() override {
    release();
    for (auto& worker : workers_) worker.join();
    for (auto& task : waiting_) task();  // came when the workers had gone
    waiting_.clear();
  }
  // Lets an enqueue() that waits go on. What still waits is run: the server's socket is closed by
  // then, which makes each task close its connection and return.
  void release() {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      auto task = std::move(waiting_.front());
      waiting_.pop_front();
      changed_.notify_all();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::mutex& self_mutex_;
  BoundedQueue*& self_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::array<std::thread, worker_count> workers_;
};

std::string_view readiness_word(Readiness readiness) {
  switch (readiness) {
    case Readiness::starting:
      return "starting";
    case Readiness::ready:
      return "ready";
    case Readiness::draining:
      return "draining";
  }
  return "starting";
}

}  // namespace

struct MetricsPage::State {
  explicit State(MetricsSource given) : source(std::move(given)) {}

  void add_handlers();
  bool has_workers() {
    std::lock_guard lock(queue_mutex);
    return queue != nullptr;
  }
  void stop_accepting() {
    std::lock_guard lock(queue_mutex);
    if (queue != nullptr) queue->release();
  }

  // Closed when the page is destroyed: the counters may be gone from then on.
  std::mutex source_mutex;
  bool source_open = true;
  const MetricsSource source;

  std::atomic<Readiness> readiness{Readiness::starting};
  std::uint16_t port = 0;
  std::mutex queue_mutex;
  BoundedQueue* queue = nullptr;  // the server's, while it listens
  httplib::Server server;         // its constructor ignores SIGPIPE for the process, as main does
  std::thread thread;
  std::promise<void> ended;
};

void MetricsPage::State::add_handlers() {
  server.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
    std::lock_guard lock(source_mutex);
    if (!source_open) {
      response.status = 503;
      return;
    }
    response.set_content(render_metrics(source, readiness.load(std::memory_order_relaxed)),
                         "text/plain; version=0.0.4; charset=utf-8");
  });
  server.Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("ok\n", "text/plain");
  });
  server.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
    Readiness now = readiness.load(std::memory_order_relaxed);
    response.status = now == Readiness::ready ? 200 : 503;
    response.set_content(std::string(readiness_word(now)) + "\n", "text/plain");
  });
}

MetricsPage::MetricsPage(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<MetricsPage>> MetricsPage::start(Options options) {
  auto state = std::make_shared<State>(std::move(options.source));
  httplib::Server& server = state->server;
  state->add_handlers();
  server.new_task_queue = [raw = state.get()] {
    std::lock_guard lock(raw->queue_mutex);
    return new BoundedQueue(raw->queue_mutex, raw->queue);  // the server deletes it
  };
  // The library's own choice is SO_REUSEPORT, with which a second process would bind the same port
  // and take half of the scrapes instead of failing.
  server.set_socket_options([](int socket) {
    int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server.set_keep_alive_max_count(1);  // a scraper's idle connection would hold a worker
  server.set_read_timeout(1);
  server.set_write_timeout(1);
  server.set_payload_max_length(4096);

  const bool six = options.address.find(':') != std::string::npos;
  const std::string shown =
      fmt::format("{}{}{}:{}", six ? "[" : "", options.address, six ? "]" : "", options.port);
  errno = 0;
  int port = options.port;
  if (port == 0) {
    port = server.bind_to_any_port(options.address);
  } else if (!server.bind_to_port(options.address, port)) {
    port = -1;
  }
  if (port <= 0) {
    return Error{fmt::format("--metrics-listen {}: cannot listen there: {}", shown,
                             errno != 0 ? std::strerror(errno) : "no such address")};
  }
  state->port = static_cast<std::uint16_t>(port);

  try {
    state->thread = start_thread("gatepost-page", [state] {
      try {
        state->server.listen_after_bind();
      } catch (const std::system_error&) {
        // Its workers could not be started.
      }
      state->ended.set_value();
    });
  } catch (const std::system_error& error) {
    return Error{
        fmt::format("--metrics-listen {}: cannot start a thread: {}", shown, error.what())};
  }

  // A server that is told to stop before it runs would not notice. That it says it runs is not
  // enough: it says so before it starts its workers.
  auto ended = state->ended.get_future();
  while (!state->has_workers()) {
    if (ended.wait_for(std::chrono::milliseconds(1)) == std::future_status::ready) {
      state->thread.join();
      return Error{fmt::format("--metrics-listen {}: cannot start its threads", shown)};
    }
  }
  std::unique_ptr<MetricsPage> page(new MetricsPage(std::move(state)));
  page->ended_ = std::move(ended);
  return page;
}

MetricsPage::~MetricsPage() {
  {
    std::lock_guard lock(state_->source_mutex);
    state_->source_open = false;
  }
  state_->server.stop();
  state_->stop_accepting();
  // A client that sends its request octet by octet can hold a worker for long. Then the thread is
  // left behind with the state that it shares; the process is about to end.
  if (ended_.wait_for(stop_time_max) == std::future_status::ready) {
    state_->thread.join();
  } else {
    state_->thread.detach();
  }
}

void MetricsPage::set_readiness(Readiness readiness) {
  state_->readiness.store(readiness, std::memory_order_relaxed);
}

std::uint16_t MetricsPage::port() const {
  return state_->port;
}

}  // namespace gatepost::observe
