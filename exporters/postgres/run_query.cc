#include "exporters/postgres/run_query.h"

#include "common/base/parse.h"
#include "exporters/postgres/query_rows.h"
#include "exporters/postgres/query_versions.h"

namespace sidecar::postgres {
namespace {

constexpr std::string_view kExtSchema = "@extschema@";

std::string Shown(const Versions& versions) {
  if (versions.from == 0) return FormatVersion(versions.to) + " or earlier";
  if (versions.to == Versions::kMost) return FormatVersion(versions.from) + " or later";
  const std::string from = FormatVersion(versions.from), to = FormatVersion(versions.to);
  return from == to ? from : from + " to " + to;
}

Result<> CheckExtension(const QueryDef& def, const Facts& facts) {
  if (def.extension.empty()) return {};
  const Facts::Extension* const extension = facts.Find(def.extension);
  if (extension == nullptr) {
    return Fail(Errc::kUnsupported, "needs extension " + std::string(def.extension) +
                                        " in database " + Quoted(facts.database));
  }
  if (ParseVersion(extension->version).value_or(0) < def.extension_version) {
    return Fail(Errc::kUnsupported, "needs extension " + std::string(def.extension) + " " +
                                        FormatVersion(def.extension_version) + " or later, not " +
                                        extension->version + " (ALTER EXTENSION " +
                                        std::string(def.extension) + " UPDATE)");
  }
  return {};
}

Result<> CheckPrivilege(const QueryDef& def, const Facts& facts) {
  const auto need = [](bool has, const char* what) -> Result<> {
    if (has) return {};
    return Fail(Errc::kDenied, std::string("needs ") + what);
  };
  switch (def.privilege) {
    case Privilege::kNone:
      return {};
    case Privilege::kReadAllStats:
      return need(facts.superuser || facts.pg_monitor || facts.pg_read_all_stats,
                  "a role in pg_read_all_stats");
    case Privilege::kMonitor:
      return need(facts.superuser || facts.pg_monitor, "a role in pg_monitor");
    case Privilege::kSuperuser:
      return need(facts.superuser, "a superuser");
  }
  return {};
}

// A quoted identifier.
std::string Identifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted += '"';
}

}  // namespace

int VersionOf(const QueryDef& def, const Facts& facts) {
  if (!def.versions_of_extension) return facts.major() * 1'000;
  const Facts::Extension* const extension = facts.Find(def.extension);
  return extension == nullptr ? 0 : ParseVersion(extension->version).value_or(0);
}

Result<const QueryVariant*> Choose(const QueryDef& def, const Facts& facts) {
  if (auto has = CheckExtension(def, facts); !has) return Fail(std::move(has.error()));
  const int version = VersionOf(def, facts);
  const QueryVariant* chosen = nullptr;
  for (const QueryVariant& variant : def.variants) {
    if (variant.versions.Has(version)) chosen = &variant;
  }
  if (chosen == nullptr) {
    std::string ranges;
    std::optional<Versions> range;
    for (const QueryVariant& variant : def.variants) {
      if (range && range->to + 1 == variant.versions.from) {
        range->to = variant.versions.to;
        continue;
      }
      if (range) ranges += Shown(*range) + ", ";
      range = variant.versions;
    }
    if (range) ranges += Shown(*range);
    const std::string what =
        def.versions_of_extension ? "extension " + std::string(def.extension) : "PostgreSQL";
    return Fail(Errc::kUnsupported,
                "needs " + what + " " + ranges + ", not " + FormatVersion(version));
  }
  if (def.role == QueryRole::kPrimary && facts.in_recovery) {
    return Fail(Errc::kNoData, "is for a primary; this server is a standby");
  }
  if (def.role == QueryRole::kStandby && !facts.in_recovery) {
    return Fail(Errc::kNoData, "is for a standby; this server is a primary");
  }
  if (auto may = CheckPrivilege(def, facts); !may) return Fail(std::move(may.error()));
  return chosen;
}

bool HasFewRows(const QueryDef& def) {
  return def.builtin && def.scope == QueryScope::kCluster && def.lane == "main";
}

std::string StatementText(const QueryDef& def, const QueryVariant& variant, const Facts& facts) {
  std::string text(variant.sql);
  const Facts::Extension* const extension = facts.Find(def.extension);
  if (extension == nullptr) return text;
  const std::string schema = Identifier(extension->schema);
  for (std::size_t at = text.find(kExtSchema); at != std::string::npos;
       at = text.find(kExtSchema, at + schema.size())) {
    text.replace(at, kExtSchema.size(), schema);
  }
  return text;
}

Result<QueryReport> RunQuery(const QueryDef& def, Session& session, const Scrape& scrape,
                             const QueryLimits& limits, Sink& sink, LastRows* last) {
  const Facts& facts = session.facts();
  auto variant = Choose(def, facts);
  if (!variant) return Fail(std::move(variant.error()));
  std::string text;
  if (!def.extension.empty()) text = StatementText(def, **variant, facts);
  const Statement statement{.name = def.name,
                            .sql = text.empty() ? (*variant)->sql : std::string_view(text),
                            .timeout = def.timeout,
                            .own_search_path = !def.builtin,
                            .few_rows = HasFewRows(def)};
  const std::int64_t limit = limits.series > 0 ? limits.series : def.series_limit;
  QueryRows rows(def, facts, static_cast<std::size_t>(limit), sink);
  RowReader* reader = &rows;
  if (last != nullptr) {
    // All else that samples are made of.
    last->Start(facts.database + '\n' + std::to_string(VersionOf(def, facts)), rows);
    reader = last;
  }
  auto done = session.Query(scrape, statement, *reader);
  if (done && last != nullptr) done = last->Finish();
  if (!done) return Fail(std::move(done.error()));
  if (last != nullptr && last->same()) return QueryReport{.same = true};
  if (auto finished = rows.Finish(); !finished) return Fail(std::move(finished.error()));
  return rows.report();
}

}  // namespace sidecar::postgres
