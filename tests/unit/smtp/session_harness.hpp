// A Session with a host that remembers everything, for tests: octets go in whole or in pieces, and
// what came of them can be compared.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/session.hpp"

namespace gatepost::smtp {

struct SeenMessage {
  std::string reverse_path;
  std::vector<std::string> recipients;
  std::string content;
  enum class Fate : std::uint8_t { open, committed, aborted } fate = Fate::open;
  friend bool operator==(const SeenMessage&, const SeenMessage&) = default;
};

struct Seen {
  std::string replies;
  std::vector<SeenMessage> messages;
  unsigned sleeps = 0;
  bool closed = false;
  friend bool operator==(const Seen&, const Seen&) = default;
};
inline void PrintTo(const Seen& seen, std::ostream* out) {
  *out << "replies " << testing::PrintToString(seen.replies);
  for (const SeenMessage& message : seen.messages)
    *out << "\n  message " << testing::PrintToString(message.content)
         << (message.fate == SeenMessage::Fate::committed ? " committed"
             : message.fate == SeenMessage::Fate::aborted ? " aborted"
                                                          : " open");
  *out << "\n  sleeps " << seen.sleeps << (seen.closed ? ", closed" : ", open");
}

constexpr std::string_view test_id = "0123456789ABCDEF";

class Dialogue final : public SessionHost {
 public:
  struct Setting {
    SessionSettings session;
    ContentStyle style;
    Session::Peer peer;
    bool octets_waiting = false;
    const FixedReply* mail_refusal = nullptr;
    const FixedReply* open_refusal = nullptr;
    const FixedReply* commit_refusal = nullptr;
    bool room_for_replies = true;
    std::size_t envelope_budget_bytes = 1 << 20;
  };
  static Setting relaxed() {
    Setting setting;
    setting.session.hostname = "mx.test";
    // What was sent at once must be answered in order, however it is cut (SMG-10).
    setting.session.reject_early_talkers = false;
    return setting;
  }

  explicit Dialogue(Setting setting = relaxed())
      : setting_(std::move(setting)),
        config_(setting_.session),
        pools_(setting_.envelope_budget_bytes),
        session_(std::make_unique<Session>(config_, pools_, *this, setting_.style, setting_.peer)) {
    run(session_->greet(setting_.octets_waiting));
    greeting_ = std::exchange(seen_.replies, {});
  }
  ~Dialogue() { end(); }

  // Feeds octets as one input and answers every event at once.
  Dialogue& give(std::string_view octets, bool more_behind = false) {
    if (seen_.closed) return *this;
    // On the heap in exactly that size, and kept: content may be used until the end.
    inputs_.push_back(std::make_unique<std::uint8_t[]>(octets.size()));
    if (!octets.empty()) std::memcpy(inputs_.back().get(), octets.data(), octets.size());
    rest_ = {inputs_.back().get(), octets.size()};
    more_behind_ = more_behind;
    go_on();
    return *this;
  }
  Dialogue& give_bytes(std::string_view octets) {
    for (const char& octet : octets) give({&octet, 1});
    return *this;
  }
  // Replies since the last call.
  std::string said() { return std::exchange(seen_.replies, {}); }
  std::string ask(std::string_view octets) { return give(octets).said(); }

  // What is true whenever a session has ended.
  const Seen& end() {
    if (session_ == nullptr) return seen_;
    session_.reset();
    EXPECT_EQ(pools_.transactions.in_use(), 0u);
    EXPECT_EQ(held_, "");
    for (const SeenMessage& message : seen_.messages)
      EXPECT_NE(message.fate, SeenMessage::Fate::open);
    return seen_;
  }

