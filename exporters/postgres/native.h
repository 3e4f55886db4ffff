#pragma once
// The escape hatch: a collector whose definition is data like any other's (name, SQL, role, lane),
// but whose rows C++ reads, because SQL cannot say it: the graph of who blocks whom, the sticky
// top-N of statements, the names of pg_settings. It keeps state between runs; never run twice at
// once.
//
//   if (def.metrics.empty()) native = FindNative(def.name)->make(table);

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/table_reader.h"
#include "exporters/postgres/run_query.h"

namespace sidecar::postgres {

class Native {
 public:
  virtual ~Native() = default;
  // Choose has said yes.
  virtual Result<> Run(const QueryDef& def, Session& session, const Scrape& scrape, Sink& sink) = 0;
  // Asked before it: where this is as it was, so are the samples, and Run is spared. Empty: who
  // knows.
  virtual Result<std::string> State(const QueryDef&, Session&, const Scrape&) {
    return std::string();
  }
};

struct NativeSpec {
  std::string_view name;
  // Reads its options from [postgres.collectors.NAME], also over a describing table. The table may
  // be gone once it returns, the definition stays.
  std::unique_ptr<Native> (*make)(TableReader& table);
  std::vector<FamilyInfo> (*families)();
  // Beside them gauges whose names begin so: which ones, the server decides.
  std::string_view prefix{};
};

const NativeSpec* FindNative(std::string_view name);

}  // namespace sidecar::postgres
