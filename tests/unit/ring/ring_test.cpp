#include "ring/ring.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "ring/buffer_ring.hpp"

namespace gatepost::ring {
namespace {

struct Listener {
  int fd = -1;
  sockaddr_in address{};
  Listener() {
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(0, bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address));
    socklen_t length = sizeof address;
    EXPECT_EQ(0, getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length));
    EXPECT_EQ(0, listen(fd, 64));
  }
  ~Listener() { ::close(fd); }
  int connect_client() const {
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(0, connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    return client;
  }
};

std::unique_ptr<Ring> make_ring(std::uint32_t direct = 16) {
  Ring::Options options;
  options.submission_entries = 64;
  options.completion_entries = 256;
  options.direct_descriptors = direct;
  auto ring = Ring::create(options);
  EXPECT_TRUE(ring.ok()) << ring.error();
  return std::move(ring.value());
}

// Waits until `most` completions came in all.
std::vector<Completion> collect(Ring& ring, std::size_t count) {
  std::vector<Completion> completions;
  while (completions.size() < count)
    EXPECT_GE(ring.wait(true, 64, [&](const Completion& c) { completions.push_back(c); }), 0);
  return completions;
}

TEST(Tag, packs_and_unpacks_every_field) {
  Tag tag{7, 0xabcdef, 0x12345678};
  Tag back = Tag::unpack(tag.pack());
  EXPECT_EQ(7, back.operation);
  EXPECT_EQ(0xabcdefu, back.generation);
  EXPECT_EQ(0x12345678u, back.slot);
}

TEST(Ring, probe_names_features_or_a_remedy) {
  auto features = Ring::probe();
  ASSERT_TRUE(features.ok()) << features.error();
}

class ReceivingRing : public testing::TestWithParam<BufferMode> {
 protected:
  void SetUp() override {
    features_ = Ring::probe().value();
    if (GetParam() == BufferMode::bundle && !features_.recv_bundle)
      GTEST_SKIP() << "kernel without recv bundles";
    if (GetParam() == BufferMode::incremental && !features_.incremental_buffers)
      GTEST_SKIP() << "kernel without incremental buffers";
  }
  Features features_;
};

TEST_P(ReceivingRing, hands_on_every_octet_in_order_and_gets_every_buffer_back) {
  Listener listener;
  auto ring = make_ring();
  BufferPool pool(8, 4096, false);
  auto buffers = BufferRing::create(*ring, pool, 1, GetParam());
  ASSERT_TRUE(buffers.ok()) << buffers.error();
  ring->accept_multishot(listener.fd, true, {1, 0, 0});
  int client = listener.connect_client();
  auto accepted = collect(*ring, 1);
  ASSERT_GE(accepted[0].result, 0);
  Descriptor socket{accepted[0].result, true};
  const bool bundle = GetParam() == BufferMode::bundle;
  ring->recv_multishot(socket, 1, bundle, {2, 0, 0});

  std::string sent;
  for (int i = 0; i < 40000; ++i) sent.push_back(static_cast<char>('a' + i % 23));
  std::string received;
  std::size_t at = 0;
  bool armed = true;
  while (received.size() < sent.size()) {
    if (at < sent.size()) {
      std::size_t part = std::min<std::size_t>(777 * (1 + at % 5), sent.size() - at);
      ASSERT_EQ(static_cast<ssize_t>(part), send(client, sent.data() + at, part, 0));
      at += part;
    }
    ring->wait(true, 64, [&](const Completion& c) {
      ASSERT_EQ(2, c.tag.operation);
      if (c.result > 0) {
        buffers.value()->consume(c, [&](Slice slice) {
          received.append(reinterpret_cast<const char*>(slice.data()), slice.size());
        });
      } else {
        ASSERT_EQ(-ENOBUFS, c.result);
      }
      if (!c.more()) armed = false;
    });
    buffers.value()->replenish();
    if (!armed) {
      ring->recv_multishot(socket, 1, bundle, {2, 0, 0});
      armed = true;
    }
  }
  EXPECT_EQ(sent, received);
  EXPECT_EQ(bundle ? 4u : 8u, buffers.value()->available());
  EXPECT_EQ(8u, buffers.value()->unused());
  ::close(client);
}

TEST_P(ReceivingRing, reports_an_empty_buffer_ring_and_goes_on_after_replenishing) {
  Listener listener;
  auto ring = make_ring();
  BufferPool pool(2, 4096, false);
  auto buffers = BufferRing::create(*ring, pool, 1, GetParam());
  ASSERT_TRUE(buffers.ok()) << buffers.error();
  ring->accept_multishot(listener.fd, true, {1, 0, 0});
  int client = listener.connect_client();
  Descriptor socket{collect(*ring, 1)[0].result, true};
  std::string sent(3 * 4096, 'x');
  ASSERT_EQ(static_cast<ssize_t>(sent.size()), send(client, sent.data(), sent.size(), 0));
  const bool bundle = GetParam() == BufferMode::bundle;
  ring->recv_multishot(socket, 1, bundle, {2, 0, 0});
  std::vector<Slice> held;
  bool starved = false;
  while (!starved) {
    bool ended = false;
    ring->wait(true, 64, [&](const Completion& c) {
      if (c.result > 0)
        buffers.value()->consume(c, [&](Slice slice) { held.push_back(std::move(slice)); });
      else
        starved = c.result == -ENOBUFS;
      ended = !c.more();
    });
    // A bundle that took the last buffer ends the multishot without an error.
    if (ended && !starved) ring->recv_multishot(socket, 1, bundle, {2, 0, 0});
  }
  std::size_t before = 0;
  for (const Slice& slice : held) before += slice.size();
  EXPECT_EQ(bundle ? 4096u : 2u * 4096, before);
  held.clear();
  buffers.value()->replenish();
  ring->recv_multishot(socket, 1, bundle, {2, 0, 0});
  auto rest = collect(*ring, 1);
  EXPECT_EQ(4096, rest[0].result);
  ::close(client);
}

INSTANTIATE_TEST_SUITE_P(Modes, ReceivingRing,
                         testing::Values(BufferMode::single, BufferMode::bundle,
                                         BufferMode::incremental));

TEST(Ring, one_bundle_leaves_buffers_for_the_others) {
  if (!Ring::probe().value().recv_bundle) GTEST_SKIP() << "kernel without recv bundles";
  Listener listener;
  auto ring = make_ring();
  BufferPool pool(8, 4096, false);
  auto buffers = BufferRing::create(*ring, pool, 1, BufferMode::bundle);
  ASSERT_TRUE(buffers.ok()) << buffers.error();
  ring->accept_multishot(listener.fd, true, {1, 0, 0});
  int client = listener.connect_client();
  Descriptor socket{collect(*ring, 1)[0].result, true};
  const std::string sent(20 * 4096, 'x');
  ASSERT_EQ(static_cast<ssize_t>(sent.size()), send(client, sent.data(), sent.size(), 0));
  std::vector<Slice> held;
  ring->recv_multishot(socket, 1, true, {2, 0, 0});
  for (int wait = 0; wait < 3; ++wait) {  // as often as it runs out, which asks for more of them
    ring->wait(true, 64, [&](const Completion& c) {
      if (c.result > 0)
        buffers.value()->consume(c, [&](Slice slice) { held.push_back(std::move(slice)); });
      else
        buffers.value()->ran_out();
      if (!c.more() && wait < 2) ring->recv_multishot(socket, 1, true, {2, 0, 0});
    });
  }
  EXPECT_EQ(held.size(), 4u);
  EXPECT_EQ(buffers.value()->unused(), 4u);
  buffers.value()->replenish();
  EXPECT_EQ(buffers.value()->available(), 4u);
  ::close(client);
}

TEST(Ring, tells_the_peer_of_a_direct_descriptor) {
  if (!Ring::probe().value().socket_commands) GTEST_SKIP() << "kernel without socket commands";
  Listener listener;
  auto ring = make_ring();
  ring->accept_multishot(listener.fd, true, {1, 0, 0});
  int client = listener.connect_client();
  sockaddr_in local{};
  socklen_t length = sizeof local;
  ASSERT_EQ(0, getsockname(client, reinterpret_cast<sockaddr*>(&local), &length));
  Descriptor socket{collect(*ring, 1)[0].result, true};
  sockaddr_storage peer{};
  ring->peer_name(socket, &peer, sizeof(sockaddr_in), {3, 0, 0});
  auto named = collect(*ring, 1);
  ASSERT_EQ(static_cast<int>(sizeof(sockaddr_in)), named[0].result);
  auto* address = reinterpret_cast<sockaddr_in*>(&peer);
  EXPECT_EQ(local.sin_port, address->sin_port);
  EXPECT_EQ(local.sin_addr.s_addr, address->sin_addr.s_addr);
  ::close(client);
}

TEST(Ring, send_now_is_silent_on_success_and_tells_what_did_not_fit) {
  Listener listener;
  auto ring = make_ring();
  ring->accept_multishot(listener.fd, true, {1, 0, 0});
  int client = listener.connect_client();
  Descriptor socket{collect(*ring, 1)[0].result, true};
  ring->send_now(socket, "hello", 5, {4, 0, 0});
  EXPECT_EQ(0, ring->wait(false, 64, [](const Completion&) {}));
  char text[6]{};
  EXPECT_EQ(5, recv(client, text, 5, MSG_WAITALL));
  EXPECT_STREQ("hello", text);
  // Far more than any socket buffer holds: what was sent plus what comes back is all there is.
  std::string flood(64 << 20, 'f');
  ring->send_now(socket, flood.data(), flood.size(), {5, 0, 0});
  auto told = collect(*ring, 1);
  EXPECT_EQ(5, told[0].tag.operation);
  EXPECT_LT(told[0].result, static_cast<int>(flood.size()));
  ring->send_now(socket, "x", 1, {6, 0, 0});
  auto refused = collect(*ring, 1);
  EXPECT_EQ(-EAGAIN, refused[0].result);
  std::string back(static_cast<std::size_t>(told[0].result), 0);
  EXPECT_EQ(static_cast<ssize_t>(back.size()), recv(client, back.data(), back.size(), MSG_WAITALL));
  EXPECT_EQ(-1, recv(client, text, 1, MSG_DONTWAIT));
  ::close(client);
}

TEST(Ring, cancel_ends_a_receive_and_close_sends_fin) {
  Listener listener;
  auto ring = make_ring();
  BufferPool pool(2, 4096, false);
  auto buffers = BufferRing::create(*ring, pool, 1, BufferMode::single);
  ring->accept_multishot(listener.fd, true, {1, 0, 0});
  int client = listener.connect_client();
  Descriptor socket{collect(*ring, 1)[0].result, true};
  ring->recv_multishot(socket, 1, false, {2, 0, 0});
  ring->cancel({2, 0, 0}, {9, 0, 0});
  ring->close(socket, {9, 0, 0});
  auto ended = collect(*ring, 1);
  EXPECT_EQ(-ECANCELED, ended[0].result);
  EXPECT_FALSE(ended[0].more());
  char octet;
  EXPECT_EQ(0, recv(client, &octet, 1, 0));
  ::close(client);
}

TEST(Ring, tells_how_many_completions_the_kernel_has_lost) {
  auto ring = make_ring();
  EXPECT_EQ(ring->overflow_count(), 0u);
  *ring->native()->cq.koverflow = 3;  // as the kernel would
  EXPECT_EQ(ring->overflow_count(), 3u);
}

}  // namespace
}  // namespace gatepost::ring
