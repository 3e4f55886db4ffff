#pragma once
// Keys of the collector language that are one of a few words. Read by load_queries.cc. Pure
// functions.
//
//   def.scope = Choice(table, "scope", kScopes, "Once per server or in every database");

#include <string>
#include <string_view>

#include "common/base/parse.h"
#include "common/config/table_reader.h"
#include "exporters/postgres/query_def.h"

namespace sidecar::postgres {

template <class E>
struct Word {
  std::string_view text;
  E value;
};
constexpr Word<QueryScope> kScopes[] = {{"cluster", QueryScope::kCluster},
                                        {"database", QueryScope::kDatabase}};
constexpr Word<QueryRole> kRoles[] = {
    {"any", QueryRole::kAny}, {"primary", QueryRole::kPrimary}, {"standby", QueryRole::kStandby}};
constexpr Word<Privilege> kPrivileges[] = {{"none", Privilege::kNone},
                                           {"pg_read_all_stats", Privilege::kReadAllStats},
                                           {"pg_monitor", Privilege::kMonitor},
                                           {"superuser", Privilege::kSuperuser}};
constexpr Word<Kind> kKinds[] = {{"gauge", Kind::kGauge},
                                 {"counter", Kind::kCounter},
                                 {"histogram", Kind::kHistogram},
                                 {"info", Kind::kInfo},
                                 {"unknown", Kind::kUnknown}};
constexpr Word<NullPolicy> kNulls[] = {
    {"skip", NullPolicy::kSkip}, {"zero", NullPolicy::kZero}, {"error", NullPolicy::kError}};
constexpr Word<Aggregate> kAggregates[] = {{"none", Aggregate::kNone},
                                           {"sum", Aggregate::kSum},
                                           {"max", Aggregate::kMax},
                                           {"min", Aggregate::kMin}};
constexpr Word<bool> kLanes[] = {{"main", false}, {"slow", true}};
constexpr Word<bool> kVersionsOf[] = {{"server", false}, {"extension", true}};

template <class E, std::size_t N>
E Choice(TableReader& table, std::string_view key, const Word<E> (&words)[N],
         const std::string& help) {
  std::string names, text(words[0].text);
  for (const Word<E>& word : words) {
    names += (names.empty() ? "\"" : ", \"") + std::string(word.text) + "\"";
  }
  table.Field(key, text, help + ": " + names + ".");
  for (const Word<E>& word : words) {
    if (word.text == text) return word.value;
  }
  table.Reject(key, "must be one of " + names + ", not " + Quoted(text));
  return words[0].value;
}

}  // namespace sidecar::postgres
