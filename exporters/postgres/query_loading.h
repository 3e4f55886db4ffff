#pragma once
// What load_queries.cc and load_metrics.cc share: where a definition keeps what it borrows, and how
// keys are read. Internal to the loader.
//
//   def.name = storage.Keep(ReadText(table, "name", "The collector's name."));

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/postgres/load_queries.h"

namespace sidecar::postgres {

// Deques, because what views point to must stay where it is.
struct OwnedQueryDef::Storage {
  std::deque<std::string> texts;
  std::deque<std::vector<std::string_view>> lists;
  std::deque<std::vector<MappedValue>> maps;
  std::vector<QueryVariant> variants;
  std::vector<MetricDef> metrics;
  QueryDef def;

  std::string_view Keep(std::string text) {
    if (text.empty()) return {};
    return texts.emplace_back(std::move(text));
  }
  std::span<const std::string_view> Keep(std::vector<std::string>&& items) {
    std::vector<std::string_view>& list = lists.emplace_back();
    for (std::string& item : items) list.push_back(texts.emplace_back(std::move(item)));
    return list;
  }
};

inline std::string ReadText(TableReader& table, std::string_view key, std::string_view help,
                            std::string text = {}) {
  table.Field(key, text, help);
  return text;
}
inline std::vector<std::string> ReadList(TableReader& table, std::string_view key,
                                         std::string_view help,
                                         std::vector<std::string> list = {}) {
  table.Field(key, list, help);
  return list;
}

inline void RejectEmpty(TableReader& table, std::string_view key, std::string_view text) {
  if (text.empty() && table.Has(key)) table.Reject(key, "must not be empty");
}
inline void Require(TableReader& table, std::string_view key, std::string_view text) {
  if (table.Has(key)) return RejectEmpty(table, key, text);
  if (text.empty()) table.Reject({}, "'" + std::string(key) + "' is missing");
}

Versions ReadVersions(TableReader& table, bool of_extension);

// The query's labels and metrics, once the rest of it was read.
void LoadMetrics(TableReader& table, QueryOrigin origin, OwnedQueryDef::Storage& storage);

}  // namespace sidecar::postgres
