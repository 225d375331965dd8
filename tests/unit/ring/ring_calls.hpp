// Makes calls of liburing fail, as on old kernels, in containers and at limits.
#pragma once

#include <string>

namespace gatepost::ring {

// While it lives the calls of this name return -error; behind `before` of them that work.
class FailingCall {
 public:
  FailingCall(const std::string& name, int error, int before = 0);
  ~FailingCall();
  FailingCall(const FailingCall&) = delete;
  FailingCall& operator=(const FailingCall&) = delete;
};

}  // namespace gatepost::ring
