#include "thread_starts.hpp"

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <climits>

namespace gatepost::observe {
namespace {

std::atomic<int> starts_left{INT_MAX};

}  // namespace

NoMoreThreads::NoMoreThreads(int before) {
  starts_left = before;
}

NoMoreThreads::~NoMoreThreads() {
  starts_left = INT_MAX;
}

}  // namespace gatepost::observe

// Stands in front of the C library's.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*run)(void*), void* argument) {
  using Create = decltype(&pthread_create);
  static const auto real = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (gatepost::observe::starts_left.fetch_sub(1) <= 0) return EAGAIN;
  return real(thread, attributes, run, argument);
}
