#pragma once
// A result of libpq's with its owner, and its rows as a reader gets them. One thread.
//
//   ResultRows rows;
//   if (auto begun = rows.Begin(*result, reader); begun) done = rows.Give(*result, reader);

#include <memory>
#include <vector>

#include "common/base/result.h"
#include "exporters/postgres/rows.h"

struct pg_result;

namespace sidecar::postgres {

using PGresult = pg_result;

struct ClearResult {
  void operator()(PGresult* result) const;
};
using OwnedResult = std::unique_ptr<PGresult, ClearResult>;

// Keeps its room from result to result.
class ResultRows {
 public:
  // The columns to the reader: once, where a result comes row by row.
  Result<> Begin(const PGresult& result, RowReader& reader);
  Result<> Give(const PGresult& result, RowReader& reader);

 private:
  std::vector<Column> columns_;
  std::vector<Cell> cells_;
};

}  // namespace sidecar::postgres
