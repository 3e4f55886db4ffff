#include "exporters/postgres/sqlstate.h"

#include <gtest/gtest.h>

namespace sidecar::postgres {
namespace {

TEST(SqlstateTest, TellsWhatCanBeDoneAboutIt) {
  const std::pair<const char*, Errc> cases[] = {
      {"57014", Errc::kTimeout},     {"55P03", Errc::kTimeout},     {"42501", Errc::kDenied},
      {"28P01", Errc::kDenied},      {"42P01", Errc::kUnsupported}, {"42703", Errc::kUnsupported},
      {"42601", Errc::kParse},       {"22012", Errc::kParse},       {"53300", Errc::kUnavailable},
      {"57P01", Errc::kUnavailable}, {"08006", Errc::kUnavailable}, {"53200", Errc::kLimit},
      {"25006", Errc::kDenied},      {"XX000", Errc::kUnavailable}, {"40001", Errc::kUnavailable},
      {"58030", Errc::kUnavailable}, {"P0001", Errc::kParse},       {"21000", Errc::kParse},
      {"", Errc::kInternal}};
  for (const auto& [state, code] : cases) EXPECT_EQ(CodeOf(state), code) << state;
}

TEST(SqlstateTest, ReadsALoginsFailureWithoutItsSourceLocation) {
  const LoginFailure failure = ReadLoginFailure(
      "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01: password "
      "authentication failed for user \"monitor\"\nLOCATION:  auth_failed, auth.c:332\n");
  EXPECT_EQ(failure.sqlstate, "28P01");
  EXPECT_EQ(failure.message,
            "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  password "
            "authentication failed for user \"monitor\"");
}

TEST(SqlstateTest, ReadsALoginsFailureInAnotherLanguage) {
  const LoginFailure failure = ReadLoginFailure(
      "FATAL:  3D000: Datenbank »x« existiert nicht\nORT:  InitPostgres, "
      "postinit.c:885\n");
  EXPECT_EQ(failure.sqlstate, "3D000");
  EXPECT_EQ(failure.message, "FATAL:  Datenbank »x« existiert nicht");
}

TEST(SqlstateTest, LeavesWhatNoServerSaidAsItIs) {
  const LoginFailure failure = ReadLoginFailure(
      "connection to server at \"127.0.0.1\", port 1 failed: Connection refused\n\tIs the server "
      "running on that host and accepting TCP/IP connections?\n");
  EXPECT_EQ(failure.sqlstate, "");
  EXPECT_EQ(failure.message,
            "connection to server at \"127.0.0.1\", port 1 failed: Connection refused; \tIs the "
            "server running on that host and accepting TCP/IP connections?");
}

TEST(SqlstateTest, TakesTheLastOfSeveralHosts) {
  const LoginFailure failure = ReadLoginFailure(
      "a: FATAL:  57P03: starting\nb: FATAL:  53300: "
      "full\n");
  EXPECT_EQ(failure.sqlstate, "53300");
  EXPECT_EQ(failure.message, "a: FATAL:  starting; b: FATAL:  full");
}

TEST(SqlstateTest, TellsADatabaseThatLetsNobodyInFromAServerThatDoesNot) {
  const std::pair<const char*, bool> cases[] = {
      {"FATAL:  53300: too many connections for database \"x\"\nLOCATION:  CheckMyDatabase, "
       "postinit.c:381\n",
       true},
      {"FATAL:  53300: zu viele Verbindungen für Datenbank »x«\nORT:  CheckMyDatabase, "
       "postinit.c:381\n",
       true},
      {"FATAL:  53300: too many connections for role \"x\"\nLOCATION:  InitializeSessionUserId, "
       "miscinit.c:1\n",
       false},
      {"FATAL:  53300: sorry, too many clients already\nLOCATION:  InitProcess, proc.c:361\n",
       false},
      {"FATAL:  53300: x\n", false},
      {"FATAL:  3D000: database \"x\" does not exist\n", true},
      {"FATAL:  42501: permission denied for database \"x\"\n", true},
      {"FATAL:  55000: database \"x\" is not currently accepting connections\n", true},
      {"FATAL:  28000: no pg_hba.conf entry\n", true},
      {"FATAL:  08P01: no such database: x\n", true},
      {"FATAL:  57P03: the database system is starting up\n", false},
      {"FATAL:  53200: out of memory\n", false},
      {"Connection refused\n", false}};
  for (const auto& [text, about] : cases) {
    EXPECT_EQ(IsAboutDatabase(ReadLoginFailure(text)), about) << text;
  }
}

TEST(SqlstateTest, ReadsAnyText) {
  for (const char* const text :
       {"", "\n\n", ":  ", "FATAL:  ", "FATAL:  12345", "FATAL:  12345:"}) {
    EXPECT_EQ(ReadLoginFailure(text).sqlstate, "") << text;
  }
}

}  // namespace
}  // namespace sidecar::postgres
