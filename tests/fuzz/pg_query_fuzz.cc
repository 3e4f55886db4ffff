// The collector language of the Postgres exporter: text as a definition, and rows of a server that
// is not our friend. The first line chooses: "toml" is a file, "sql" a statement with version
// comments, "array" a value, "rows" cells (separated by 0x1f, rows by newlines, "\\N" is NULL) for
// a definition that uses all there is. What goes wrong must be an error, and what is shown must be
// valid.

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "common/base/parse.h"
#include "common/config/document.h"
#include "common/metrics/encoder.h"
#include "exporters/postgres/load_queries.h"
#include "exporters/postgres/query_rows.h"
#include "exporters/postgres/query_values.h"
#include "exporters/postgres/query_versions.h"
#include "exporters/postgres/setting_name.h"
#include "tests/support/exposition_parser.h"

namespace sidecar::postgres {
namespace {

constexpr std::string_view kDefinition = R"toml([[postgres.queries]]
name = "q"
scope = "database"
sql = "SELECT 1"
series_limit = 50
rank_by = "value"
labels = ["a", "b"]
metrics = [
  { name = "value", type = "gauge", help = "V.", scale = 0.001 },
  { name = "mapped", type = "counter", help = "M.", null = "zero", map = { on = 1 } },
  { name = "total", column = "value", type = "gauge", help = "T.", labels = [], aggregate = "sum" },
  { name = "most", column = "value", type = "gauge", help = "M.", labels = ["a"], aggregate = "max" },
  { name = "h", type = "histogram", help = "H.", bounds = "bounds", counts = "counts", sum = "sum", count = "count", exemplar_value = "ev", exemplar_time = "et", exemplar_labels = ["el"] },
  { name = "b_info", type = "info", help = "B.", labels = ["b"] },
]
)toml";
constexpr Column kColumns[] = {{"a", 25},     {"b", 25},     {"value", 701}, {"mapped", 25},
                               {"bounds", 0}, {"counts", 0}, {"sum", 701},   {"count", 20},
                               {"ev", 0},     {"et", 0},     {"el", 0},      {"flag", kBool}};

std::vector<OwnedQueryDef> LoadText(std::string_view toml) {
  std::vector<OwnedQueryDef> queries;
  auto document = Document::Parse(toml, "fuzz.toml");
  if (!document) return queries;
  TableReader root = document->Root();
  TableReader postgres = root.Table("postgres");
  std::vector<TableReader> tables = postgres.Tables("queries");
  for (TableReader& table : tables) queries.push_back(LoadQuery(table, QueryOrigin::kUser));
  CheckQueries(tables, queries);
  if (!root.Finish()) queries.clear();
  return queries;
}

void Check(bool holds) {
  if (!holds) std::abort();
}

void ReadRows(std::string_view text) {
  static const std::vector<OwnedQueryDef> queries = LoadText(kDefinition);
  Facts facts;
  facts.version_num = 150'000;
  facts.database = "orders";
  const auto batch = std::make_shared<Batch>();
  Sink sink(*batch);
  QueryRows rows(queries.at(0).def(), facts, 50, sink);
  Check(rows.Begin(kColumns).has_value());
  while (auto line = NextLine(text)) {
    std::vector<Cell> cells;
    while (cells.size() < std::size(kColumns)) {
      const std::size_t end = line->find('\x1f');
      const std::string_view cell = line->substr(0, end);
      cells.push_back(cell == "\\N" ? Cell() : Cell(cell));
      line->remove_prefix(end == std::string_view::npos ? line->size() : end + 1);
    }
    if (!rows.Row(cells)) return;
  }
  if (!rows.Finish() || batch->failure()) return;
  batch->Seal();
  for (const Format format : {Format::kText, Format::kOpenMetrics}) {
    std::string shown;
    const auto encoded = Encode({{batch}, {}}, format, [&](std::string_view part) -> Result<> {
      shown += part;
      return {};
    });
    Check(encoded && ParseExposition(shown, format));
  }
}

void ReadDefinition(std::string_view text) {
  for (const OwnedQueryDef& query : LoadText(text)) {
    int from = -1;
    for (const QueryVariant& variant : query.def().variants) {
      Check(variant.versions.from > from && variant.versions.from <= variant.versions.to);
      Check(!variant.sql.empty());
      from = variant.versions.to;
    }
    for (const MetricDef& metric : query.def().metrics) Check(ValidName(metric.name));
  }
}

}  // namespace
}  // namespace sidecar::postgres

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sidecar::postgres;  // NOLINT(google-build-using-namespace)
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto mode = sidecar::NextLine(text);
  if (!mode) return 0;
  if (*mode == "toml") {
    ReadDefinition(text);
  } else if (*mode == "sql") {
    if (const auto texts = ExpandVersions(text, {})) Check(!texts->empty());
  } else if (*mode == "array") {
    (void)ParseNumbers(text).has_value();
    (void)ParseValue(text, kLsn).has_value();
    (void)ParseValue(text, 0).has_value();
    (void)NameSetting("x", text, text, "integer").has_value();
  } else {
    ReadRows(text);
  }
  return 0;
}
