#include "simulation/fiber.hpp"

#include <utility>
#include <vector>

#include "base/check.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace gatepost::simulation {
namespace {

constexpr std::size_t stack_size = 512 * 1024;

Fiber* running = nullptr;

// Stacks are used again: a run has a handful, and clearing new ones would cost more than the run.
std::vector<std::unique_ptr<char[]>>& spare_stacks() {
  static std::vector<std::unique_ptr<char[]>> spare;
  return spare;
}

void before_switch([[maybe_unused]] void** fake, [[maybe_unused]] const void* stack,
                   [[maybe_unused]] std::size_t size) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(fake, stack, size);
#endif
}

void after_switch([[maybe_unused]] void* fake, [[maybe_unused]] const void** stack,
                  [[maybe_unused]] std::size_t* size) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake, stack, size);
#endif
}

void forget_poison([[maybe_unused]] char* memory) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(memory, stack_size);
#endif
}

}  // namespace

struct Fiber::Stack {
  Stack() {
    if (spare_stacks().empty()) {
      memory = std::make_unique_for_overwrite<char[]>(stack_size);
    } else {
      memory = std::move(spare_stacks().back());
      spare_stacks().pop_back();
    }
  }
  ~Stack() {
    // Frames that were never left have marked their surroundings.
    forget_poison(memory.get());
    spare_stacks().push_back(std::move(memory));
  }
  std::unique_ptr<char[]> memory;
};

Fiber::Fiber(std::uint64_t number, const char* name, ProcessHeap* heap, std::function<void()> body)
    : number_(number),
      name_(name),
      heap_(heap),
      body_(std::move(body)),
      stack_(std::make_unique<Stack>()) {
  GP_CHECK(getcontext(&own_) == 0);
  own_.uc_stack.ss_sp = stack_->memory.get();
  own_.uc_stack.ss_size = stack_size;
  own_.uc_link = nullptr;
  makecontext(&own_, &Fiber::enter, 0);
}

Fiber::~Fiber() {
  GP_CHECK(running != this);
}

void Fiber::enter() {
  Fiber& self = *running;
  after_switch(nullptr, &self.caller_stack_, &self.caller_stack_size_);
  self.body_();
  self.body_ = nullptr;
  self.finished_ = true;
  self.switch_back(true);
}

void Fiber::resume() {
  GP_CHECK(running == nullptr && !finished_);
  running = this;
  const HeapScope scope(heap_);
  void* fake = nullptr;
  before_switch(&fake, stack_->memory.get(), stack_size);
  GP_CHECK(swapcontext(&caller_, &own_) == 0);
  after_switch(fake, nullptr, nullptr);
  running = nullptr;
}

void Fiber::switch_back(bool for_good) {
  before_switch(for_good ? nullptr : &fake_stack_, caller_stack_, caller_stack_size_);
  GP_CHECK(swapcontext(&own_, &caller_) == 0);
  after_switch(fake_stack_, &caller_stack_, &caller_stack_size_);
}

void Fiber::give_up_turn() {
  GP_CHECK(running != nullptr);
  ProcessHeap* const mine = current_heap();
  running->switch_back(false);
  set_current_heap(mine);
}

Fiber* Fiber::current() {
  return running;
}

}  // namespace gatepost::simulation
