// What durable delivery costs: messages of a given size, a number of them outstanding, spread over
// maildirs. The sink is driven as a shard drives it.
//
//   sink_benchmark [--order auto|portable|batched] [--size OCTETS] [--outstanding N] [--mailboxes
//   N]
//                  [--messages N] [--threads N] [--keep 1] [--sink URI] [DIRECTORY]
//
// The files are removed at the end, unless --keep is given: ext4 without a journal makes new files
// slowly for some minutes after many were removed, which spoils what is measured next.
//
// Prints one line: messages per second, and the process's CPU time per message, which includes the
// writers' threads and what the kernel does on their behalf.
#include <poll.h>
#include <sys/resource.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/message_id.hpp"
#include "sink/sink_uri.hpp"

namespace gatepost {
namespace {

struct Settings {
  MaildirSync sync = MaildirSync::automatic;
  std::size_t size = 4096;
  std::size_t outstanding = 64;
  std::size_t mailboxes = 50;
  std::size_t messages = 20'000;
  unsigned threads = 0;
  bool keep = false;
  std::string uri;
};

class Host final : public SinkHost {
 public:
  std::size_t receipts = 0;
  void receipt(SinkToken, std::span<const Receipt> given) override {
    for (const Receipt& each : given) {
      if (each.disposition == Disposition::taken_over) continue;
      std::fprintf(stderr, "%.*s\n", static_cast<int>(each.cause.size()), each.cause.data());
      std::exit(1);
    }
    ++receipts;
  }
  void drained(SinkToken) override {}
  void note(std::string_view) override {}
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Driver {
 public:
  Driver(const Settings& settings, Sink& sink, Host& host)
      : settings_(settings), sink_(sink), host_(host), content_(buffer_size, 'x') {
    for (std::size_t i = 0; i < settings.mailboxes; ++i) {
      local_parts_.push_back("user" + std::to_string(i));
    }
    for (std::size_t i = 63; i < content_.size(); i += 64) content_[i] = '\n';
  }

  void run(std::size_t messages) {
    std::size_t sent = 0;
    const std::size_t before = host_.receipts;
    while (host_.receipts - before < messages) {
      while (sent < messages && sent - (host_.receipts - before) < settings_.outstanding &&
             enough_buffers()) {
        send(sent++);
      }
      if (sink_.has_ready()) sink_.poll();
      if (sink_.event_fd() < 0) continue;
      pollfd wanted{sink_.event_fd(), POLLIN, 0};
      if (::poll(&wanted, 1, 100) == 1) sink_.poll();
    }
  }

 private:
  static constexpr std::uint32_t buffer_size = 16 * 1024;
  static constexpr std::uint32_t buffer_count = 4096;

  bool enough_buffers() const { return pool_.free_count() > settings_.size / buffer_size; }

  void send(std::size_t number) {
    const std::string_view name = local_parts_[number % local_parts_.size()];
    const Recipient recipient{{}, name, name, "example.org"};
    Envelope envelope;
    envelope.received_at = SystemClock::wall_us();
    envelope.id = ids_.next(envelope.received_at);
    envelope.recipients = {&recipient, 1};
    envelope.return_path_field = "Return-Path: <sender@example.net>\r\n";
    envelope.received_field =
        "Received: from client.example.net ([192.0.2.1]) by mx.example.org with ESMTP\r\n"
        "\tid 0123456789ABCDEF; Mon, 1 Jan 2024 00:00:00 +0000\r\n";
    Receipt refusal;
    SinkMessage* const message = sink_.open(envelope, number, refusal);
    for (std::size_t left = settings_.size; left > 0;) {
      const std::size_t size = std::min<std::size_t>(left, buffer_size);
      const BufferPool::Id id = pool_.take();
      std::memcpy(pool_.data(id), content_.data(), size);
      sink_.append(message, Slice(pool_, id, pool_.data(id), static_cast<std::uint32_t>(size)));
      left -= size;
    }
    sink_.commit(message);
  }

  const Settings& settings_;
  Sink& sink_;
  Host& host_;
  std::string content_;
  std::vector<std::string> local_parts_;
  MessageIdGenerator ids_{0};
  BufferPool pool_{buffer_count, buffer_size, false};
};

bool read_number(std::string_view text, std::size_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number > 0;
}

bool read_settings(int argc, char** argv, Settings& settings) {
  std::string directory = "/tmp";
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (!name.starts_with("--")) {
      directory = name;
      continue;
    }
    if (++i == argc) return false;
    const std::string_view value = argv[i];
    std::size_t number = 0;
    if (name == "--order") {
      const std::optional<MaildirSync> sync = parse_maildir_sync(value);
      if (!sync) return false;
      settings.sync = *sync;
    } else if (name == "--sink") {
      settings.uri = value;
    } else if (!read_number(value, number)) {
      return false;
    } else if (name == "--size") {
      settings.size = number;
    } else if (name == "--outstanding") {
      settings.outstanding = number;
    } else if (name == "--mailboxes") {
      settings.mailboxes = number;
    } else if (name == "--messages") {
      settings.messages = number;
    } else if (name == "--keep") {
      settings.keep = true;
    } else if (name == "--threads") {
      settings.threads = static_cast<unsigned>(number);
    } else {
      return false;
    }
  }
  if (settings.uri.empty()) {
    settings.uri = "maildir:" + directory + "/gatepost-sink-benchmark/{domain}/{local-part}";
  }
  return true;
}

int run(int argc, char** argv) {
  Settings settings;
  if (!read_settings(argc, argv, settings)) {
    std::fprintf(stderr, "usage: see the head of bench/sink_benchmark.cpp\n");
    return 2;
  }
  const Result<SinkSpec> spec = parse_sink_uri(settings.uri);
  Host host;
  SinkOptions options;
  options.maildir.sync = settings.sync;
  options.maildir.threads = settings.threads;
  Result<std::unique_ptr<Sink>> sink =
      spec ? create_sink(spec.value(), options, 0, host) : Error{spec.error()};
  if (!sink) {
    std::fprintf(stderr, "%s\n", sink.error().c_str());
    return 2;
  }
  {
    Driver driver(settings, *sink.value(), host);
    driver.run(std::min<std::size_t>(settings.messages, 10 * settings.outstanding));  // warm-up
    const double cpu = cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    driver.run(settings.messages);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    const auto count = static_cast<double>(settings.messages);
    const std::string_view what = sink.value()->description();
    std::printf("%.*s: %zu octets, %zu outstanding: %.0f messages/s, %.1f us CPU each\n",
                static_cast<int>(what.size()), what.data(), settings.size, settings.outstanding,
                count / wall.count(), (cpu_seconds() - cpu) / count * 1e6);
    sink.value().reset();
  }
  if (spec.value().kind == SinkSpec::Kind::maildir && !settings.keep) {
    std::error_code ignored;
    std::filesystem::remove_all(spec.value().maildir->root(), ignored);
  }
  return 0;
}

}  // namespace
}  // namespace gatepost

int main(int argc, char** argv) {
  return gatepost::run(argc, argv);
}
