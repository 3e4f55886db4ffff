// Rules between definitions: load_queries.h.

#include <algorithm>
#include <map>
#include <string>

#include "common/base/parse.h"
#include "exporters/postgres/builtins.h"
#include "exporters/postgres/load_queries.h"
#include "exporters/postgres/metric_samples.h"
#include "exporters/postgres/native.h"

namespace sidecar::postgres {
namespace {

// Who has which samples, so that none stands twice with another meaning.
class Families {
 public:
  explicit Families(std::span<const OwnedQueryDef> queries) {
    for (const QueryDef& def : Builtins()) {
      bool replaced = false;
      for (const OwnedQueryDef& query : queries) replaced |= query.def().name == def.name;
      if (!replaced) AddBuiltin(def);
    }
  }

  // What is wrong with it; empty: nothing.
  std::string Add(std::string_view name, Kind kind, std::string_view query) {
    std::string wrong;
    for (std::string& sample : SampleNames(name, kind)) {
      std::string clash = ClashWithPrefix(sample, name, kind);
      const auto [there, added] = samples_.try_emplace(
          std::move(sample), Owner{.family = name, .kind = kind, .query = query});
      if (!added && there->second.query != query) {
        clash = Clash(there->first, name, kind, there->second);
      }
      if (wrong.empty()) wrong = std::move(clash);
    }
    return wrong;
  }

 private:
  struct Owner {
    std::string_view family;
    Kind kind;
    std::string_view query;
  };
  struct Prefix {
    std::string_view text, query;
  };

  void AddBuiltin(const QueryDef& def) {
    for (const MetricDef& metric : def.metrics) Add(metric.name, metric.kind, def.name);
    const NativeSpec* const native = def.metrics.empty() ? FindNative(def.name) : nullptr;
    if (native == nullptr) return;
    for (const FamilyInfo& family : native->families()) Add(family.name, family.kind, def.name);
    if (!native->prefix.empty()) prefixes_.push_back({native->prefix, def.name});
  }

  static std::string Clash(std::string_view sample, std::string_view name, Kind kind,
                           const Owner& owner) {
    if (owner.family == name && owner.kind == kind) return {};
    const std::string in = " in collector " + std::string(owner.query);
    if (owner.family == name) return std::string(name) + " has another type" + in;
    return std::string(sample) + " would stand there twice: of " + std::string(name) + " and of " +
           std::string(owner.family) + in;
  }

  std::string ClashWithPrefix(std::string_view sample, std::string_view name, Kind kind) const {
    for (const Prefix& prefix : prefixes_) {
      if (!sample.starts_with(prefix.text)) continue;
      if (sample == name && kind == Kind::kGauge) continue;
      return std::string(sample) + " has another type in collector " + std::string(prefix.query);
    }
    return {};
  }

  std::map<std::string, Owner> samples_;
  std::vector<Prefix> prefixes_;
};

bool IsBuiltin(std::string_view name) {
  const auto builtins = Builtins();
  return std::ranges::find(builtins, name, &QueryDef::name) != builtins.end();
}

}  // namespace

void CheckQueries(std::span<TableReader> tables, std::span<const OwnedQueryDef> queries) {
  Families families(queries);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const QueryDef& def = queries[i].def();
    for (std::size_t j = 0; j < i; ++j) {
      if (!def.name.empty() && queries[j].def().name == def.name) {
        tables[i].Reject("name", "two queries are called " + Quoted(def.name));
      }
    }
    for (const MetricDef& metric : def.metrics) {
      if (metric.name.empty()) continue;
      const std::string wrong = families.Add(metric.name, metric.kind, def.name);
      if (!wrong.empty()) tables[i].Reject("metrics", wrong);
    }
    // One that replaces a built-in may have its interval in [postgres.collectors.NAME].
    if (def.max_age > Millis(0) && def.interval == Millis(0) && !IsBuiltin(def.name)) {
      tables[i].Reject("max_age", "needs an 'interval'");
    }
  }
}

}  // namespace sidecar::postgres
