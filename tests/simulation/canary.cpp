#include "simulation/canary.hpp"

#include "fmt/format.h"

namespace gatepost::simulation {
namespace {

// Fewer than would count as a flood.
constexpr unsigned lines_max = 40;
constexpr SimulatedNs latency = 100 * us;
// Far beyond the slowest network, and beyond the time for which others may hold all buffers.
constexpr SimulatedNs answer_within = 120 * second;

}  // namespace

Canary::Canary(unsigned number, Random random) : number_(number), random_(random) {
  kernel().after(random_.below(2 * second), [this] { connect(); });
}

Canary::~Canary() {
  if (link_ != nullptr) link_->detach();
}

void Canary::connect() {
  if (stopped_ || link_ != nullptr) return;
  LinkOptions options;
  options.client = number_;
  options.host = 200;  // nobody else's
  options.port = port_++;
  options.latency_ns = latency;
  options.answered_at_once = true;
  received_.clear();
  said_ = 0;
  link_ = std::make_shared<Link>(kernel(), options, random_.fork(port_), this);
  kernel().network().connect(link_);
}

void Canary::again() {
  link_ = nullptr;
  if (!stopped_) kernel().after(random_.between(100 * ms, 3 * second), [this] { connect(); });
}

void Canary::link_refused() {
  again();
}

void Canary::link_reset() {
  again();
}

void Canary::link_ended() {
  link_->close();
  again();
}

void Canary::stop() {
  stopped_ = true;
  if (link_ == nullptr) return;
  link_->close();
  link_ = nullptr;
}

void Canary::say(std::string_view line) {
  kernel().record().trace("canary says", number_, 0, line);
  link_->send(line);
  kernel().after(answer_within, [this, link = link_, said = said_] {
    if (link == link_ && link_ != nullptr && said_ == said + 1)
      kernel().record().violation(checks::progress,
                                  "a client that only asks for an answer got none");
  });
}

void Canary::link_octets(std::string_view octets) {
  received_ += octets;
  if (!received_.ends_with("\r\n")) return;
  // The last line of a reply has a space behind its code.
  const std::size_t before = received_.rfind('\n', received_.size() - 2);
  const std::size_t line = before == std::string::npos ? 0 : before + 1;
  if (received_.size() < line + 4 || received_[line + 3] != ' ') return;
  const bool accepted = received_[line] == '2';
  received_.clear();
  if (!accepted) return;  // busy, or shutting down: the end follows
  ++answers_;
  kernel().after(random_.between(1 * ms, 2 * second), [this, link = link_] {
    if (link == link_ && link_ != nullptr) speak();
  });
}

void Canary::speak() {
  if (said_ == 0)
    say("EHLO canary.example\r\n");
  else if (said_ < lines_max)
    say("NOOP\r\n");
  else if (said_ == lines_max)
    say("QUIT\r\n");
  ++said_;
}

}  // namespace gatepost::simulation
