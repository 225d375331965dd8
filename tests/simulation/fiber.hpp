// Threads of a simulated process: each has a stack of its own, and one runs at a time, until it
// gives up its turn (makecontext(3)).
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "simulation/process_heap.hpp"

namespace gatepost::simulation {

class Fiber {
 public:
  // name: a constant. heap: of its process; body and all that it allocates lie in there.
  Fiber(std::uint64_t number, const char* name, ProcessHeap* heap, std::function<void()> body);
  // Whatever it was doing is not gone on with, and no destructor on its stack is run.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  std::uint64_t number() const { return number_; }
  const char* name() const { return name_; }
  bool finished() const { return finished_; }

  // Runs it until it gives up its turn or ends. Not from inside a fiber.
  void resume();
  // Gives up the turn of the fiber that runs; returns when it is resumed.
  static void give_up_turn();
  // nullptr outside of all fibers.
  static Fiber* current();

 private:
  struct Stack;
  static void enter();
  void switch_back(bool for_good);

  const std::uint64_t number_;
  const char* const name_;
  ProcessHeap* const heap_;
  std::function<void()> body_;
  std::unique_ptr<Stack> stack_;
  ucontext_t own_{};
  ucontext_t caller_{};
  bool started_ = false;
  bool finished_ = false;
  // For AddressSanitizer, which has to be told of every change of stacks.
  void* fake_stack_ = nullptr;
  const void* caller_stack_ = nullptr;
  std::size_t caller_stack_size_ = 0;
};

}  // namespace gatepost::simulation