  Session& session() { return *session_; }
  const Seen& seen() const { return seen_; }
  const std::string& greeting() const { return greeting_; }
  const SeenMessage& message(std::size_t number = 0) const { return seen_.messages.at(number); }
  const std::vector<Event>& events() const { return events_; }
  bool commit_pending() const { return commit_pending_; }
  // Commits are left pending until answer_commit().
  bool commit_later = false;
  void answer_commit(const FixedReply* refusal) {
    ASSERT_TRUE(commit_pending_);
    commit_pending_ = false;
    seen_.messages.back().fate =
        refusal == nullptr ? SeenMessage::Fate::committed : SeenMessage::Fate::aborted;
    session_->committed(refusal, test_id);
    go_on();
  }
  void run(Event event) {
    events_.push_back(event);
    switch (event) {
      case Event::need_input:
        return;
      case Event::decide_mail:
        return session_->mail_decided(setting_.mail_refusal);
      case Event::decide_recipient: {
        const Session::PendingRecipient& pending = session_->pending_recipient();
        const bool unknown = pending.local_part.starts_with("unknown");
        return session_->recipient_decided(
            unknown ? &replies::unknown_user : nullptr, pending.local_part,
            pending.domain.empty() ? std::string_view("mx.test") : pending.domain);
      }
      case Event::open_message:
        return open();
      case Event::commit_message:
        EXPECT_EQ(held_, "");
        commit_pending_ = true;
        if (commit_later) return;
        commit_pending_ = false;
        seen_.messages.back().fate = setting_.commit_refusal == nullptr
                                         ? SeenMessage::Fate::committed
                                         : SeenMessage::Fate::aborted;
        return session_->committed(setting_.commit_refusal, test_id);
      case Event::sleep:
        ++seen_.sleeps;
        return;
      case Event::drain:
        return;
      case Event::close:
        seen_.closed = true;
        return;
    }
  }

  // SessionHost.
  bool reply(const ReplyNote& note) override {
    // Everything that a note points to must be readable while it is given.
    note_octets_ += std::string(note.argument).size();
    seen_.replies += note.wire;
    return setting_.room_for_replies;
  }
  void content(std::uint8_t* octets, std::size_t size) override {
    content_constant({reinterpret_cast<const char*>(octets), size});
  }
  void content_constant(std::string_view octets) override {
    ASSERT_FALSE(seen_.messages.empty());
    EXPECT_EQ(seen_.messages.back().fate, SeenMessage::Fate::open);
    EXPECT_EQ(held_, "");
    seen_.messages.back().content += octets;
  }
  void hold_content(std::uint8_t* octets, std::size_t size) override {
    hold_constant({reinterpret_cast<const char*>(octets), size});
  }
  void hold_constant(std::string_view octets) override { held_ += octets; }
  void resolve_held(bool keep) override {
    std::string held = std::exchange(held_, {});
    if (keep) content_constant(held);
  }
  void abort_message() override {
    ASSERT_FALSE(seen_.messages.empty());
    EXPECT_EQ(seen_.messages.back().fate, SeenMessage::Fate::open);
    seen_.messages.back().fate = SeenMessage::Fate::aborted;
    // How much had come by then depends on how it was cut.
    seen_.messages.back().content.clear();
    held_.clear();
  }

 private:
  void go_on() {
    for (;;) {
      if (commit_pending_ || seen_.closed) return;
      const Event event = session_->next(rest_, more_behind_);
      run(event);
      if (event == Event::need_input) {
        EXPECT_TRUE(rest_.empty());
        return;
      }
    }
  }
  void open() {
    Transaction& transaction = *session_->transaction();
    if (setting_.open_refusal != nullptr) return session_->opened(setting_.open_refusal);
    SeenMessage message;
    message.reverse_path = transaction.reverse_path();
    for (const Recipient& recipient : transaction.recipients())
      message.recipients.emplace_back(recipient.address);
    seen_.messages.push_back(std::move(message));
    session_->opened(nullptr);
  }

  Setting setting_;
  SessionConfig config_;
  SessionPools pools_;
  std::unique_ptr<Session> session_;
  std::vector<std::unique_ptr<std::uint8_t[]>> inputs_;
  std::span<std::uint8_t> rest_;
  bool more_behind_ = false;
  bool commit_pending_ = false;
  std::string held_;
  std::string greeting_;
  std::vector<Event> events_;
  std::size_t note_octets_ = 0;
  Seen seen_;
};

// The outcome of `octets` given whole; given octet by octet and cut at every place it must be the
// same (SMG-10).
inline Seen outcome(std::string_view octets,
                    const Dialogue::Setting& setting = Dialogue::relaxed()) {
  const Seen whole = Dialogue(setting).give(octets).end();
  EXPECT_EQ(Dialogue(setting).give_bytes(octets).end(), whole) << "octet by octet";
  const std::size_t step = octets.size() > 2000 ? octets.size() / 500 : 1;
  for (std::size_t cut = 1; cut < octets.size(); cut += step) {
    EXPECT_EQ(Dialogue(setting).give(octets.substr(0, cut)).give(octets.substr(cut)).end(), whole)
        << "cut at " << cut;
    if (testing::Test::HasFailure()) break;
  }
  return whole;
}

}  // namespace gatepost::smtp
