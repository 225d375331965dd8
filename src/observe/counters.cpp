#include "observe/counters.hpp"

namespace gatepost::observe {

std::string_view refusal_name(Refusal refusal) {
  switch (refusal) {
    case Refusal::process_full:
      return "process_full";
    case Refusal::address_full:
      return "address_full";
    case Refusal::denied:
      return "denied";
    case Refusal::refuse_all:
      return "refuse_all";
    case Refusal::draining:
      return "draining";
    case Refusal::no_descriptors:
      return "no_descriptors";
    case Refusal::count:
      break;
  }
  return "other";
}

std::string_view timeout_name(Timeout timeout) {
  switch (timeout) {
    case Timeout::command:
      return "command";
    case Timeout::content:
      return "content";
    case Timeout::too_slow:
      return "too_slow";
    case Timeout::reply:
      return "reply";
    case Timeout::bare_newline:
      return "bare_newline";
    case Timeout::commit:
      return "commit";
    case Timeout::drain:
      return "drain";
    case Timeout::count:
      break;
  }
  return "other";
}

}  // namespace gatepost::observe
