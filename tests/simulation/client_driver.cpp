#include "simulation/client_driver.hpp"

#include <utility>

namespace gatepost::simulation {

ClientDriver::ClientDriver(const Options& options, const ClientSettings& settings, Ledger& ledger,
                           Verdicts& verdicts, std::function<void(ClientDriver&)> after_event)
    : options_(options),
      random_(Random(options.seed).fork(7)),
      model_(
          std::make_unique<ClientModel>(options.number, options.seed, settings, ledger, verdicts)),
      after_event_(std::move(after_event)) {
  kernel().after(options.begins_after, [this] { connect(); });
}

ClientDriver::~ClientDriver() {
  if (link_ != nullptr) link_->detach();
}

std::uint64_t ClientDriver::now_us() const {
  return kernel().now() / us;
}

void ClientDriver::connect() {
  if (stopped_ || tries_ > options_.retries_max) {
    finished_ = true;
    return;
  }
  LinkOptions link = options_.link;
  // Each attempt from another port.
  link.port = static_cast<std::uint16_t>(20'000 + options_.number * 50 + tries_++);
  link_ = std::make_shared<Link>(kernel(), link, random_.fork(tries_), this);
  kernel().network().connect(link_);
}

void ClientDriver::link_refused() {
  link_ = nullptr;
  kernel().record().trace("refused", number());
  kernel().after(random_.between(1 * second, 10 * second), [this] { connect(); });
}

void ClientDriver::link_connected() {
  connected_ = true;
  kernel().record().trace("connected", number());
  model_->connected(now_us());
  if (stopped_) model_->stop_talking();
  told();
}

void ClientDriver::link_octets(std::string_view octets) {
  kernel().record().trace("client reads", number(), octets.size(), octets);
  model_->received(now_us(), octets);
  told();
}

void ClientDriver::link_ended() {
  kernel().record().trace("client sees end", number());
  model_->peer_ended(now_us());
  told();
}

void ClientDriver::link_reset() {
  kernel().record().trace("client is reset", number());
  lost_ = true;
  model_->reset(now_us());
  told();
}

void ClientDriver::told() {
  after_event_(*this);
  pump();
}

void ClientDriver::stop_talking() {
  if (std::exchange(stopped_, true) || !connected_ || finished_) return;
  model_->stop_talking();
  pump();
}

void ClientDriver::cut() {
  if (link_ != nullptr && connected_ && !finished_) link_->cut();
}

void ClientDriver::finish() {
  finished_ = true;
  if (link_ != nullptr) link_->detach();
}

// Everything that it wants to do now.
void ClientDriver::pump() {
  if (pumping_ || finished_ || !connected_ || link_ == nullptr) return;
  pumping_ = true;
  ++wait_;  // an earlier wait is over
  for (bool more = true; more && !model_->finished() && (lost_ || link_->has_room());) {
    const Wish wish = model_->next(now_us());
    switch (wish.kind) {
      case Wish::Kind::none:
        more = false;
        break;
      case Wish::Kind::wait:
        kernel().after(wish.wait_ms * ms, [this, wait = wait_] {
          if (wait == wait_) pump();
        });
        more = false;
        break;
      case Wish::Kind::send:
        kernel().record().trace("client sends", number(), wish.octets.size(), wish.octets);
        if (!lost_) link_->send(wish.octets);
        break;
      case Wish::Kind::fin:
        kernel().record().trace("client ends", number());
        link_->end();
        break;
      case Wish::Kind::close:
        kernel().record().trace("client closes", number());
        link_->close();
        break;
      case Wish::Kind::reset:
        kernel().record().trace("client resets", number());
        link_->reset();
        break;
    }
  }
  pumping_ = false;
  if (model_->finished()) {
    finish();
    return;
  }
  if (model_->stalled_forever()) {
    if (stalled_since_ == 0) stalled_since_ = kernel().now();
  } else {
    stalled_since_ = 0;
  }
  link_->look_again();
}

}  // namespace gatepost::simulation
