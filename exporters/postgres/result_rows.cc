#include "exporters/postgres/result_rows.h"

#include <libpq-fe.h>

namespace sidecar::postgres {

void ClearResult::operator()(PGresult* result) const { PQclear(result); }

Result<> ResultRows::Begin(const PGresult& result, RowReader& reader) {
  const int count = PQnfields(&result);
  columns_.clear();
  for (int i = 0; i < count; ++i) columns_.push_back({PQfname(&result, i), PQftype(&result, i)});
  cells_.assign(static_cast<std::size_t>(count), std::nullopt);
  return reader.Begin(columns_);
}

Result<> ResultRows::Give(const PGresult& result, RowReader& reader) {
  for (int row = 0; row < PQntuples(&result); ++row) {
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const int field = static_cast<int>(i);
      const int length = PQgetlength(&result, row, field);  // of NULL: 0
      if (length == 0 && PQgetisnull(&result, row, field) != 0) {
        cells_[i].reset();
      } else {
        cells_[i].emplace(PQgetvalue(&result, row, field), static_cast<std::size_t>(length));
      }
    }
    if (auto read = reader.Row(cells_); !read) return read;
  }
  return {};
}

}  // namespace sidecar::postgres
