#pragma once
// One TOML table into a struct, strictly: every fault of meaning at once, each with file, line and
// caret. Run over no table (describing) it lists the options: flags, --config.print, docs and
// schema come from that. A value comes from, in rising order: the struct's default, the files, the
// environment (SIDECAR_HOST_COLLECTORS_CPU_ENABLED), a flag. One thread; toml11 stays behind it.
//
//   struct Options {
//     bool info = false;
//     void Read(TableReader& t) { t.Field("info", info, "Adds node_cpu_info."); }
//   };

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/secret.h"

namespace sidecar {

class TableReader {
 public:
  struct Node;  // table_node.h: shared with Document
  explicit TableReader(Node* node) : node_(node) {}

  TableReader& Field(std::string_view key, bool& value, std::string_view help);
  TableReader& Field(std::string_view key, std::int64_t& value, std::string_view help,
                     std::int64_t min, std::int64_t max);
  TableReader& Field(std::string_view key, double& value, std::string_view help, double min,
                     double max);
  TableReader& Field(std::string_view key, std::string& value, std::string_view help);
  TableReader& Field(std::string_view key, std::vector<std::string>& value, std::string_view help);
  // A table whose keys are data: { open = 1, closed = 0 }. From a file only.
  TableReader& Field(std::string_view key, std::map<std::string, double>& value,
                     std::string_view help);
  // "250ms", "5s", "1m30s", "2h", "1d".
  TableReader& Field(std::string_view key, std::chrono::milliseconds& value, std::string_view help);
  // KEY_file or KEY_env: the place, never the value.
  TableReader& Field(std::string_view key, Secret& value, std::string_view help);
  // A peer's flag for the last field, without dashes: "collector.cpu.guest". Several are aliases. A
  // bool's flag also exists as no-SPELLING; a list's may be repeated.
  TableReader& Flag(std::string_view spelling);

  TableReader Table(std::string_view key);                // empty when absent
  std::vector<TableReader> Tables(std::string_view key);  // [[queries]]
  // A table that other binaries own: known by name, not checked, so that one file fits all.
  void Ignore(std::string_view key);
  // A rule between fields, or of one field's meaning; points at `key`, or at the table when empty.
  void Reject(std::string_view key, const std::string& why);
  bool Has(std::string_view key) const;  // given by a file, the environment or a flag
  bool describing() const;
  // The effective values of this table and those below, as text: equal if nothing changed.
  std::string Fingerprint() const;
  // Unknown keys and every fault, here and below, as one kConfig error; on the root also unknown
  // environment variables and flags. Call it when everything was read.
  Result<> Finish();

 private:
  Node* node_;
};

}  // namespace sidecar
