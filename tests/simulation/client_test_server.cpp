#include "simulation/client_test_server.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "smtp/reply.hpp"

namespace gatepost::simulation {
namespace {

smtp::SessionSettings session_settings(const ClientSettings& settings, Bug bug) {
  const ServerFacts& facts = settings.server;
  smtp::SessionSettings result;
  result.hostname = facts.hostname;
  result.message_size_limit = facts.message.size_limit;
  if (bug == Bug::wrong_size_limit) result.message_size_limit += 1000;
  result.recipient_limit = facts.recipient_limit;
  result.hopcount_limit = facts.message.hop_limit;
  result.soft_error_limit = facts.soft_error_limit;
  result.hard_error_limit = bug == Bug::never_throws_out ? 100'000 : facts.hard_error_limit;
  result.junk_command_limit = facts.junk_command_limit;
  result.chunking = facts.chunking;
  result.binarymime = facts.binarymime;
  result.smtputf8 = facts.smtputf8;
  result.reject_early_talkers = facts.reject_early_talkers;
  return result;
}

std::string_view name_of(BodyType body) {
  switch (body) {
    case BodyType::seven_bit:
      return "7BIT";
    case BodyType::eight_bit_mime:
      return "8BITMIME";
    default:
      return "";
  }
}

}  // namespace

TestWorld::TestWorld(ClientSettings client_settings, StoredForm stored_form, Bug planted)
    : settings(std::move(client_settings)),
      form(stored_form),
      bug(planted),
      config(session_settings(settings, planted)) {}

TestServer::TestServer(TestWorld& world, Random random) : world_(world), random_(random) {
  smtp::ContentStyle style;
  style.line_end = world.form == StoredForm::lf ? scan::LineEnd::lf : scan::LineEnd::crlf;
  style.drop_return_path = world.settings.server.message.final_delivery;
  smtp::Session::Peer peer;
  const ServerFacts& facts = world.settings.server;
  if (facts.greeting == ServerFacts::Greeting::refuse) peer.greeting = smtp::Greeting::refuse;
  if (facts.message.bare_newline == BareNewlineMode::normalize)
    peer.bare_newline = scan::BareNewline::normalize;
  session_ = std::make_unique<smtp::Session>(world.config, world.pools, *this, style, peer);
}

TestServer::~TestServer() {
  session_.reset();  // it calls back
  if (world_.bug == Bug::stores_what_was_cut && message_.size() > 200) store(message_);
}

void TestServer::greet(bool octets_waiting) {
  handle(session_->greet(octets_waiting));
}

void TestServer::say(std::string_view octets) {
  output_ += octets;
}

bool TestServer::reply(const smtp::ReplyNote& note) {
  std::string text(note.wire);
  const bool command = note.kind == smtp::ReplyKind::command;
  switch (world_.bug) {
    case Bug::answers_twice:
      if (command && random_.once_in(10)) text += note.wire;
      break;
    case Bug::takes_rcpt_without_mail:
      if (note.verb == smtp::Verb::rcpt && note.code() == 503) text = "250 2.1.5 Ok\r\n";
      break;
    case Bug::forgets_a_reply:
      if (note.verb == smtp::Verb::rset && random_.once_in(2)) text.clear();
      break;
    case Bug::swaps_replies:
      if (note.verb == smtp::Verb::mail && note.code() == 250) {
        pending_reply_ = text;
        text.clear();
      } else if (!pending_reply_.empty()) {
        text += std::exchange(pending_reply_, {});
      }
      break;
    default:
      break;
  }
  say(text);
  return !random_.once_in(50);
}

void TestServer::content(std::uint8_t* octets, std::size_t size) {
  content_constant({reinterpret_cast<const char*>(octets), size});
}
void TestServer::content_constant(std::string_view octets) {
  message_ += octets;
}
void TestServer::hold_content(std::uint8_t* octets, std::size_t size) {
  hold_constant({reinterpret_cast<const char*>(octets), size});
}
void TestServer::resolve_held(bool keep) {
  if (keep) message_ += held_;
  held_.clear();
}
void TestServer::abort_message() {
  if (world_.bug == Bug::stores_what_it_refused) store(message_);
  if (world_.bug != Bug::stores_what_was_cut) message_.clear();
  held_.clear();
}

// LF.LF and its like made what some servers take them for.
std::string TestServer::with_bare_ends(std::string_view octets) {
  std::string changed(octets);
  for (std::size_t at = 0; (at = changed.find("\n.\n", at)) != std::string::npos; at += 5)
    changed.replace(at, 3, "\r\n.\r\n");
  return changed;
}

void TestServer::take(std::string_view octets, bool more) {
  if (closed_) return;
  std::string changed;
  if (world_.bug == Bug::bare_lf_ends_data && session_->in_content()) {
    changed = with_bare_ends(octets);
    octets = changed;
  }
  if (world_.bug == Bug::ends_without_a_word && random_.once_in(20)) {
    closed_ = true;
    return;
  }
  inputs_.push_back(std::make_unique<std::uint8_t[]>(octets.size()));
  std::memcpy(inputs_.back().get(), octets.data(), octets.size());
  std::span<std::uint8_t> rest(inputs_.back().get(), octets.size());
  while (!closed_) {
    const smtp::Event event = session_->next(rest, more);
    if (event == smtp::Event::need_input) break;
    handle(event);
  }
  while (inputs_.size() > 4) inputs_.pop_front();
}

void TestServer::handle(smtp::Event event) {
  switch (event) {
    case smtp::Event::decide_mail:
      return session_->mail_decided(random_.once_in(60)    ? &smtp::replies::storage_full
                                    : random_.once_in(200) ? &smtp::replies::sink_refused
                                                           : nullptr);
    case smtp::Event::decide_recipient:
      return decide_recipient();
    case smtp::Event::open_message:
      return open();
    case smtp::Event::commit_message:
      return commit();
    case smtp::Event::close:
      closed_ = true;
      return;
    default:
      return;
  }
}

void TestServer::decide_recipient() {
  const smtp::Session::PendingRecipient& pending = session_->pending_recipient();
  const ServerFacts& facts = world_.settings.server;
  std::string domain(pending.domain);
  std::string local(pending.local_part);
  std::string lower = local;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
  });
  if (domain.empty()) domain = facts.postmaster_domain;
  const smtp::FixedReply* refusal = nullptr;
  const bool user =
      local.size() == 5 && local.starts_with("user") && local[4] >= '0' && local[4] <= '9';
  if (domain != facts.everyone_domain && domain != facts.users_domain)
    refusal = &smtp::replies::relay_denied;
  else if (lower == "postmaster")
    local = lower;
  else if (domain == facts.users_domain && !user)
    refusal = &smtp::replies::unknown_user;
  session_->recipient_decided(refusal, local, domain);
}

