// Rows and pages that a real frontend does not send on demand, through gRPC and the streams: each
// run counts once, or what is missing is said.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/exporters/temporal/faults_harness.h"

namespace sidecar::temporal {
namespace {

constexpr int kTenMinutes = 600;
constexpr const char* kList = "ListWorkflowExecutions";

class FrontendVersions : public testing::TestWithParam<const char*> {};

TEST_P(FrontendVersions, CountExactlyAndAuditIt) {
  FaultsHarness temporal(GetParam());
  ASSERT_TRUE(temporal.Work());
  temporal.Add(200);
  EXPECT_FALSE(temporal.Run(kTenMinutes));
  temporal.ExpectExact();
  // Elsewhere a tail is one look a minute.
  EXPECT_EQ(temporal.store.runs.tails > 20, std::string(GetParam()) == "1.32.0");
}

// 1.24 is the oldest that is supported; the query converter is another from 1.32 on.
INSTANTIATE_TEST_SUITE_P(Of, FrontendVersions,
                         testing::Values("1.24.0", "1.27.1", "1.29.1", "1.30.2", "1.31.2",
                                         "1.32.0"));

TEST(FrontendRows, LateRowsCountOnceAndAreSaid) {
  FaultsHarness temporal;
  ASSERT_TRUE(temporal.Work());
  temporal.Add(200);
  int late = 0;
  for (SimulatedRun& run : temporal.store.runs.runs) {
    if (++late % 4 != 0) continue;
    run.visible = run.start + 25 * kSecondUs;
    run.close_visible = run.close == 0 ? 0 : run.close + 25 * kSecondUs;
  }
  EXPECT_FALSE(temporal.Run(kTenMinutes));
  temporal.ExpectExact();
  for (const StreamStats& stream : {temporal.Snapshot().started, temporal.Snapshot().closed}) {
    EXPECT_GT(stream.late, 20U);
    EXPECT_GT(stream.max_lateness_seconds, 10);
  }
}

TEST(FrontendRows, RowsLaterThanTheLateWindowAreSaidToBeMissing) {
  FaultsHarness temporal;
  EXPECT_FALSE(temporal.Run(60));  // audits begin with the first whole minute
  temporal.Add(20);
  for (SimulatedRun& run : temporal.store.runs.runs) {
    run.visible = run.start + 95 * kSecondUs;
    run.close_visible = 0;
    if (run.close != 0) run.close_visible = run.visible;
  }
  EXPECT_FALSE(temporal.Run(kTenMinutes));
  const NamespaceSnapshot snapshot = temporal.Snapshot();
  EXPECT_LT(temporal.Counted().started, 20U);
  EXPECT_EQ(temporal.Counted().started + snapshot.started.missing, 20U);
}

TEST(FrontendRows, DuplicateRowsCountOnce) {
  FaultsHarness temporal;
  ASSERT_TRUE(temporal.Work());
  temporal.Add(200);
  temporal.store.runs.repeats = [] { return true; };  // the last of a page, on the next
  temporal.store.each_page = [](int, FakeStore::List& page) {
    const int rows = page.executions_size();
    for (int i = 0; i < rows; ++i) *page.add_executions() = FakeStore::Row(page.executions(i));
  };
  EXPECT_FALSE(temporal.Run(kTenMinutes));
  temporal.ExpectExact();
}

TEST(FrontendRows, RowsWithEqualTimesOverAPageBoundaryCountOnceEach) {
  for (const char* version : {"1.31.2", "1.32.0"}) {
    FaultsHarness temporal(version);
    ASSERT_TRUE(temporal.Work());
    int over_boundary = 0;
    temporal.store.each_page = [&](int asked, const FakeStore::List& page) {
      over_boundary += page.executions_size() == asked ? 1 : 0;
    };
    for (int burst = 0; burst < 3; ++burst) {
      temporal.Add(40, Millis(0));
      EXPECT_FALSE(temporal.Run(60));
    }
    EXPECT_FALSE(temporal.Run(kTenMinutes));
    temporal.ExpectExact();
    EXPECT_GE(over_boundary, 2 * 3 * 40 / 7);
  }
}

TEST(FrontendRows, EmptyLastPageEndsTheRead) {
  FaultsHarness temporal;
  temporal.options.page_size = 5;
  ASSERT_TRUE(temporal.Work());
  temporal.Add(5, Millis(0));
  int empty = 0;
  temporal.server->On(kList, [&](const FakeFrontend::Call& call) {
    ws::ListWorkflowExecutionsRequest request;
    FakeStore::List response;
    EXPECT_TRUE(request.ParseFromString(call.body));
    Reply reply = temporal.store.Answer(call);
    EXPECT_TRUE(response.ParseFromString(reply.body));
    empty += !request.next_page_token().empty() && response.executions().empty() ? 1 : 0;
    return reply;
  });
  EXPECT_FALSE(temporal.Run(kTenMinutes));
  EXPECT_GT(empty, 0);
  temporal.ExpectExact();
}

// Field 10 of a row, which the exporter does not read, is what makes pages large.
void AddMemo(FakeStore::Row& row, std::size_t bytes) {
  std::string wire = row.SerializeAsString() + "\x52";
  for (std::size_t left = bytes; true; left >>= 7U) {
    wire += static_cast<char>((left & 0x7fU) | (left > 0x7f ? 0x80U : 0U));
    if (left <= 0x7f) break;
  }
  wire.append(bytes, 'm');
  EXPECT_TRUE(row.ParseFromString(wire));
}

TEST(FrontendRows, PagesOverFourMegabytesAreTaken) {
  FaultsHarness temporal;
  temporal.options.page_size = 20;
  std::size_t largest = 0;
  temporal.store.each_row = [](FakeStore::Row& row) { AddMemo(row, 450'000); };
  temporal.store.each_page = [&](int, const FakeStore::List& page) {
    largest = std::max(largest, page.ByteSizeLong());
  };
  ASSERT_TRUE(temporal.Work());
  temporal.Add(10, Millis(10));
  EXPECT_FALSE(temporal.Run(kTenMinutes / 2));
  EXPECT_GT(largest, 4U << 20U);
  temporal.ExpectExact();
}

TEST(FrontendRows, PagesThatAProxyRefusesAreAskedForInHalves) {
  FaultsHarness temporal;
  temporal.options.page_size = 100;
  temporal.store.each_row = [](FakeStore::Row& row) { AddMemo(row, 200'000); };
  int refused = 0;
  temporal.server->On(kList, [&](const FakeFrontend::Call& call) {
    Reply reply = temporal.store.Answer(call);
    if (reply.body.size() <= 4U << 20U) return reply;
    ++refused;
    return Reply{.code = Code::kResourceExhausted,
                 .message = "grpc: received message larger than max (" +
                            std::to_string(reply.body.size()) + " vs. 4194304)"};
  });
  ASSERT_TRUE(temporal.Work());
  temporal.Add(60, Millis(10));
  EXPECT_FALSE(temporal.Run(kTenMinutes));
  EXPECT_GT(refused, 0);
  EXPECT_EQ(temporal.Own("temporal_exporter_rpc_throttled_total", {}), 0) << "it is no throttling";
  temporal.ExpectExact();
}

TEST(FrontendRows, NegativeDurationsCountAsNothing) {
  FaultsHarness temporal;
  temporal.store.each_row = [](FakeStore::Row& row) {
    if (!row.has_close_time()) return;
    // A delayed run that is closed before its time.
    row.mutable_execution_duration()->set_seconds(-11);
    row.mutable_execution_duration()->set_nanos(-590'000'000);
  };
  ASSERT_TRUE(temporal.Work());
  temporal.Add(60);
  for (SimulatedRun& run : temporal.store.runs.runs) {
    if (run.close != 0) run.execution = run.close + 11'590'000;
  }
  EXPECT_FALSE(temporal.Run(kTenMinutes));
  temporal.ExpectExact();
  std::uint64_t count = 0;
  for (const auto& row : *temporal.Snapshot().workflows.times) {
    count += row->cell.histogram.count();
    EXPECT_EQ(row->cell.histogram.sum(), 0);
  }
  EXPECT_EQ(count, 54U);
}

TEST(FrontendRows, RowsThatCannotBeAreLeftOutAndSaid) {
  FaultsHarness temporal;
  ASSERT_TRUE(temporal.Work());
  temporal.Add(100);
  temporal.store.each_page = [](int, FakeStore::List& page) {
    page.add_executions();  // nothing at all
    auto& no_run = *page.add_executions();
    no_run.mutable_close_time()->set_seconds(INT64_MAX);
    no_run.mutable_execution_time()->set_seconds(INT64_MIN);
    no_run.set_status(static_cast<enums::WorkflowExecutionStatus>(77));
  };
  EXPECT_FALSE(temporal.Run(kTenMinutes));
  temporal.ExpectExact();
  EXPECT_GT(temporal.Snapshot().closed.dropped_decode, 0U);
}

}  // namespace
}  // namespace sidecar::temporal
