#pragma once
// One collector of the language, as data: what the loader makes of a [[postgres.queries]] table and
// what the generator compiles built-ins to. A view: built-ins borrow from the program's constants,
// users' from their OwnedQueryDef. Plain data, thread-safe. ADR 6 and the README have the language.
//
//   for (const QueryDef& def : Builtins()) {
//     if (auto variant = Choose(def, session.facts()); !variant) ...  // does not apply, and why
//   }

#include <cstdint>
#include <span>
#include <string_view>

#include "common/base/clock.h"
#include "common/metrics/family.h"

namespace sidecar::postgres {

// kCluster: once per server, in the database of the DSN. kDatabase: in every database that
// `databases` matches; the label datname is added in front of the others.
enum class QueryScope : std::uint8_t { kCluster, kDatabase };
enum class QueryRole : std::uint8_t { kAny, kPrimary, kStandby };
enum class Privilege : std::uint8_t { kNone, kReadAllStats, kMonitor, kSuperuser };
enum class NullPolicy : std::uint8_t { kSkip, kZero, kError };
// kNone: a series per row. Else rows that agree in the metric's labels become one.
enum class Aggregate : std::uint8_t { kNone, kSum, kMax, kMin };

// Of the server (its major) or of the extension (1.10), both ends included; in thousandths of the
// first number, so that 16 is 16000 and 1.10 is 1010.
struct Versions {
  static constexpr int kMost = 9'999'999;
  int from = 0, to = kMost;
  constexpr bool Has(int version) const { return from <= version && version <= to; }
  constexpr bool Meets(const Versions& other) const { return from <= other.to && other.from <= to; }
  friend constexpr bool operator==(const Versions&, const Versions&) = default;
};

struct QueryVariant {
  Versions versions;
  std::string_view sql;  // may hold @extschema@
};

struct MappedValue {
  std::string_view text;
  double value;
};

// Names of columns; empty: none. Arrays of one length, an element a bucket.
struct HistogramColumns {
  std::string_view bounds, counts, sum, count;
  std::string_view exemplar_value, exemplar_time;  // time: Unix seconds
  std::span<const std::string_view> exemplar_labels{};
};

struct MetricDef {
  std::string_view name, help, unit, column;
  Kind kind = Kind::kGauge;
  Versions versions{};
  std::span<const std::string_view> labels{};  // columns, without the datname that is added
  double scale = 1;
  NullPolicy null = NullPolicy::kSkip;
  Aggregate aggregate = Aggregate::kNone;
  std::span<const MappedValue> map{};  // empty: the column is a number
  HistogramColumns histogram{};
};

struct QueryDef {
  std::string_view name, summary;
  bool on_by_default = true;
  QueryScope scope = QueryScope::kCluster;
  QueryRole role = QueryRole::kAny;
  Privilege privilege = Privilege::kNone;
  std::string_view extension{};  // must be installed in the database of the session
  int extension_version = 0;     // at least this one, in thousandths
  bool versions_of_extension = false;
  Versions versions{};                            // of the whole
  std::span<const std::string_view> databases{};  // globs; empty: all that are discovered
  bool database_label = true;                     // of scope database
  std::string_view lane = "main";                 // "main" or "slow"; of scope cluster
  Millis interval{0}, timeout{5'000}, max_age{0};
  static constexpr Millis kLongestVisit{30'000};  // what the queries of a visit have together
  Millis login_interval{0};  // of scope database: what is worth a login; at least the interval
  std::int64_t series_limit = 50'000;
  std::string_view rank_by{};                // past the limit the rows with the greatest of it stay
  bool builtin = false;                      // search_path is pg_catalog; a user's is its role's
  std::span<const QueryVariant> variants{};  // disjoint and ascending
  std::span<const MetricDef> metrics{};      // none: C++ reads the rows (native.h)
};

}  // namespace sidecar::postgres
