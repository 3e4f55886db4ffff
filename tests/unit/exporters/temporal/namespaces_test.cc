#include "exporters/temporal/namespaces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/unit/exporters/temporal/frontend_harness.h"

namespace sidecar::temporal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void Add(ws::ListNamespacesResponse& list, const std::string& name,
         enums::NamespaceState state = enums::NAMESPACE_STATE_REGISTERED) {
  auto* const info = list.add_namespaces()->mutable_namespace_info();
  info->set_name(name);
  info->set_state(state);
}
std::vector<std::string> Names(const Namespaces::Known& known) {
  std::vector<std::string> names;
  for (const Namespace& one : known.watched) names.push_back(one.name);
  return names;
}
Reply Denied(const Request&) {
  return {.code = Code::kPermissionDenied, .message = "Request unauthorized."};
}

TEST(Namespaces, AllPagesAreReadAndTheExcludedLeftOut) {
  FrontendHarness temporal("1.32.0", {.exclude = {"temporal-system", "tmp-*"}});
  temporal.transport->On("ListNamespaces", [](const Request& request) {
    ws::ListNamespacesRequest asked;
    EXPECT_TRUE(asked.ParseFromString(request.body));
    ws::ListNamespacesResponse list;
    if (asked.next_page_token().empty()) {
      Add(list, "orders");
      Add(list, "temporal-system");
      Add(list, "tmp-7");
      list.set_next_page_token("2");
    } else {
      Add(list, "billing", enums::NAMESPACE_STATE_DEPRECATED);
      Add(list, "gone", enums::NAMESPACE_STATE_DELETED);
      Add(list, "orders");
    }
    return Ok(list);
  });
  EXPECT_THAT(Names(temporal.env->namespaces().Expected({"tmp-8", "orders", "billing"})),
              ElementsAre("billing", "orders"));
  const auto known = temporal.env->namespaces().Get(temporal.Scrape());
  ASSERT_TRUE(known) << known.error().message;
  EXPECT_THAT(Names(**known), ElementsAre("billing", "orders"));
  EXPECT_EQ((*known)->registered, 4);
  EXPECT_EQ((*known)->deprecated, 1);
  EXPECT_EQ((*known)->deleted, 1);
}

TEST(Namespaces, MoreThanTheBoundAreLeftOutByName) {
  FrontendHarness temporal("1.32.0", {.most = 2});
  ws::ListNamespacesResponse list;
  for (const char* name : {"d", "a", "c", "b"}) Add(list, name);
  temporal.transport->Answer("ListNamespaces", list);
  const auto known = temporal.env->namespaces().Get(temporal.Scrape());
  ASSERT_TRUE(known);
  EXPECT_THAT(Names(**known), ElementsAre("a", "b"));
  EXPECT_EQ((*known)->left_out, 2U);
}

TEST(Namespaces, ListThatNeverEndsIsCut) {
  FrontendHarness temporal("1.32.0");
  ws::ListNamespacesResponse list;
  Add(list, "a");
  list.set_next_page_token("again");
  temporal.transport->Answer("ListNamespaces", list);
  const auto known = temporal.env->namespaces().Get(temporal.Scrape());
  ASSERT_TRUE(known);
  EXPECT_THAT(Names(**known), ElementsAre("a"));
}

TEST(Namespaces, RefusedListSaysWhatToDo) {
  FrontendHarness temporal("1.32.0");
  temporal.transport->On("ListNamespaces", Denied);
  const auto known = temporal.env->namespaces().Get(temporal.Scrape());
  ASSERT_FALSE(known);
  EXPECT_EQ(known.error().code, Errc::kDenied);
  EXPECT_THAT(known.error().message, HasSubstr("temporal.namespaces"));
}

// Temporal Cloud's shape: neither the list nor the cluster is for namespace credentials.
TEST(Namespaces, ConfiguredOnesNeedNoListAndNoDescription) {
  FrontendHarness temporal("1.32.0", {.names = {"b.acct", "a.acct", "b.acct"}});
  temporal.transport->On("ListNamespaces", [](const Request&) -> Reply {
    ADD_FAILURE() << "asked";
    return {};
  });
  temporal.transport->On("GetClusterInfo", Denied);
  temporal.transport->On("DescribeNamespace", Denied);
  const auto known = temporal.env->namespaces().Get(temporal.Scrape());
  ASSERT_TRUE(known) << known.error().message;
  EXPECT_THAT(Names(**known), ElementsAre("a.acct", "b.acct"));
  EXPECT_FALSE((*known)->watched[0].described);
  EXPECT_FALSE((*known)->failure);
  EXPECT_FALSE((*known)->registered);
}

TEST(Namespaces, ConfiguredOneThatDoesNotExistIsAFailureAndStillWatched) {
  FrontendHarness temporal("1.32.0", {.names = {"typo"}});
  temporal.transport->On("DescribeNamespace", [](const Request&) -> Reply {
    return {.code = Code::kNotFound, .message = "Namespace typo is not found."};
  });
  const auto known = temporal.env->namespaces().Get(temporal.Scrape());
  ASSERT_TRUE(known);
  EXPECT_THAT(Names(**known), ElementsAre("typo"));
  ASSERT_TRUE((*known)->failure);
  EXPECT_THAT((*known)->failure->message, HasSubstr("typo"));
}

