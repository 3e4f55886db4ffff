#pragma once
// One connection to a server, as a query sees it. Used by one thread at a time. Errors: kTimeout
// (statement_timeout, lock_timeout or our own deadline), kDenied (SQLSTATE 42501, a login refused),
// kUnsupported (no such table, column or function), kUnavailable (the connection), kParse (the
// statement), kLimit (a row past its bound), kInternal, and what the reader returned.
//
//   auto done = session.Query(scrape, {.name = "locks", .sql = kSql, .timeout = Millis(2'000)},
//                             reader);

#include "common/collect/scrape.h"
#include "exporters/postgres/facts.h"
#include "exporters/postgres/rows.h"

namespace sidecar::postgres {

struct Statement {
  // Unique among all statements: it is prepared under it. Empty: not prepared, as its text differs
  // by run.
  std::string_view name;
  std::string_view sql;          // one statement, without parameters
  Millis timeout;                // statement_timeout at most; less when less is left of the run
  bool own_search_path = false;  // a user's query: its role's, not pg_catalog alone
  // Its rows are read when all are there: libpq copies what it knows of the columns for each that
  // is read by itself. All of them have the bound of a row. Such a statement may also be asked when
  // another one of the scrape is, in its transaction and message, and its rows given to who asks up
  // to a second later (asked_together.h): it must not read now().
  bool few_rows = false;
  // Its timeout is not the others': it is set with it, in one message.
  bool own_timeout = false;
};

class Session {
 public:
  virtual ~Session() = default;
  // Logged in, with facts that are fresh. Query does it too; what comes before it is what
  // needs the facts.
  virtual Result<> Ready(const Scrape&) { return {}; }
  // Blocks until the reader has had every row, or an error; never past the run's deadline or its
  // stop. After an error of the server the session goes on; one that overran or whose reader had
  // enough is dropped and made anew by the next query.
  virtual Result<> Query(const Scrape& scrape, const Statement& statement, RowReader& reader) = 0;
  // Of the server it is connected to (or was last).
  virtual const Facts& facts() const = 0;
};

}  // namespace sidecar::postgres
