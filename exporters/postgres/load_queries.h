#pragma once
// Reads one [[postgres.queries]] table, built-in or a user's, strictly: what is wrong goes to the
// reader, all of it at once, each with file, line and caret. Pure; one thread.
//
//   for (TableReader& table : postgres.Tables("queries")) {
//     queries.push_back(LoadQuery(table, QueryOrigin::kUser));
//   }
//   auto read = root.Finish();  // only then are the definitions of use

#include <memory>
#include <string>
#include <vector>

#include "common/config/table_reader.h"
#include "exporters/postgres/query_def.h"

namespace sidecar::postgres {

// A definition together with the text that it borrows. Movable; the view stays valid.
class OwnedQueryDef {
 public:
  struct Storage;
  explicit OwnedQueryDef(std::unique_ptr<Storage> storage);
  OwnedQueryDef(OwnedQueryDef&&) noexcept;
  OwnedQueryDef& operator=(OwnedQueryDef&&) noexcept;
  ~OwnedQueryDef();

  const QueryDef& def() const;

 private:
  std::unique_ptr<Storage> storage_;
};

// A built-in may do without metrics: C++ reads its rows (native.h).
enum class QueryOrigin : std::uint8_t { kUser, kBuiltin };
OwnedQueryDef LoadQuery(TableReader& table, QueryOrigin origin);

// Rules between definitions: no name twice, no family with two kinds, no sample of two families,
// also not of the built-ins', whose names stay theirs where they are switched off. Rejects at the
// tables, which are those that `queries` were loaded from. A query that has a built-in's name
// replaces it.
void CheckQueries(std::span<TableReader> tables, std::span<const OwnedQueryDef> queries);

}  // namespace sidecar::postgres
