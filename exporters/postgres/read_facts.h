#pragma once
// The one statement that reads Facts, and what it gives. Pure but for the query itself.
//
//   FactsReader reader;
//   auto read = connection.Run(scrape, {.sql = kFactsSql}, &reader);
//   reader.facts().version_num

#include "exporters/postgres/facts.h"
#include "exporters/postgres/rows.h"

namespace sidecar::postgres {

// Every name qualified, for search_path is the role's when it first runs; PostgreSQL 12 to 18.
extern const char* const kFactsSql;

class FactsReader final : public RowReader {
 public:
  Result<> Begin(std::span<const Column> columns) override;
  Result<> Row(std::span<const Cell> cells) override;

  Facts& facts() { return facts_; }
  int pid() const { return pid_; }                         // of the backend that answered
  const std::string& started() const { return started_; }  // its backend_start

 private:
  Facts facts_;
  int pid_ = 0;
  std::string started_;
};

}  // namespace sidecar::postgres
