#include "ring_calls.hpp"

#include <dlfcn.h>
#include <liburing.h>

namespace gatepost::ring {
namespace {

std::string failing;
int failing_error = 0;
int works_before = 0;

// Negated errno, or 0: the call is made.
int failure_of(const char* name) {
  if (failing != name) return 0;
  return works_before-- > 0 ? 0 : -failing_error;
}

template <class Function>
Function* library(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

FailingCall::FailingCall(const std::string& name, int error, int before) {
  failing_error = error;
  works_before = before;
  failing = name;
}

FailingCall::~FailingCall() {
  failing.clear();
}

}  // namespace gatepost::ring

using gatepost::ring::failure_of;
using gatepost::ring::library;

// These stand in front of the libraries'.
extern "C" {

int io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* params) {
  if (int error = failure_of("queue_init")) return error;
  return library<int(unsigned, io_uring*, io_uring_params*)>("io_uring_queue_init_params")(
      entries, ring, params);
}

int io_uring_register_files_sparse(io_uring* ring, unsigned count) {
  if (int error = failure_of("register_files")) return error;
  return library<int(io_uring*, unsigned)>("io_uring_register_files_sparse")(ring, count);
}

int io_uring_register_buf_ring(io_uring* ring, io_uring_buf_reg* registration, unsigned flags) {
  if (int error = failure_of("register_buf_ring")) return error;
  return library<int(io_uring*, io_uring_buf_reg*, unsigned)>("io_uring_register_buf_ring")(
      ring, registration, flags);
}

int io_uring_submit_and_wait(io_uring* ring, unsigned count) {
  if (int error = failure_of("enter")) return error;
  return library<int(io_uring*, unsigned)>("io_uring_submit_and_wait")(ring, count);
}
}
