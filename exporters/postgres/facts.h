#pragma once
// What a server says of itself and of our role: read when a session is made and every minute. What
// a collector needs is compared with it, so that a promotion or an extension needs no restart.
// Plain data.
//
//   if (facts.major() >= 14 && facts.Find("pg_stat_statements") != nullptr) ...

#include <string>
#include <string_view>
#include <vector>

namespace sidecar::postgres {

struct Facts {
  struct Extension {
    std::string name, version, schema;
  };

  int version_num = 0;                 // server_version_num: 150018
  std::string version, short_version;  // SELECT version(); SHOW server_version
  std::string database, server;        // current_database(); "host:port"
  std::string encoding;                // of the database: "UTF8", "SQL_ASCII"
  bool in_recovery = false;
  bool superuser = false, pg_monitor = false, pg_read_all_stats = false;
  bool pooled = false;                        // behind a pooler: statements are not prepared
  double start_time = 0, conf_load_time = 0;  // Unix seconds
  std::vector<Extension> extensions;          // of `database`, by name

  int major() const { return version_num / 10'000; }
  const Extension* Find(std::string_view name) const {
    for (const Extension& extension : extensions) {
      if (extension.name == name) return &extension;
    }
    return nullptr;
  }
};

}  // namespace sidecar::postgres