void TestServer::open() {
  smtp::Transaction& transaction = *session_->transaction();
  if (random_.once_in(60))
    return session_->opened(random_.once_in(3) ? &smtp::replies::sink_refused
                                               : &smtp::replies::local_error);
  message_.clear();
  envelope_ = {};
  mailboxes_.clear();
  id_ = std::to_string(world_.ids++);
  id_.insert(0, bounds::message_id_length - id_.size(), 'A');
  envelope_.reverse_path = transaction.reverse_path();
  if (world_.bug == Bug::rewrites_the_sender) envelope_.reverse_path = "x" + envelope_.reverse_path;
  envelope_.body = name_of(transaction.body);
  envelope_.smtputf8 = transaction.smtputf8;
  envelope_.declared_size = transaction.declared_size;
  for (const Recipient& recipient : transaction.recipients()) {
    envelope_.recipients.emplace_back(recipient.address);
    mailboxes_.push_back(std::string(recipient.domain) + "/" + std::string(recipient.mailbox));
  }
  smtp::TraceFields fields;
  fields.helo = session_->helo();
  fields.protocol = session_->protocol();
  fields.id = id_;
  if (envelope_.recipients.size() == 1) fields.only_recipient = envelope_.recipients[0];
  fields.smtputf8 = transaction.smtputf8;
  smtp::ReceivedBuffer received;
  smtp::ReturnPathBuffer return_path;
  trace_.clear();
  if (world_.settings.server.message.final_delivery)
    trace_ += smtp::write_return_path(envelope_.reverse_path, return_path);
  trace_ += world_.trace.write_received(fields, received);
  if (world_.form == StoredForm::lf) std::erase(trace_, '\r');
  session_->opened(nullptr);
}

void TestServer::store(std::string_view content) {
  std::ranges::sort(mailboxes_);
  mailboxes_.erase(std::unique(mailboxes_.begin(), mailboxes_.end()), mailboxes_.end());
  std::string text = trace_;
  if (world_.bug == Bug::keeps_content && random_.once_in(4)) text += world_.last_content;
  text += content;
  std::optional<StoredMessage::Envelope> once = envelope_;
  for (const std::string& mailbox : mailboxes_)
    world_.store.push_back({mailbox, text, world_.form, std::exchange(once, std::nullopt)});
  if (world_.bug == Bug::stores_twice && random_.once_in(4))
    world_.store.push_back(world_.store.back());
  if (world_.bug == Bug::keeps_recipients && !world_.last_mailboxes.empty() && random_.once_in(4))
    world_.store.push_back({world_.last_mailboxes[0], text, world_.form, {}});
  world_.last_mailboxes = mailboxes_;
  world_.last_content = content;
}

