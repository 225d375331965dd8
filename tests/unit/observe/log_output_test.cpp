#include "observe/log_output.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

namespace gatepost::observe {
namespace {

struct SocketPair {
  SocketPair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0); }
  ~SocketPair() {
    for (int end : ends)
      if (end >= 0) close(end);
  }
  int ends[2];
};

// As journald's stream socket is one.
TEST(LogOutput, waits_for_the_reader_of_a_socket) {
  SocketPair pair;
  LogOutput output(pair.ends[0]);
  const std::string lines(4'000'000, 'a');  // more than the sockets' buffers take
  std::size_t got = 0;
  std::thread reader([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    char part[65536];
    for (ssize_t size; got < lines.size() && (size = read(pair.ends[1], part, sizeof part)) > 0;)
      got += static_cast<std::size_t>(size);
  });
  EXPECT_TRUE(output.write(lines));
  reader.join();
  EXPECT_EQ(got, lines.size());
}

TEST(LogOutput, abandons_a_socket_that_nobody_reads) {
  SocketPair pair;
  LogOutput output(pair.ends[0]);
  output.abandon_at(SystemClock::monotonic_ns());
  EXPECT_FALSE(output.write(std::string(4'000'000, 'a')));
}

TEST(LogOutput, a_socket_whose_reader_has_gone_is_an_error_and_no_signal) {
  SocketPair pair;
  close(pair.ends[1]);
  pair.ends[1] = -1;
  LogOutput output(pair.ends[0]);
  EXPECT_FALSE(output.write("x\n"));
}

TEST(LogOutput, a_descriptor_that_is_none_is_an_error) {
  LogOutput output(-1);
  EXPECT_FALSE(output.write("x\n"));
}

}  // namespace
}  // namespace gatepost::observe
