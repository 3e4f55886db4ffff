#pragma once
// Runs one definition on a session and turns its rows into samples. Columns are found by name;
// whatever does not fit (a missing column, text for a number, a NULL label, NaN) fails this run
// only, and says which row and column. Stateless, thread-safe; one thread per session.
//
//   auto variant = Choose(def, session.facts());
//   if (!variant) return Fail(variant.error());
//   auto report = RunQuery(def, session, scrape, {}, sink);

#include <string>

#include "common/collect/scrape.h"
#include "common/metrics/sink.h"
#include "exporters/postgres/last_rows.h"
#include "exporters/postgres/query_def.h"
#include "exporters/postgres/session.h"

namespace sidecar::postgres {

// Whether the definition applies to this server and our role there. kUnsupported: version or
// extension; kNoData: primaries or standbys only; kDenied: a privilege is missing. The message
// reads "needs PostgreSQL 14 or later".
Result<const QueryVariant*> Choose(const QueryDef& def, const Facts& facts);

// What version ranges of the definition are compared with.
int VersionOf(const QueryDef& def, const Facts& facts);

struct QueryLimits {
  std::int64_t series = 0;  // of this run; 0: the definition's
};
struct QueryReport {
  std::size_t rows = 0;
  std::size_t series = 0;  // given to the sink
  std::size_t cut = 0;     // series past the limit, of a definition that ranks
  bool same = false;       // as in the run before: nothing was given to the sink
};
// kLimit: more series than the limit and no rank_by. Duplicate rows are a Warn.
// With `last` of the same definition and limits, rows that are as before are not read again.
Result<QueryReport> RunQuery(const QueryDef& def, Session& session, const Scrape& scrape,
                             const QueryLimits& limits, Sink& sink, LastRows* last = nullptr);

// What the server has a bounded number of: databases, sessions, settings; not tables or statements.
bool HasFewRows(const QueryDef& def);

// The statement of a variant: @extschema@ becomes the schema of the definition's extension.
std::string StatementText(const QueryDef& def, const QueryVariant& variant, const Facts& facts);

}  // namespace sidecar::postgres
