#pragma once
// A configuration with every type of field, as the tests of common/config read it.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/config/document.h"

namespace sidecar::testing {

struct Query {
  std::string name;
  double scale = 1;
};

struct Options {
  std::string level = "info";
  std::int64_t max_connections = 64;
  bool cpu = true, guest = false;
  std::chrono::milliseconds timeout{5'000};
  double ratio = 0.5;
  std::vector<std::string> listen = {":9100"};
  std::string dsn;
  Secret password;
  std::vector<Query> queries;

  void Read(TableReader root) {
    root.Table("log").Field("level", level, "Least severe lines.").Flag("log.level");
    root.Table("web").Field("max_connections", max_connections, "At once.", 1, 65'536);
    TableReader host = root.Table("host");
    host.Field("listen", listen, "Addresses.").Flag("web.listen-address").Flag("listen");
    TableReader collectors = host.Table("collectors");
    TableReader table = collectors.Table("cpu");
    table.Field("enabled", cpu, "CPU time.").Flag("collector.cpu");
    table.Field("timeout", timeout, "Longest run.").Flag("collector.cpu.timeout");
    table.Field("guest", guest, "Guests too.");
    collectors.Table("load-avg").Field("ratio", ratio, "A ratio.", 0, 1);
    TableReader postgres = root.Table("postgres");
    postgres.Field("dsn", dsn, "Where.");
    postgres.Field("password", password, "Who.").Flag("postgres.password-file");
    for (TableReader& query : postgres.Tables("queries")) {
      Query read;
      query.Field("name", read.name, "Prefix.");
      query.Field("scale", read.scale, "Factor.", -1e9, 1e9);
      queries.push_back(read);
    }
    root.Ignore("temporal");
  }
};

inline std::string FaultsOf(Document& document) {
  Options options;
  options.Read(document.Root());
  const auto read = document.Root().Finish();
  return read ? "" : read.error().message;
}

inline std::string FaultsOf(std::string_view text) {
  auto document = Document::Parse(text, "sidecar.toml");
  return document ? FaultsOf(*document) : document.error().message;
}

}  // namespace sidecar::testing
