#include "simulation/gateway.hpp"

#include <sys/socket.h>

#include "base/worker_thread.hpp"
#include "fmt/format.h"
#include "observe/event_record.hpp"
#include "sink/maildir_template.hpp"

namespace gatepost::simulation {
namespace {

constexpr std::size_t log_ring_bytes = 512 * 1024;

}  // namespace

Gateway::Gateway(const GatewayOptions& options, const policy::RecipientDirectory& directory,
                 ModelledStore& store)
    : options_(options),
      directory_(directory),
      store_(store),
      session_(std::make_shared<smtp::SessionConfig>(options.session)),
      counts_(options.limits) {}

Gateway::~Gateway() {
  for (Part& part : parts_)
    for (const int fd : part.listeners) kernel().close(fd);
}

Result<Done> Gateway::prepare() {
  parts_.resize(options_.shards);
  for (unsigned number = 0; number < options_.shards; ++number) {
    Part& part = parts_[number];
    part.counters = std::make_unique<observe::ShardCounters>();
    part.log = std::make_unique<observe::EventWriter>(static_cast<int>(number),
                                                      observe::LogLevel::info, log_ring_bytes, -1);
    std::vector<shard::Listener> listeners;
    for (const int family : {AF_INET, AF_INET6}) {
      const HeapScope scope(nullptr);
      auto listener = std::make_shared<Listener>();
      listener->family = family;
      const int fd = kernel().open_listener(std::move(listener));
      const HeapScope own(&kernel().heap());
      part.listeners.push_back(fd);
      listeners.push_back({fd, family});
    }
    shard::Options shard_options = options_.shard;
    shard_options.number = number;
    shard::Surroundings with;
    with.session = session_;
    with.recipients = &directory_;
    with.clients = &clients_;
    with.counts = &counts_;
    with.log = part.log.get();
    with.counters = part.counters.get();
    part.shard = std::make_unique<shard::Shard>(shard_options, with, std::move(listeners));
    if (options_.modelled_sink) {
      part.shard->attach_sink(
          std::make_unique<ModelledSink>(options_.modelled, store_, *part.shard));
      continue;
    }
    const auto where =
        MaildirTemplate::parse(fmt::format("{}/{{domain}}/{{local-part}}", mail_root));
    auto sink = MaildirSink::create(where.value(), options_.maildir, options_.session.hostname,
                                    number, *part.shard);
    if (!sink) return Error{sink.error()};
    part.shard->attach_sink(std::move(sink.value()));
  }
  return Done{};
}

void Gateway::serve(Part& part) {
  const Result<Done> served = part.shard->run([](const Result<Done>& ready) {
    const HeapScope scope(nullptr);
    if (ready.ok()) kernel().forbid_blocking();
  });
  if (!served) kernel().record().violation(checks::invariant, "a shard ended: " + served.error());
}

void Gateway::run() {
  const Result<Done> prepared = prepare();
  if (!prepared) {
    kernel().record().trace("cannot start", 0, 0, prepared.error());
    return;
  }
  serving_ = true;
  std::vector<WorkerThread> threads;
  for (Part& part : parts_) threads.emplace_back("shard", [this, &part] { serve(part); });
  for (WorkerThread& thread : threads) thread.join();
  serving_ = false;
}

void Gateway::drain() {
  for (Part& part : parts_) part.shard->drain();
}

void Gateway::count_replies(const std::function<void(std::uint16_t, std::uint64_t)>& count) const {
  for (const Part& part : parts_) {
    if (part.counters == nullptr) continue;
    for (std::size_t row = 0; row < part.counters->replies.size(); ++row) {
      std::uint64_t said = 0;
      for (const observe::Counter& of_verb : part.counters->replies[row]) said += of_verb.value();
      if (said > 0) count(static_cast<std::uint16_t>(row + observe::reply_code_min), said);
    }
  }
}

void Gateway::read_log(LogFacts& facts) {
  for (Part& part : parts_) {
    if (part.log == nullptr) continue;
    observe::EventCursor cursor(*part.log);
    while (cursor.next()) {
      observe::RecordReader reader(cursor.record());
      ++facts.lines;
      if (reader.header().kind == observe::EventKind::note) {
        facts.notes.emplace_back(reader.string().text);
      } else if (reader.header().kind == observe::EventKind::message) {
        const auto code = static_cast<std::uint16_t>(reader.number());
        for (int skipped = 0; skipped < 3; ++skipped) reader.string();  // client, protocol, name
        const std::string_view id = reader.string().text;
        if (code == 250) facts.accepted.emplace(id);
        for (int skipped = 0; skipped < 3; ++skipped) reader.string();  // sender, status, text
        if (reader.string().text.find("--commit-timeout") != std::string_view::npos)
          facts.given_up.emplace(id, kernel().process_number());
      }
    }
    if (part.log->dropped() > 0)
      kernel().record().violation(checks::resources, "the log's ring was too small for the run");
  }
}

}  // namespace gatepost::simulation
