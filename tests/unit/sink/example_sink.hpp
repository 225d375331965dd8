// A whole sink, as small as one that does slow work can be: the example of "How to write a sink" in
// ARCHITECTURE.md. It writes each message to a file of its own, on a thread of its own.
//
// It is an example of the contract, not of durability: it does not sync.
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "gatepost/sink.hpp"

namespace gatepost::test {

class ExampleSink final : public Sink {
 public:
  // directory: exists. Files are named after the message ids.
  ExampleSink(std::string directory, SinkHost& host)
      : host_(host),
        directory_(std::move(directory)),
        event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        writer_([this] { write_messages(); }) {
    GP_CHECK(event_ >= 0);
  }

  ~ExampleSink() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_.notify_one();
    writer_.join();
    close(event_);
  }

  std::string_view description() const override { return "example"; }
  ContentForm content_form() const override { return ContentForm::crlf; }
  bool final_delivery() const override { return false; }

  int event_fd() const override { return event_; }

  // On the shard's thread: the only place that lets go of slices and talks to the host.
  void poll() override {
    std::uint64_t count = 0;
    if (read(event_, &count, sizeof count) < 0) return;
    std::vector<Message*> done;
    {
      const std::lock_guard lock(mutex_);
      done.swap(done_);
    }
    for (Message* message : done) finish(*message);
  }

  Receipt available(std::uint64_t) override { return {Disposition::taken_over, {}}; }

  SinkMessage* open(const Envelope& envelope, SinkToken token, Receipt&) override {
    messages_.push_back(std::make_unique<Message>());
    Message& message = *messages_.back();
    message.token = token;
    // What the envelope points to is gone after this call.
    message.path = directory_ + "/" + std::string(envelope.id.view());
    message.top = envelope.received_field;
    return &message;
  }

  Flow append(SinkMessage* handle, Slice content) override {
    auto& message = *static_cast<Message*>(handle);
    bytes_held_ += content.size();
    message.bytes += content.size();
    if (!content.pooled()) {
      // It need not outlive an abort, and the thread may be reading just then.
      message.copies.push_back(std::make_unique<std::string>(
          reinterpret_cast<const char*>(content.data()), content.size()));
      content = Slice::unowned(message.copies.back()->data(), message.copies.back()->size());
    }
    message.content.push_back(std::move(content));
    return Flow::go_on;  // A sink for production pauses at a bound, and calls drained() later.
  }

  void commit(SinkMessage* handle) override {
    auto& message = *static_cast<Message*>(handle);
    message.committed = true;
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(&message);
    }
    work_.notify_one();
  }

  void abort(SinkMessage* handle) override {
    auto& message = *static_cast<Message*>(handle);
    message.aborted = true;
    if (!message.committed) forget(message);  // else the thread has it, and poll() gets it back
  }

  std::uint64_t messages_open() const override { return messages_.size(); }
  std::uint64_t bytes_held() const override { return bytes_held_; }

 private:
  struct Message final : SinkMessage {
    SinkToken token = 0;
    std::string path;
    std::string top;
    std::vector<Slice> content;
    std::vector<std::unique_ptr<std::string>> copies;
    std::uint64_t bytes = 0;
    bool committed = false;
    std::atomic<bool> aborted{false};  // the one member that both threads look at
    std::string failure;               // the thread's until the message is in done_
  };

  // The thread's life.
  void write_messages() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      std::vector<Message*> batch;
      batch.swap(waiting_);
      lock.unlock();
      for (Message* message : batch) write(*message);
      lock.lock();
      done_.insert(done_.end(), batch.begin(), batch.end());
      const std::uint64_t one = 1;
      GP_CHECK(::write(event_, &one, sizeof one) == sizeof one);
    }
  }

  static void write(Message& message) {
    if (message.aborted) return;
    std::FILE* const file = std::fopen(message.path.c_str(), "wxb");
    bool good = file != nullptr;
    good =
        good && std::fwrite(message.top.data(), 1, message.top.size(), file) == message.top.size();
    for (const Slice& slice : message.content) {
      good = good && std::fwrite(slice.data(), 1, slice.size(), file) == slice.size();
    }
    good = (file == nullptr || std::fclose(file) == 0) && good;
    if (!good) message.failure = "write " + message.path + ": failed";
    if (file != nullptr && (!good || message.aborted)) std::remove(message.path.c_str());
  }

  void finish(Message& message) {
    if (!message.aborted) {
      const Receipt receipt = message.failure.empty()
                                  ? Receipt{Disposition::taken_over, {}}
                                  : Receipt{Disposition::local_error, message.failure};
      host_.receipt(message.token, {&receipt, 1});
    } else if (access(message.path.c_str(), F_OK) == 0) {
      host_.note("aborted too late, and written: " + message.path);
    }
    forget(message);
  }

  // Lets go of the slices with the message.
  void forget(Message& message) {
    bytes_held_ -= message.bytes;
    std::erase_if(messages_, [&](const auto& each) { return each.get() == &message; });
  }

  SinkHost& host_;
  std::string directory_;
  int event_;
  std::vector<std::unique_ptr<Message>> messages_;
  std::uint64_t bytes_held_ = 0;

  std::mutex mutex_;
  std::condition_variable work_;
  std::vector<Message*> waiting_;  // guarded by mutex_, as the two below
  std::vector<Message*> done_;
  bool stopping_ = false;
  std::thread writer_;  // last: it uses all the others
};

}  // namespace gatepost::test
