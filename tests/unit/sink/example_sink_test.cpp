// Proves the page "How to write a sink": the example keeps the contract.
#include "example_sink.hpp"

#include <gtest/gtest.h>

#include "sink_harness.hpp"

namespace gatepost {
namespace {

using test::ExampleSink;
using test::files_below;
using test::loop_until;
using test::TestEnvelope;

class Example : public testing::Test {
 protected:
  test::TemporaryDirectory directory;
  test::RecordingHost host;
  test::SliceSource slices{8, 4096};
  TestEnvelope envelope{{"bob", "example.org"}};
};

TEST_F(Example, takes_a_message_over_and_reports_once) {
  ExampleSink sink(directory.path(), host);
  Receipt refusal;
  SinkMessage* const message = sink.open(envelope.get(), 5, refusal);
  EXPECT_EQ(sink.append(message, slices.slice("one\r\n")), Flow::go_on);
  EXPECT_EQ(sink.append(message, slices.slice("two\r\n")), Flow::go_on);
  EXPECT_EQ(sink.bytes_held(), 10u);
  sink.commit(message);
  EXPECT_TRUE(host.receipts.empty());
  ASSERT_TRUE(loop_until(sink, [&] { return host.receipts.contains(5); }));
  EXPECT_TRUE(host.taken_over(5));
  ASSERT_EQ(files_below(directory.path()).size(), 1u);
  EXPECT_EQ(test::read_file(files_below(directory.path())[0]),
            "Received: from client.example.net\r\n\tby gatepost\r\none\r\ntwo\r\n");
  EXPECT_EQ(slices.unused(), slices.count());
  EXPECT_EQ(sink.messages_open(), 0u);
  EXPECT_EQ(sink.bytes_held(), 0u);
}

TEST_F(Example, aborted_messages_leave_nothing_and_are_not_reported) {
  {
    ExampleSink sink(directory.path(), host);
    Receipt refusal;
    SinkMessage* const message = sink.open(envelope.get(), 1, refusal);
    sink.append(message, slices.slice("one\r\n"));
    sink.abort(message);
    EXPECT_EQ(slices.unused(), slices.count());
    sink.abort(test::send(sink, envelope, 2, "two\r\n"));
    ASSERT_TRUE(loop_until(sink, [&] { return sink.messages_open() == 0; }));
  }
  EXPECT_TRUE(host.receipts.empty());
  EXPECT_EQ(files_below(directory.path()).size(), host.notes.size());
}

TEST_F(Example, failures_name_their_path) {
  ExampleSink sink(directory.path() + "/missing", host);
  test::send(sink, envelope, 1, "x");
  ASSERT_TRUE(loop_until(sink, [&] { return host.receipts.contains(1); }));
  EXPECT_EQ(host.receipts[1][0].disposition, Disposition::local_error);
  EXPECT_NE(host.receipts[1][0].cause.find(directory.path()), std::string::npos);
}

}  // namespace
}  // namespace gatepost
