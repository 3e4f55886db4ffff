// Rules between definitions: load_queries.h.

#include <map>
#include <string>

#include "common/base/parse.h"
#include "exporters/postgres/builtins.h"
#include "exporters/postgres/load_queries.h"

namespace sidecar::postgres {
namespace {

struct Owner {
  Kind kind;
  std::string_view query;
};
using Families = std::map<std::string_view, Owner>;

void AddBuiltins(std::span<const OwnedQueryDef> queries, Families& families) {
  for (const QueryDef& def : Builtins()) {
    bool replaced = false;
    for (const OwnedQueryDef& query : queries) replaced |= query.def().name == def.name;
    if (replaced) continue;
    for (const MetricDef& metric : def.metrics)
      families.insert({metric.name, {metric.kind, def.name}});
  }
}

}  // namespace

void CheckQueries(std::span<TableReader> tables, std::span<const OwnedQueryDef> queries) {
  Families families;
  AddBuiltins(queries, families);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const QueryDef& def = queries[i].def();
    for (std::size_t j = 0; j < i; ++j) {
      if (!def.name.empty() && queries[j].def().name == def.name) {
        tables[i].Reject("name", "two queries are called " + Quoted(def.name));
      }
    }
    for (const MetricDef& metric : def.metrics) {
      const auto [there, added] = families.insert({metric.name, {metric.kind, def.name}});
      if (added || there->second.kind == metric.kind || there->second.query == def.name) continue;
      tables[i].Reject("metrics", std::string(metric.name) + " has another type in collector " +
                                      std::string(there->second.query));
    }
  }
}

}  // namespace sidecar::postgres
