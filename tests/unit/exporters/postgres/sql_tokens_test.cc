#include "exporters/postgres/sql_tokens.h"

#include <gtest/gtest.h>

namespace sidecar::postgres {
namespace {

TEST(IsQuery, BeginsAsWhatGivesRows) {
  for (const char* const sql :
       {"SELECT 1", "select(1)", "VALUES (1)", "WITH a AS (SELECT 1) TABLE a", "table x",
        "SHOW all", "EXPLAIN SELECT 1", "((SELECT 1) UNION (SELECT 2))", "-- SET\n SELECT 1",
        "/* SET /* nested */ */\r\n\tSelect 1", "SELECT"}) {
    EXPECT_TRUE(IsQuery(sql)) << sql;
  }
}

TEST(IsQuery, BeginsAsNothingElse) {
  for (const char* const sql :
       {"", " ", "(", "--", "-- SELECT 1", "/* SELECT 1", "SET x = 1", "BEGIN", "DISCARD ALL",
        "selects", "select_1", "'select'", "\"select\"", "DO $$ SELECT 1 $$", "LISTEN x",
        "PREPARE p AS SELECT 1", "; SELECT 1"}) {
    EXPECT_FALSE(IsQuery(sql)) << sql;
  }
}

TEST(MaySet, SeesTheFunctionHoweverItIsWritten) {
  EXPECT_TRUE(MaySet("SELECT pg_catalog.SET_CONFIG('a', 'b', false)"));
  EXPECT_FALSE(MaySet("SELECT current_setting('a')"));
}

}  // namespace
}  // namespace sidecar::postgres
