// Result<T>: a value, or one sentence that says what went wrong and what to do about it.
//
// For start-up, configuration and file work. Protocol verdicts are smtp::Reply and Decision
// instead, because a peer needs a code and not a sentence.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.hpp"

namespace gatepost {

struct Error {
  std::string text;  // one line, without "error:" in front and without a line end
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Error error) : state_(std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Both check that the asked-for side is there.
  T& value() {
    GP_CHECK(ok());
    return std::get<0>(state_);
  }
  const T& value() const {
    GP_CHECK(ok());
    return std::get<0>(state_);
  }
  const std::string& error() const {
    GP_CHECK(!ok());
    return std::get<1>(state_).text;
  }

 private:
  std::variant<T, Error> state_;
};

// Success without a value.
struct Done {};

}  // namespace gatepost
