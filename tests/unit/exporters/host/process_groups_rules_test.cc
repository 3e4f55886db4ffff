#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/metrics/utf8.h"
#include "exporters/host/process_rules.h"

namespace sidecar::host {
namespace {

using ::testing::HasSubstr;

ProcessRules Rules(std::initializer_list<ProcessRule> list) {
  ProcessRules rules;
  for (const ProcessRule& rule : list) {
    const auto added = rules.Add(rule);
    EXPECT_TRUE(added) << added.error().message;
  }
  return rules;
}

std::string Why(const ProcessRule& rule) {
  ProcessRules rules;
  const auto added = rules.Add(rule);
  return added ? "accepted" : added.error().message;
}

ProcessIdentity Postgres() {
  return {.pid = 42,
          .comm = "postgres",
          .arguments = {"/usr/lib/postgresql/15/bin/postgres", "-D", "/data", "-p", "5433"},
          .cgroups = {"/a", "/system.slice/pg"},
          .username = "pg",
          .start_hundredths = 176'722'250'050};
}

TEST(ProcessRules, TheFirstThatMatchesNamesTheGroup) {
  const ProcessRules rules = Rules({{.name = "other", .comm = {"nginx"}},
                                    {.name = "first", .comm = {"x", "postgres"}},
                                    {.name = "second", .comm = {"postgres"}}});
  EXPECT_EQ(rules.GroupOf(Postgres()), "first");
  EXPECT_EQ(rules.GroupOf({.comm = "bash"}), std::nullopt);
}

TEST(ProcessRules, ExeIsABaseNameOrAWholePath) {
  const auto matches = [](const std::string& exe) {
    return Rules({{.name = "g", .exe = {"x", exe}}}).GroupOf(Postgres()).has_value();
  };
  EXPECT_TRUE(matches("postgres"));
  EXPECT_TRUE(matches("/usr/lib/postgresql/15/bin/postgres"));
  EXPECT_FALSE(matches("/usr/bin/postgres"));
  EXPECT_FALSE(matches("bin/postgres"));
  EXPECT_EQ(Rules({{.name = "g", .exe = {"kthreadd"}}}).GroupOf({.comm = "kthreadd"}),
            std::nullopt);
}

TEST(ProcessRules, AllExpressionsOfCmdlineAreSearched) {
  EXPECT_TRUE(Rules({{.name = "g", .cmdline = {"-D /data", "5433$"}}}).GroupOf(Postgres()));
  EXPECT_FALSE(Rules({{.name = "g", .cmdline = {"-D /data", "5432$"}}}).GroupOf(Postgres()));
  EXPECT_FALSE(Rules({{.name = "g", .cmdline = {".+"}}}).GroupOf({.comm = "kthreadd"}));
}

TEST(ProcessRules, ListsOfDifferentKindsMustAllMatch) {
  EXPECT_TRUE(Rules({{.name = "g", .comm = {"postgres"}, .cmdline = {"-D"}}}).GroupOf(Postgres()));
  EXPECT_FALSE(Rules({{.name = "g", .comm = {"bash"}, .cmdline = {"-D"}}}).GroupOf(Postgres()));
}

TEST(ProcessRules, NamesAreTemplates) {
  const ProcessRules rules =
      Rules({{.name = "{{.Comm}}|{{ .ExeBase }}|{{.ExeFull}}|{{.Username}}|{{.PID}}|{{.StartTime}}|"
                      "{{.Matches.port}}|{{index .Cgroups 1}}|{{index .Cgroups 9}}",
              .cmdline = {"-p (?P<port>\\d+)"}}});
  EXPECT_EQ(rules.GroupOf(Postgres()),
            "postgres|postgres|/usr/lib/postgresql/15/bin/postgres|pg|42|"
            "2025-12-31 23:08:20.5 +0000 UTC|5433|/system.slice/pg|");
  EXPECT_EQ(Rules({{.comm = {"postgres"}}}).GroupOf(Postgres()), "postgres") << "the default name";
  EXPECT_EQ(Rules({{.comm = {"kthreadd"}}}).GroupOf({.comm = "kthreadd"}), "kthreadd")
      << "the exe of a process without arguments is its name";
}

TEST(ProcessRules, OfTwoGroupsOfOneNameTheLastCounts) {
  const ProcessRules rules =
      Rules({{.name = "{{.Matches.a}}", .cmdline = {"-D (?P<a>\\S+)", "-p (?P<a>\\S+)"}}});
  EXPECT_EQ(rules.GroupOf(Postgres()), "5433");
}

TEST(ProcessRules, CapturesOfOneProcessDoNotReachTheNext) {
  const ProcessRules rules = Rules({{.name = "x{{.Matches.a}}", .cmdline = {"(-D (?P<a>\\S+))?"}}});
  EXPECT_EQ(rules.GroupOf({.comm = "a", .arguments = {"-D", "b"}}), "xb");
  EXPECT_EQ(rules.GroupOf({.comm = "a", .arguments = {"b"}}), "x");
}

TEST(ProcessRules, SayWhatTheyDoNotUnderstand) {
  EXPECT_THAT(Why({.name = "g"}), HasSubstr("comm, exe or cmdline"));
  EXPECT_THAT(Why({.name = "{{.Exe}}", .comm = {"x"}}), HasSubstr("{{.Exe}} is none of"));
  EXPECT_THAT(Why({.name = "{{.Comm", .comm = {"x"}}), HasSubstr("without }}"));
  EXPECT_THAT(Why({.name = "{{index .Cgroups -1}}", .comm = {"x"}}), HasSubstr("none of"));
  EXPECT_THAT(Why({.name = "{{.Matches.a}}", .comm = {"x"}}), HasSubstr("(?P<a>"));
  EXPECT_THAT(Why({.name = "g", .cmdline = {"("}}), HasSubstr("cmdline: missing )"));
}

TEST(ProcessRules, NamesAreBoundedUtf8AndNeverEmpty) {
  const ProcessRules rules = Rules({{.name = "{{.Username}}", .cmdline = {""}}});
  EXPECT_EQ(rules.GroupOf({.comm = "a\xff"}), "a\xef\xbf\xbd");
  EXPECT_EQ(rules.GroupOf({}), "?");
  std::string user = "x";
  for (int i = 0; i < 300; ++i) user += "\xc3\xa4";
  const auto name = rules.GroupOf({.comm = "a", .username = user});
  ASSERT_TRUE(name);
  EXPECT_EQ(name->size(), 255U);
  EXPECT_TRUE(IsUtf8(*name));
}

TEST(ProcessRules, ReadOnlyWhatTheyLookAt) {
  const auto comm = Rules({{.name = "{{.Comm}}", .comm = {"x"}}}).needs();
  EXPECT_FALSE(comm.arguments || comm.username || comm.cgroups);
  EXPECT_TRUE(Rules({{.comm = {"x"}}}).needs().arguments) << "ExeBase";
  EXPECT_TRUE(Rules({{.name = "g", .cmdline = {"x"}}}).needs().arguments);
  EXPECT_TRUE(Rules({{.name = "{{.Username}}", .comm = {"x"}}}).needs().username);
  EXPECT_TRUE(Rules({{.name = "{{index .Cgroups 0}}", .comm = {"x"}}}).needs().cgroups);
}

TEST(ProcessRules, AreTheSameIfTheirTextIs) {
  EXPECT_EQ(Rules({{.comm = {"a", "b"}}}).fingerprint(),
            Rules({{.comm = {"a", "b"}}}).fingerprint());
  EXPECT_NE(Rules({{.comm = {"a", "b"}}}).fingerprint(), Rules({{.comm = {"ab"}}}).fingerprint());
  EXPECT_NE(Rules({{.comm = {"a"}}}).fingerprint(), Rules({{.exe = {"a"}}}).fingerprint());
}

}  // namespace
}  // namespace sidecar::host
