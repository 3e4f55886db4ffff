#include "exporters/postgres/setting_name.h"

#include <gmock/gmock.h>

namespace sidecar::postgres {
namespace {

std::string Named(std::string_view name, std::string_view setting, std::string_view unit,
                  std::string_view vartype = "integer") {
  const auto metric = NameSetting(name, setting, unit, vartype);
  if (!metric) return "error: " + metric.error().message;
  std::string value = std::to_string(metric->value);
  value.erase(value.find_last_not_of('0') + 1);
  return metric->name + " " + value;
}

TEST(NameSetting, MakesTheUnitTheSuffixAndScales) {
  EXPECT_EQ(Named("shared_buffers", "16384", "8kB"), "pg_settings_shared_buffers_bytes 134217728.");
  EXPECT_EQ(Named("min_wal_size", "80", "MB"), "pg_settings_min_wal_size_bytes 83886080.");
  EXPECT_EQ(Named("wal_segment_size", "16777216", "B"),
            "pg_settings_wal_segment_size_bytes 16777216.");
  EXPECT_EQ(Named("checkpoint_timeout", "5", "min"), "pg_settings_checkpoint_timeout_seconds 300.");
  EXPECT_EQ(Named("deadlock_timeout", "1000", "ms"), "pg_settings_deadlock_timeout_seconds 1.");
  EXPECT_EQ(Named("autovacuum_vacuum_cost_delay", "2", "ms", "real"),
            "pg_settings_autovacuum_vacuum_cost_delay_seconds 0.002");
  EXPECT_EQ(Named("work_mem", "16", "1kB"), "pg_settings_work_mem_bytes 16384.");
  EXPECT_EQ(Named("x", "2", "32MB"), "pg_settings_x_bytes 67108864.");
  EXPECT_EQ(Named("x", "2", "d"), "pg_settings_x_seconds 172800.");
}

TEST(NameSetting, LeavesMinusOneAndUnitlessNumbersAlone) {
  EXPECT_EQ(Named("log_min_duration_statement", "-1", "ms"),
            "pg_settings_log_min_duration_statement_seconds -1.");
  EXPECT_EQ(Named("max_connections", "100", ""), "pg_settings_max_connections 100.");
  EXPECT_EQ(Named("seq_page_cost", "1.5", "", "real"), "pg_settings_seq_page_cost 1.5");
}

TEST(NameSetting, MakesBooleansAndOddNames) {
  EXPECT_EQ(Named("fsync", "on", "", "bool"), "pg_settings_fsync 1.");
  EXPECT_EQ(Named("fsync", "off", "", "bool"), "pg_settings_fsync 0.");
  EXPECT_EQ(Named("pg_stat_statements.max", "5000", ""),
            "pg_settings_pg_stat_statements_max 5000.");
  EXPECT_EQ(Named("my-ext.on", "on", "", "bool"), "pg_settings_my_ext_on 1.");
}

TEST(NameSetting, TakesAUnitThatStandsBehindTheValue) {
  EXPECT_EQ(Named("x", "16384kB", "kB"), "pg_settings_x_bytes 16777216.");
  EXPECT_EQ(Named("x", "10s", "s"), "pg_settings_x_seconds 10.");
}

TEST(NameSetting, RefusesUnknownUnitsAndText) {
  EXPECT_EQ(Named("x", "1", "parsec"), "error: x: unknown unit 'parsec'");
  EXPECT_EQ(Named("x", "1", "8"), "error: x: unknown unit '8'");
  EXPECT_EQ(Named("x", "", ""), "error: x: not a number: ''");
  EXPECT_EQ(Named("x", "1e", ""), "error: x: not a number: '1e'");
}

}  // namespace
}  // namespace sidecar::postgres
