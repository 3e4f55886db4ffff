#include "exporters/temporal/gate.h"

#include <gtest/gtest.h>

#include "exporters/temporal/queue_book.h"

namespace sidecar::temporal {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr Mono kNow{hours(5)};

TEST(Gates, RefusalShutsOneCollectorInOneNamespace) {
  Gates gates;
  EXPECT_TRUE(gates.Record("task_queues", "a", Errc::kUnsupported, kNow));
  EXPECT_FALSE(gates.Open("task_queues", "a", kNow));
  EXPECT_TRUE(gates.Open("task_queues", "b", kNow));
  EXPECT_TRUE(gates.Open("open_workflows", "a", kNow));
  ASSERT_EQ(gates.shut().size(), 1U);
  EXPECT_EQ(gates.shut()[0].reason, Errc::kUnsupported);
}

TEST(Gates, IsTriedAgainAfterTenMinutesAndLaterEveryThirty) {
  Gates gates;
  Mono now = kNow;
  for (const int wait : {10, 20, 30, 30}) {
    gates.Record("x", "a", Errc::kDenied, now);
    EXPECT_FALSE(gates.Open("x", "a", now + minutes(wait) - Millis(1)));
    now += minutes(wait);
    EXPECT_TRUE(gates.Open("x", "a", now));
  }
  EXPECT_EQ(gates.shut().size(), 1U) << "off until it works";
  EXPECT_FALSE(gates.Record("x", "a", Errc::kDenied, now)) << "not news";
  gates.Record("x", "a", std::nullopt, now);
  EXPECT_TRUE(gates.shut().empty());
}

TEST(Gates, FailuresThatPassSayNothing) {
  Gates gates;
  for (const Errc code : {Errc::kUnavailable, Errc::kTimeout, Errc::kLimit, Errc::kNoData}) {
    EXPECT_FALSE(gates.Record("x", "a", code, kNow));
    EXPECT_TRUE(gates.Open("x", "a", kNow));
  }
}

TEST(QueueBook, NamesAreForgottenADayAfterTheyWereSeen) {
  QueueBook book;
  book.Saw("a", "old", kNow);
  book.Saw("a", "kept", kNow);
  book.Saw("a", "kept", kNow + hours(20));
  book.Saw("b", "other", kNow);
  EXPECT_EQ(book.Of("a", kNow + hours(24)), (std::vector<std::string>{"kept", "old"}));
  EXPECT_EQ(book.Of("a", kNow + hours(25)), std::vector<std::string>{"kept"});
  EXPECT_EQ(book.Of("c", kNow), std::vector<std::string>{});
}

TEST(Gates, OfANamespaceThatIsGoneNothingStays) {
  Gates gates;
  for (const char* name : {"a", "b"}) gates.Record("x", name, Errc::kDenied, kNow);
  gates.Forget("a");
  EXPECT_TRUE(gates.Open("x", "a", kNow));
  ASSERT_EQ(gates.shut().size(), 1U);
}

TEST(QueueBook, WhatIsExcludedTakesNoPlace) {
  QueueBook book(3);
  for (int i = 0; i < 10; ++i) book.Saw("a", "host-" + std::to_string(i), kNow);
  book.Exclude({"host-*"});
  EXPECT_TRUE(book.excluded("host-77"));
  for (int i = 0; i < 10; ++i) book.Saw("a", "host-" + std::to_string(i), kNow);
  for (const char* queue : {"x", "y", "z"}) book.Saw("a", queue, kNow);
  EXPECT_EQ(book.Of("a", kNow), (std::vector<std::string>{"x", "y", "z"}));
  EXPECT_EQ(book.left_out("a"), 7U) << "sightings before the globs were known";
  book.Forget("a");
  EXPECT_TRUE(book.Of("a", kNow).empty());
}

TEST(QueueBook, IsBoundedAndSaysWhatFoundNoRoom) {
  QueueBook book(3);
  for (int i = 0; i < 10; ++i) book.Saw("a", "q" + std::to_string(i), kNow);
  book.Saw("a", "q1", kNow);
  book.Saw("a", "", kNow);
  EXPECT_EQ(book.Of("a", kNow).size(), 3U);
  EXPECT_EQ(book.left_out("a"), 7U);
  EXPECT_EQ(book.left_out("b"), 0U);
}

}  // namespace
}  // namespace sidecar::temporal
