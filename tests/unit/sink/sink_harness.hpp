// What the sink tests share: a directory that goes away, a host that writes down what it is told, a
// pool that slices come from, and a shard's loop reduced to poll().
#pragma once

#include <dirent.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gatepost/sink.hpp"
#include "sink/sink_uri.hpp"

namespace gatepost::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* const parent = std::getenv("TMPDIR");
    path_ = std::string(parent != nullptr ? parent : "/tmp") + "/gatepost-sink-XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Remembers what the sink reported.
class RecordingHost : public SinkHost {
 public:
  struct Outcome {
    Disposition disposition;
    std::string cause;
  };
  std::map<SinkToken, std::vector<Outcome>> receipts;
  std::map<SinkToken, int> drained_count;
  std::vector<std::string> notes;
  std::function<void(SinkToken)> on_drained;

  void receipt(SinkToken token, std::span<const Receipt> given) override {
    EXPECT_FALSE(receipts.contains(token)) << "two receipts for message " << token;
    std::vector<Outcome>& outcomes = receipts[token];
    for (const Receipt& each : given) {
      outcomes.push_back({each.disposition, std::string(each.cause)});
    }
  }
  void drained(SinkToken token) override {
    ++drained_count[token];
    if (on_drained) on_drained(token);
  }
  void note(std::string_view text) override { notes.emplace_back(text); }

  bool taken_over(SinkToken token) const {
    const auto found = receipts.find(token);
    if (found == receipts.end() || found->second.empty()) return false;
    for (const Outcome& each : found->second) {
      if (each.disposition != Disposition::taken_over) return false;
    }
    return true;
  }
};

// Slices over pooled buffers, as reception makes them.
class SliceSource {
 public:
  SliceSource(std::uint32_t count, std::uint32_t size) : pool_(count, size, false) {}
  bool available() const { return pool_.free_count() > 0; }
  // The content must fit one buffer, and one must be unused.
  Slice slice(std::string_view content) {
    EXPECT_LE(content.size(), pool_.buffer_size());
    const BufferPool::Id id = pool_.take();
    std::memcpy(pool_.data(id), content.data(), content.size());
    return Slice(pool_, id, pool_.data(id), static_cast<std::uint32_t>(content.size()));
  }
  std::size_t unused() const { return pool_.free_count(); }
  std::uint32_t count() const { return pool_.count(); }

 private:
  BufferPool pool_;
};

// One loop of a shard: waits for the sink's descriptor a short while, then polls as the contract
// says.
inline void loop_once(Sink& sink) {
  if (sink.has_ready()) sink.poll();
  if (sink.event_fd() < 0) return;
  pollfd wanted{sink.event_fd(), POLLIN, 0};
  if (::poll(&wanted, 1, 10) == 1) sink.poll();
}

// Loops until `done` says so. False after a minute, which is far beyond what any machine needs.
inline bool loop_until(Sink& sink, const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    loop_once(sink);
  }
  return true;
}

struct TestRecipient {
  std::string local_part;
  std::string domain;
};

// An envelope with its strings.
class TestEnvelope {
 public:
  explicit TestEnvelope(std::initializer_list<TestRecipient> recipients,
                        WallUs received_at = 1'700'000'000'123'456)
      : recipients_(recipients), received_at_(received_at) {
    for (const TestRecipient& each : recipients_) {
      spans_.push_back({each.local_part, each.local_part, each.local_part, each.domain});
    }
  }
  TestEnvelope(const TestEnvelope& other) = delete;
  Envelope get() const {
    static MessageIdGenerator ids(7);
    Envelope envelope;
    envelope.id = ids.next(received_at_);
    envelope.reverse_path = "sender@example.net";
    envelope.recipients = spans_;
    envelope.client_address = "192.0.2.1";
    envelope.helo = "client.example.net";
    envelope.protocol = "ESMTP";
    envelope.received_at = received_at_;
    envelope.received_field = "Received: from client.example.net\r\n\tby gatepost\r\n";
    envelope.return_path_field = "Return-Path: <sender@example.net>\r\n";
    return envelope;
  }

 private:
  std::vector<TestRecipient> recipients_;
  WallUs received_at_;
  std::vector<Recipient> spans_;
};

// What stands on top of every file written for a TestEnvelope.
inline const std::string trace_lf =
    "Return-Path: <sender@example.net>\nReceived: from client.example.net\n\tby gatepost\n";

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The names in a directory, sorted; none when there is no such directory.
inline std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// All regular files below a directory.
inline std::vector<std::string> files_below(const std::string& path) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path, error)) {
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// The only message in a maildir's new/; empty, with a failure, where there is not exactly one.
inline std::string only_message(const std::string& mailbox) {
  const std::vector<std::string> names = names_in(mailbox + "/new");
  EXPECT_EQ(names.size(), 1u) << "in " << mailbox;
  return names.size() == 1 ? read_file(mailbox + "/new/" + names[0]) : std::string();
}

inline std::unique_ptr<Sink> make_maildir(const std::string& path, SinkHost& host,
                                          const MaildirOptions& options, unsigned shard = 1) {
  Result<SinkSpec> spec = parse_sink_uri("maildir:" + path);
  EXPECT_TRUE(spec.ok()) << (spec.ok() ? "" : spec.error());
  if (!spec.ok()) return nullptr;
  Result<std::unique_ptr<Sink>> sink =
      create_sink(spec.value(), {options, "mx.example.org"}, shard, host);
  EXPECT_TRUE(sink.ok()) << (sink.ok() ? "" : sink.error());
  return sink.ok() ? std::move(sink.value()) : nullptr;
}

// Opens, appends in one piece and commits.
inline SinkMessage* send(Sink& sink, const TestEnvelope& envelope, SinkToken token,
                         std::string_view content) {
  Receipt refusal;
  SinkMessage* const message = sink.open(envelope.get(), token, refusal);
  EXPECT_NE(message, nullptr);
  sink.append(message, Slice::unowned(content.data(), content.size()));
  sink.commit(message);
  return message;
}

}  // namespace gatepost::test
