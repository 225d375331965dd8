// What kernels, containers and limits refuse, and in which words that is told.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "ring/buffer_ring.hpp"
#include "ring/ring.hpp"
#include "ring_calls.hpp"

namespace gatepost::ring {
namespace {

Ring::Options small(std::uint32_t direct_descriptors = 0) {
  return {
      .submission_entries = 8, .completion_entries = 32, .direct_descriptors = direct_descriptors};
}

TEST(RingFailure, each_cause_has_its_remedy) {
  for (auto [error, remedy] : {std::pair{ENOSYS, "missing from this kernel or hidden by a seccomp"},
                               {EPERM, "set the sysctl kernel.io_uring_disabled to 0"},
                               {EACCES, "set the sysctl kernel.io_uring_disabled to 0"},
                               {EINVAL, "too old: Linux 6.1 or newer is needed"},
                               {ENOMEM, "raise RLIMIT_MEMLOCK"},
                               {EMFILE, "raise RLIMIT_NOFILE"},
                               {ENFILE, "raise RLIMIT_NOFILE"},
                               {EIO, "io_uring_setup: Input/output error"}}) {
    FailingCall failing("queue_init", error);
    auto ring = Ring::create(small());
    ASSERT_FALSE(ring.ok()) << error;
    EXPECT_NE(ring.error().find(remedy), std::string::npos) << ring.error();
    auto features = Ring::probe();
    ASSERT_FALSE(features.ok()) << error;
    EXPECT_EQ(features.error(), ring.error());
  }
}

TEST(RingFailure, a_filter_that_refuses_what_comes_after_the_set_up_is_found_by_the_probe) {
  {
    FailingCall failing("enter", EPERM);
    auto features = Ring::probe();
    ASSERT_FALSE(features.ok());
    EXPECT_EQ(features.error().rfind("io_uring_enter fails: io_uring is forbidden here: ", 0), 0u);
  }
  FailingCall failing("register_files", EPERM);
  auto features = Ring::probe();
  ASSERT_FALSE(features.ok());
  EXPECT_EQ(features.error().rfind("io_uring_register fails: io_uring is forbidden here: ", 0), 0u);
}

TEST(RingFailure, features_that_the_kernel_refuses_are_not_offered) {
  FailingCall failing("register_buf_ring", EINVAL);
  auto features = Ring::probe();
  ASSERT_TRUE(features.ok()) << features.error();
  EXPECT_FALSE(features.value().incremental_buffers);
}

TEST(RingFailure, a_table_of_descriptors_that_is_too_large_names_the_limit) {
  {
    FailingCall failing("register_files", EMFILE);
    auto ring = Ring::create(small(500));
    ASSERT_FALSE(ring.ok());
    EXPECT_EQ(ring.error().rfind("a table of 500 direct descriptors is over RLIMIT_NOFILE: ", 0),
              0u);
  }
  FailingCall failing("register_files", EINVAL);
  auto ring = Ring::create(small(500));
  ASSERT_FALSE(ring.ok());
  EXPECT_EQ(ring.error(), "direct descriptors: Invalid argument");
}

TEST(RingFailure, a_buffer_ring_that_is_refused_says_so) {
  auto ring = Ring::create(small());
  ASSERT_TRUE(ring.ok()) << ring.error();
  BufferPool pool(2, 4096, false);
  FailingCall failing("register_buf_ring", ENOMEM);
  auto buffers = BufferRing::create(*ring.value(), pool, 1, BufferMode::single);
  ASSERT_FALSE(buffers.ok());
  EXPECT_EQ(buffers.error(),
            "buffer ring: Cannot allocate memory (Linux 5.19 or newer; RLIMIT_MEMLOCK large "
            "enough)");
}

TEST(RingFailure, a_wait_that_is_interrupted_is_none_and_other_errors_are_told) {
  auto ring = Ring::create(small());
  ASSERT_TRUE(ring.ok()) << ring.error();
  for (int harmless : {EINTR, EBUSY, EAGAIN}) {
    FailingCall failing("enter", harmless);
    EXPECT_EQ(ring.value()->wait(true, 8, [](const Completion&) { ADD_FAILURE(); }), 0) << harmless;
  }
  FailingCall failing("enter", EBADF);
  EXPECT_EQ(ring.value()->wait(true, 8, [](const Completion&) { ADD_FAILURE(); }), -EBADF);
}

TEST(RingFailure, more_submissions_than_the_queue_holds_are_handed_over_meanwhile) {
  auto ring = Ring::create(small());
  ASSERT_TRUE(ring.ok()) << ring.error();
  const std::uint64_t enters = ring.value()->enter_count();
  __kernel_timespec soon{.tv_sec = 0, .tv_nsec = 1};
  for (std::uint32_t i = 0; i < 20; ++i) ring.value()->timeout(&soon, {1, 0, i});
  EXPECT_GT(ring.value()->enter_count(), enters);
  std::vector<bool> seen(20, false);
  for (int left = 20; left > 0;) {
    const int handled = ring.value()->wait(true, 32, [&](const Completion& completion) {
      EXPECT_EQ(completion.result, -ETIME);
      EXPECT_FALSE(seen.at(completion.tag.slot));
      seen.at(completion.tag.slot) = true;
    });
    ASSERT_GE(handled, 0);
    left -= handled;
  }
}

}  // namespace
}  // namespace gatepost::ring
