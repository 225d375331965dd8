// A client's octets and waits.

#include "simulation/client_model.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.hpp"
#include "simulation/client_impl.hpp"

namespace gatepost::simulation {
namespace {

constexpr SimulatedUs us_per_ms = 1000;
constexpr std::size_t shown_command_max = 40;
// Octets that a client types one by one; then it goes on in larger pieces, so that long content
// does not take a run's whole time.
constexpr std::size_t typed_octets_max = 300;

}  // namespace

ClientModel::ClientModel(unsigned number, std::uint64_t seed, const ClientSettings& settings,
                         Ledger& ledger, Verdicts& verdicts)
    : impl_(std::make_unique<Impl>(number, seed, settings, ledger, verdicts)) {}
ClientModel::~ClientModel() = default;
void ClientModel::connected(SimulatedUs now_us) {
  impl_->connected(now_us);
}
void ClientModel::received(SimulatedUs now_us, std::string_view octets) {
  impl_->received(now_us, octets);
}
void ClientModel::peer_ended(SimulatedUs now_us) {
  impl_->peer_ended(now_us);
}
void ClientModel::reset(SimulatedUs now_us) {
  impl_->reset(now_us);
}
void ClientModel::excuse_end() {
  impl_->end_excused = true;
}
ClientPhase ClientModel::phase() const {
  return impl_->phase();
}
Wish ClientModel::next(SimulatedUs now_us) {
  return impl_->next(now_us);
}
bool ClientModel::reading() const {
  return impl_->reading;
}
bool ClientModel::finished() const {
  return impl_->finished;
}
bool ClientModel::stalled_forever() const {
  return impl_->stalled;
}
void ClientModel::stop_talking() {
  impl_->stop_talking();
}
std::string ClientModel::description() const {
  return impl_->description();
}

ClientModel::Impl::Impl(unsigned number, std::uint64_t seed, const ClientSettings& settings,
                        Ledger& ledger, Verdicts& verdicts)
    : number_(number), random_(seed), settings_(settings), ledger_(ledger), verdicts_(verdicts) {
  transactions_left_ = random_.between(1, std::max(1u, settings_.transactions_max));
  if (random_.percent(settings_.hostile)) {
    hostile_acts_left_ = static_cast<unsigned>(random_.between(1, 3));
    behaviour_ = " hostile";
    if (random_.once_in(3)) transactions_left_ = 0;
  }
  slow_ = random_.percent(settings_.slow);
  if (slow_) pace_ = random_.once_in(3) ? Pace::typing : Pace::pieces;
  half_close_ = random_.percent(settings_.half_close);
  refused_commands_left_ = static_cast<unsigned>(random_.below(4));
}

// --- What happens ------------------------------------------------------------------------------

void ClientModel::Impl::connected(SimulatedUs now_us) {
  now_us_ = now_us;
  waiting_since_us_ = now_us;
  Expected greeting;
  greeting.kind = CommandKind::greeting;
  greeting.command = "connect";
  greeting.plain_code = true;
  expected_.push_back(std::move(greeting));
  if (hostile_acts_left_ > 0 && random_.once_in(8)) early_talk();
  if (random_.percent(settings_.silent)) {
    behaviour_ += " silent";
    step(Step::Kind::silence);
  }
  await();
}

void ClientModel::Impl::received(SimulatedUs now_us, std::string_view octets) {
  now_us_ = now_us;
  if (lost_ || finished) return;
  if (peer_ended_) return wrong("octets behind the server's end");
  waiting_since_us_ = now_us;
  if (confused_) return;
  std::vector<Reply> replies;
  const std::string malformed = parser_.take(octets, replies);
  for (const Reply& reply : replies)
    if (!confused_) judge(reply);
  if (!malformed.empty() && !confused_) wrong(malformed);
}

void ClientModel::Impl::peer_ended(SimulatedUs now_us) {
  now_us_ = now_us;
  if (lost_ || finished) return;
  peer_ended_ = true;
  const bool judged = !confused_ && !end_excused && reading;
  if (judged && parser_.in_reply()) wrong("the server ended in the middle of a reply");
  if (judged && !confused_ && !last_word_) {
    // PIPE-17: what came whole is answered before the end.
    if (!fin_sent_)
      wrong("the server ended the connection without a word");
    else if (!expected_.empty())
      wrong("the server ended without an answer to " + expected_.front().command);
  }
  connection_over();
}

void ClientModel::Impl::reset(SimulatedUs now_us) {
  now_us_ = now_us;
  lost_ = true;
  connection_over();
}

// What has no answer by now will never get one.
void ClientModel::Impl::connection_over() {
  for (const Expected& expected : expected_) {
    if (expected.attempt == no_attempt) continue;
    Attempt& lost = ledger_.at(expected.attempt);
    if (lost.state == Attempt::State::unanswered && lost.lost_us == never) lost.lost_us = now_us_;
    if (expected.kind == CommandKind::rcpt && !expected.recipient.mailbox.empty())
      lost.unanswered_recipients.push_back(expected.recipient);
  }
  expected_.clear();
  output_.clear();
  marks_.clear();
  steps_.clear();
  sent_ = 0;
}

void ClientModel::Impl::stop_talking() {
  stopping_ = true;
  transactions_left_ = 0;
  hostile_acts_left_ = 0;
  refused_commands_left_ = 0;
  wait_until_us_ = 0;
  if (pace_ != Pace::crawling) pace_ = Pace::whole;
}

// --- Output ------------------------------------------------------------------------------------

void ClientModel::Impl::put(std::string_view octets, Expected expected, bool hands_over) {
  output_ += octets;
  if (expected.command.empty()) {
    expected.command = octets.substr(0, std::min(octets.find('\r'), shown_command_max));
  }
  marks_.push_back({output_.size(), std::move(expected), hands_over});
}

void ClientModel::Impl::put_line(CommandKind kind, std::string_view line) {
  Expected expected;
  expected.kind = kind;
  expected.plain_code =
      kind == CommandKind::ehlo || kind == CommandKind::helo || kind == CommandKind::ehlo_bad;
  expected.junk = kind == CommandKind::rset || kind == CommandKind::rset_argument ||
                  kind == CommandKind::noop || kind == CommandKind::vrfy ||
                  kind == CommandKind::vrfy_empty || kind == CommandKind::expn ||
                  kind == CommandKind::help || expected.plain_code;
  expected.command = line.substr(0, shown_command_max);
  output_ += line;
  put("\r\n", std::move(expected));
}

void ClientModel::Impl::put_raw(std::string_view octets) {
  output_ += octets;
}

// The client gives up somewhere in what it has just planned: at any octet, or behind the last one.
void ClientModel::Impl::cut_by_chance() {
  // Behind a whole message is where it matters most.
  const bool message = !marks_.empty() && marks_.back().hands_over;
  const bool behind = message && random_.percent(settings_.abort);
  const bool abort = behind || random_.percent(settings_.abort);
  const bool silence = !abort && random_.percent(settings_.silent);
  if ((!abort && !silence) || sent_ == output_.size()) return;
  const std::size_t left = output_.size() - sent_;
  const std::size_t cut = behind || random_.once_in(4)
                              ? output_.size()
                              : sent_ + static_cast<std::size_t>(random_.below(left));
  output_.resize(cut);
  while (!marks_.empty() && marks_.back().offset > cut) marks_.pop_back();
  steps_.clear();
  ending_ = true;
  if (silence) {
    behaviour_ += " falls-silent";
    step(Step::Kind::silence);
    return;
  }
  if (random_.once_in(3)) step(Step::Kind::pause, static_cast<std::uint32_t>(random_.below(400)));
  static constexpr std::array kinds{Step::Kind::fin, Step::Kind::close, Step::Kind::reset};
  const Step::Kind kind = kinds[random_.below(kinds.size())];
  behaviour_ += kind == Step::Kind::fin     ? " cut-by-fin"
                : kind == Step::Kind::close ? " cut-by-close"
                                            : " cut-by-reset";
  step(kind);
}

std::size_t ClientModel::Impl::piece_size() {
  const std::size_t left = output_.size() - sent_;
  switch (pace_) {
    case Pace::whole:
      return left;
    case Pace::pieces:
      wait_until_us_ = now_us_ + random_.below(80) * us_per_ms;
      return std::min<std::size_t>(left, random_.between(1, std::max<std::size_t>(left / 4, 60)));
    case Pace::typing:
      wait_until_us_ = now_us_ + random_.between(1, 300) * us_per_ms;
      return sent_ < typed_octets_max ? 1 : std::min<std::size_t>(left, left / 8 + 100);
    case Pace::crawling: {
      // A fifth of the rate that is asked for, in a fortieth of the time that is borne.
      const std::uint64_t pause_ms = settings_.server.timeout_ms / 40 + 1;
      wait_until_us_ = now_us_ + pause_ms * us_per_ms;
      const std::uint64_t octets =
          pause_ms * settings_.server.min_data_rate_bytes_per_second / 5000;
      return std::min<std::size_t>(left, std::max<std::size_t>(1, octets));
    }
  }
  return left;
}

Wish ClientModel::Impl::send_some() {
  for (Expected& expected : expected_) expected.talked_behind = true;
  const std::size_t size = piece_size();
  sending_.assign(output_, sent_, size);
  sent_ += size;
  pass_marks();
  if (sent_ == output_.size()) {
    output_.clear();
    sent_ = 0;
  }
  waiting_since_us_ = now_us_;
  Wish wish;
  wish.kind = Wish::Kind::send;
  wish.octets = sending_;
  return wish;
}

void ClientModel::Impl::pass_marks() {
  while (!marks_.empty() && marks_.front().offset <= sent_) {
    Mark mark = std::move(marks_.front());
    marks_.pop_front();
    mark.expected.talked_behind = mark.offset < sent_;
    if (mark.hands_over) {
      Attempt& whole = ledger_.at(mark.expected.attempt);
      if (whole.state == Attempt::State::unfinished) whole.state = Attempt::State::unanswered;
      whole.handed_us = now_us_;
    }
    expected_.push_back(std::move(mark.expected));
  }
}

// --- What it wants -----------------------------------------------------------------------------

Wish ClientModel::Impl::wait_until(SimulatedUs due_us) {
  Wish wish;
  wish.kind = Wish::Kind::wait;
  wish.wait_ms = static_cast<std::uint32_t>((due_us - now_us_ + us_per_ms - 1) / us_per_ms);
  return wish;
}

Wish ClientModel::Impl::give_up(Wish::Kind kind) {
  connection_over();
  finished = true;
  Wish wish;
  wish.kind = kind;
  return wish;
}

Wish ClientModel::Impl::wait_for_replies() {
  if (settings_.reply_wait_ms == 0 || !reading) return {};
  const SimulatedUs due = waiting_since_us_ + settings_.reply_wait_ms * us_per_ms;
  if (now_us_ < due) return wait_until(due);
  wrong("no reply to " + expected_.front().command + " in " +
        std::to_string(settings_.reply_wait_ms) + " ms");
  return give_up(Wish::Kind::reset);
}

// The server has said its last word, or we have closed our side.
Wish ClientModel::Impl::wait_for_end() {
  if (settings_.end_wait_ms == 0 || !reading) return {};
  const SimulatedUs due = waiting_since_us_ + settings_.end_wait_ms * us_per_ms;
  if (now_us_ < due) return wait_until(due);
  wrong("the server did not end the connection in " + std::to_string(settings_.end_wait_ms) +
        " ms");
  return give_up(Wish::Kind::reset);
}

// What it wants when nothing else can come of the connection.
Wish ClientModel::Impl::ending() {
  if (lost_) {
    finished = true;
    return {};
  }
  if (peer_ended_) return give_up(Wish::Kind::close);
  if (confused_) return give_up(Wish::Kind::reset);
  return wait_for_end();
}

Wish ClientModel::Impl::run_step(const Step& step, bool& again) {
  Wish wish;
  again = false;
  switch (step.kind) {
    case Step::Kind::await:
      again = true;
      return wish;
    case Step::Kind::pause:
      wait_until_us_ = now_us_ + step.wait_ms * us_per_ms;
      again = true;
      return wish;
    case Step::Kind::fin:
      for (Expected& expected : expected_) expected.talked_behind = true;
      fin_sent_ = true;
      waiting_since_us_ = now_us_;
      wish.kind = Wish::Kind::fin;
      return wish;
    case Step::Kind::close:
      return give_up(Wish::Kind::close);
    case Step::Kind::reset:
      return give_up(Wish::Kind::reset);
    case Step::Kind::silence:
      stalled = true;
      return wish;
  }
  return wish;
}

Wish ClientModel::Impl::next(SimulatedUs now_us) {
  now_us_ = now_us;
  if (finished) return {};
  if (lost_ || peer_ended_ || last_word_ || confused_) return ending();
  if (stopping_ && (stalled || !reading || pace_ == Pace::crawling))
    return give_up(Wish::Kind::close);
  if (stalled) return {};
  for (;;) {
    if (now_us_ < wait_until_us_) return wait_until(wait_until_us_);
    if (sent_ < output_.size()) return send_some();
    if (fin_sent_) return wait_for_end();
    if (!steps_.empty()) {
      const Step step = steps_.front();
      if (step.kind == Step::Kind::await && !expected_.empty()) return wait_for_replies();
      steps_.pop_front();
      bool again = false;
      const Wish wish = run_step(step, again);
      if (!again) return wish;
      continue;
    }
    if (!expected_.empty()) return wait_for_replies();
    if (stopping_ && in_data_) return give_up(Wish::Kind::close);
    plan();
  }
}

ClientPhase ClientModel::Impl::phase() const {
  if (last_word_ || peer_ended_ || lost_ || finished) return ClientPhase::ending;
  for (const Expected& expected : expected_) {
    if (expected.kind == CommandKind::greeting) return ClientPhase::connecting;
    if (expected.kind == CommandKind::end_of_data || expected.kind == CommandKind::bdat_last)
      return ClientPhase::committing;
    if (expected.kind == CommandKind::quit) return ClientPhase::ending;
  }
  if (in_data_) return ClientPhase::content;
  if (may_be_in(DialogState::chunks) || may_be_in(DialogState::chunks_failed))
    return ClientPhase::chunks;
  if (may_be_in(DialogState::recipients)) return ClientPhase::recipients;
  if (may_be_in(DialogState::mail)) return ClientPhase::mail;
  return may_be_in(DialogState::ready) ? ClientPhase::ready : ClientPhase::greeted;
}

std::string ClientModel::Impl::description() const {
  std::string text = "client " + std::to_string(number_) + behaviour_ + ": in ";
  append_names(text, state_);
  if (in_data_) text += ", content";
  if (sent_ < output_.size())
    text += ", " + std::to_string(output_.size() - sent_) + " octets to send";
  if (!expected_.empty())
    text += ", waits for " + std::to_string(expected_.size()) + " replies, the first to " +
            expected_.front().command;
  if (stalled) text += ", silent";
  if (!reading) text += ", not reading";
  if (fin_sent_) text += ", half-closed";
  if (last_word_) text += ", told the end";
  if (confused_) text += ", confused";
  if (finished) text += ", finished";
  return text;
}

}  // namespace gatepost::simulation
