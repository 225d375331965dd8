#include "sink/discard.hpp"

#include <gtest/gtest.h>

#include "sink_harness.hpp"

namespace gatepost {
namespace {

TEST(DiscardSink, receipts_once_from_poll_and_never_from_commit) {
  test::RecordingHost host;
  DiscardSink sink(host);
  EXPECT_EQ(sink.event_fd(), -1);
  EXPECT_FALSE(sink.has_ready());
  test::send(sink, test::TestEnvelope({{"a", "b"}}), 1, "hello");
  EXPECT_TRUE(host.receipts.empty());
  EXPECT_TRUE(sink.has_ready());
  EXPECT_EQ(sink.messages_open(), 1u);
  sink.poll();
  EXPECT_TRUE(host.taken_over(1));
  EXPECT_FALSE(sink.has_ready());
  EXPECT_EQ(sink.messages_open(), 0u);
  EXPECT_EQ(sink.messages_discarded(), 1u);
  EXPECT_EQ(sink.bytes_discarded(), 5u);
  sink.poll();
  EXPECT_EQ(host.receipts.size(), 1u);
}

TEST(DiscardSink, lets_go_of_content_at_once) {
  test::RecordingHost host;
  test::SliceSource slices(2, 4096);
  DiscardSink sink(host);
  Receipt refusal;
  const test::TestEnvelope envelope({{"a", "b"}});
  SinkMessage* const message = sink.open(envelope.get(), 1, refusal);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(slices.available());
    EXPECT_EQ(sink.append(message, slices.slice("x")), Flow::go_on);
  }
  EXPECT_EQ(sink.bytes_held(), 0u);
  sink.abort(message);
}

TEST(DiscardSink, reports_nothing_of_aborted_messages) {
  test::RecordingHost host;
  DiscardSink sink(host);
  Receipt refusal;
  const test::TestEnvelope envelope({{"a", "b"}});
  sink.abort(sink.open(envelope.get(), 1, refusal));
  sink.abort(test::send(sink, envelope, 2, "late"));
  test::send(sink, envelope, 3, "stays");
  EXPECT_EQ(sink.messages_open(), 1u);
  sink.poll();
  EXPECT_EQ(host.receipts.size(), 1u);
  EXPECT_TRUE(host.taken_over(3));
  EXPECT_EQ(sink.messages_discarded(), 1u);
}

// The host goes on with the connection from inside receipt().
TEST(DiscardSink, may_be_used_from_inside_receipt) {
  struct Host : test::RecordingHost {
    Sink* sink = nullptr;
    SinkMessage* victim = nullptr;
    void receipt(SinkToken token, std::span<const Receipt> given) override {
      RecordingHost::receipt(token, given);
      if (token != 1) return;
      sink->abort(victim);
      test::send(*sink, test::TestEnvelope({{"a", "b"}}), 9, "next");
    }
  } host;
  DiscardSink sink(host);
  host.sink = &sink;
  test::send(sink, test::TestEnvelope({{"a", "b"}}), 1, "one");
  host.victim = test::send(sink, test::TestEnvelope({{"a", "b"}}), 2, "two");
  sink.poll();
  EXPECT_TRUE(sink.has_ready());
  sink.poll();
  EXPECT_TRUE(host.taken_over(1));
  EXPECT_FALSE(host.receipts.contains(2));
  EXPECT_TRUE(host.taken_over(9));
  EXPECT_EQ(sink.messages_open(), 0u);
}

}  // namespace
}  // namespace gatepost