void TestServer::commit() {
  if (random_.once_in(40)) {
    session_->committed(&smtp::replies::local_error, {});
    message_.clear();
    return;
  }
  const std::string_view line_end = world_.form == StoredForm::lf ? "\n" : "\r\n";
  if (world_.bug == Bug::keeps_a_dot) {
    const std::size_t dot = message_.find(std::string(line_end) + ".");
    if (dot != std::string::npos) message_.insert(dot + line_end.size(), ".");
  }
  if (world_.bug != Bug::loses_a_message || !random_.once_in(5)) store(message_);
  world_.logged.insert(id_);
  message_.clear();
  session_->committed(nullptr, id_);
}

void TestServer::client_ended() {
  closed_ = true;
}

void TestServer::time_out() {
  if (!closed_) handle(session_->timed_out());
}

std::string TestServer::fetch(std::size_t most) {
  std::string taken = output_.substr(0, most);
  output_.erase(0, taken.size());
  return taken;
}

// --- The connection ----------------------------------------------------------------------------

namespace {

// Octets on their way, and what befalls the client.
class Connection {
 public:
  Connection(TestWorld& world, ClientModel& client, Random random, SimulatedUs& now_us)
      : client_(client), random_(random), now_us_(now_us), server_(world, random.fork(1)) {}

  bool run() {
    client_.connected(now_us_);
    for (unsigned idle = 0; !client_.finished();) {
      if (idle > 3) return false;
      bool moved = false;
      const Wish wish = client_.next(now_us_);
      if (wish.kind != Wish::Kind::none && wish.kind != Wish::Kind::wait) {
        carry_out(wish);
        moved = true;
      }
      if (client_.finished()) break;
      // Sometimes nothing moves for a while.
      const bool may_move = !moved || random_.once_in(2);
      if (may_move && (serve() || deliver())) moved = true;
      if (moved) {
        idle = 0;
        continue;
      }
      if (wish.kind == Wish::Kind::wait) {
        now_us_ += wish.wait_ms * 1000u;
        continue;
      }
      // Nothing can happen but a timeout.
      if (!server_.closed() && greeted_) {
        server_.time_out();
        now_us_ += 300'000'000;
      }
      ++idle;
    }
    // What was sent before the end still arrives, mostly.
    if (!reset_ || random_.once_in(2))
      while (!server_.closed() && serve()) {
      }
    return true;
  }

 private:
  void carry_out(const Wish& wish) {
    now_us_ += random_.below(2000);
    switch (wish.kind) {
      case Wish::Kind::send:
        to_server_.erase(0, std::exchange(taken_, 0));
        to_server_ += wish.octets;
        break;
      case Wish::Kind::fin:
      case Wish::Kind::close:
        client_ended_ = true;
        break;
      case Wish::Kind::reset:
        reset_ = client_ended_ = true;
        break;
      default:
        break;
    }
  }

  bool serve() {
    if (!greeted_) {
      greeted_ = true;
      server_.greet(taken_ < to_server_.size());
      return true;
    }
    if (server_.closed()) return false;
    if (taken_ == to_server_.size()) {
      if (!client_ended_) return false;
      server_.client_ended();
      return true;
    }
    std::size_t size = to_server_.size() - taken_;
    if (random_.once_in(3))
      size = std::min<std::size_t>(size, random_.between(1, 16));
    else if (random_.once_in(2))
      size = static_cast<std::size_t>(random_.between(1, size));
    taken_ += size;
    server_.take(std::string_view(to_server_).substr(taken_ - size, size),
                 taken_ < to_server_.size());
    return true;
  }

  bool deliver() {
    if (!client_.reading() && !server_.closed()) return false;
    if (server_.has_output()) {
      const std::size_t most =
          random_.once_in(2) ? SIZE_MAX : static_cast<std::size_t>(random_.between(1, 40));
      client_.received(now_us_, server_.fetch(most));
      return true;
    }
    if (!server_.closed() || end_told_) return false;
    end_told_ = true;
    client_.peer_ended(now_us_);
    return true;
  }

  ClientModel& client_;
  Random random_;
  SimulatedUs& now_us_;
  TestServer server_;
  std::string to_server_;
  std::size_t taken_ = 0;  // of it
  bool greeted_ = false;
  bool client_ended_ = false;
  bool reset_ = false;
  bool end_told_ = false;
};

}  // namespace

bool run_client(TestWorld& world, ClientModel& client, Random random, SimulatedUs& now_us) {
  return Connection(world, client, random, now_us).run();
}

}  // namespace gatepost::simulation
