#pragma once
// What collectors/*.cc share: their factories and families, and the run of their one statement.
// Internal to exporters/postgres.
//
//   if (auto done = RunStatement(def, session, scrape, rows); !done) return done;

#include "exporters/postgres/native.h"

namespace sidecar::postgres {

std::unique_ptr<Native> MakeBlocking(TableReader& table);
std::unique_ptr<Native> MakeSettings(TableReader& table);
std::unique_ptr<Native> MakeStatements(TableReader& table);
std::vector<FamilyInfo> BlockingFamilies();
std::vector<FamilyInfo> SettingsFamilies();
std::vector<FamilyInfo> StatementsFamilies();

// The variant that this server needs, read by `rows`.
Result<> RunStatement(const QueryDef& def, Session& session, const Scrape& scrape, RowReader& rows);

}  // namespace sidecar::postgres