TEST(Namespaces, ConfiguredOnesAreWatchedBeforeTheServerAnswers) {
  FrontendHarness temporal("1.32.0", {.names = {"a"}});
  temporal.transport->On("GetSystemInfo",
                         [](const Request&) -> Reply { return {.code = Code::kInternal}; });
  const auto known = temporal.env->namespaces().Get(temporal.Scrape());
  ASSERT_TRUE(known) << known.error().message;
  EXPECT_THAT(Names(**known), ElementsAre("a"));
  ASSERT_TRUE((*known)->failure);
  EXPECT_EQ((*known)->failure->code, Errc::kUnavailable);
}

TEST(Namespaces, DescriptionStaysThroughAFailure) {
  FrontendHarness temporal("1.32.0", {.names = {"a"}});
  ws::DescribeNamespaceResponse described;
  described.mutable_namespace_info()->set_id("n-7");
  described.mutable_config()->mutable_workflow_execution_retention_ttl()->set_seconds(60);
  temporal.transport->Answer("DescribeNamespace", described);
  ASSERT_TRUE(temporal.env->namespaces().Get(temporal.Scrape()));
  for (const char* method : {"DescribeNamespace", "GetSystemInfo"}) {
    temporal.clock.Advance(Millis(60'000));
    temporal.transport->On(method,
                           [](const Request&) -> Reply { return {.code = Code::kInternal}; });
    const auto known = temporal.env->namespaces().Get(temporal.Scrape());
    ASSERT_TRUE(known);
    EXPECT_TRUE((*known)->failure);
    EXPECT_TRUE((*known)->watched[0].described);
    EXPECT_EQ((*known)->watched[0].id, "n-7");
  }
}

TEST(Namespaces, OneThatTheLastListLackedSaysWhenThatWasRead) {
  FrontendHarness temporal("1.32.0");
  const auto list = [&](const std::vector<std::string>& names) {
    ws::ListNamespacesResponse response;
    for (const std::string& name : names) Add(response, name);
    temporal.transport->Answer("ListNamespaces", response);
    return temporal.env->namespaces().Get(temporal.Scrape());
  };
  const std::int64_t first = std::chrono::duration_cast<std::chrono::microseconds>(
                                 temporal.clock.wall().time_since_epoch())
                                 .count();
  const auto one = list({"a"});
  ASSERT_TRUE(one);
  EXPECT_EQ((*one)->watched[0].since_us, 0);
  for (int i = 0; i < 2; ++i) {
    temporal.clock.Advance(Millis(60'000));
    const auto two = list({"a", "b"});
    ASSERT_TRUE(two);
    EXPECT_EQ((*two)->watched[0].since_us, 0);
    EXPECT_EQ((*two)->watched[1].since_us, first);
  }
}

TEST(Namespaces, AreReadOnceAMinuteAndKeptThroughAFailure) {
  FrontendHarness temporal("1.32.0");
  ASSERT_TRUE(temporal.env->namespaces().Get(temporal.Scrape()));
  const std::size_t calls = temporal.transport->calls().size();
  ASSERT_TRUE(temporal.env->namespaces().Get(temporal.Scrape()));
  EXPECT_EQ(temporal.transport->calls().size(), calls);

  temporal.clock.Advance(Millis(60'000));
  temporal.transport->On("ListNamespaces", Denied);
  const auto older = temporal.env->namespaces().Get(temporal.Scrape());
  ASSERT_TRUE(older);
  EXPECT_THAT(Names(**older), ElementsAre("default"));
  EXPECT_TRUE((*older)->failure);

  Answer(*temporal.transport, "1.32.0");
  temporal.clock.Advance(Millis(10'000));
  const auto again = temporal.env->namespaces().Get(temporal.Scrape());
  ASSERT_TRUE(again);
  EXPECT_FALSE((*again)->failure);
}

TEST(Namespaces, SecondCallerWaitsForTheFirstReadAndNoLongerThanItsTime) {
  FrontendHarness temporal("1.32.0");
  std::promise<void> asked, answer;
  auto go = answer.get_future().share();
  temporal.transport->On("ListNamespaces", [&asked, go](const Request&) {
    asked.set_value();
    go.wait();
    ws::ListNamespacesResponse list;
    Add(list, "a");
    return Ok(list);
  });
  auto first = std::async(std::launch::async, [&] {
    return temporal.env->namespaces().Get(temporal.Scrape(Millis(20'000)));
  });
  asked.get_future().wait();
  auto hurried = std::async(std::launch::async, [&] {
    return temporal.env->namespaces().Get(
        Scrape(temporal.clock, temporal.clock.mono() + Millis(1'000), {}, 7));
  });
  ASSERT_TRUE(temporal.clock.AwaitBlocked(1));
  temporal.clock.Advance(Millis(1'000));
  const auto none = hurried.get();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::kTimeout);
  auto patient = std::async(std::launch::async, [&] {
    return temporal.env->namespaces().Get(
        Scrape(temporal.clock, temporal.clock.mono() + Millis(9'000), {}, 8));
  });
  ASSERT_TRUE(temporal.clock.AwaitBlocked(1));
  answer.set_value();
  EXPECT_TRUE(first.get());
  const auto shared = patient.get();
  ASSERT_TRUE(shared);
  EXPECT_THAT(Names(**shared), ElementsAre("a"));
}

}  // namespace
}  // namespace sidecar::temporal
