#pragma once
// The configuration as it was given: files, environment and flags, each value with its origin. Owns
// what its TableReaders point to. One thread.
//
//   auto document = Document::Load({.file = "/etc/sidecar.toml", .flags = flags});
//   TableReader root = document->Root();
//   options.Read(root);
//   if (auto read = root.Finish(); !read) ...      // all faults, rendered
//   for (const FieldInfo& field : document->Fields()) ...

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/config/table_reader.h"

namespace sidecar {

struct Sources {
  std::string file;  // --config.file; empty: none
  std::string dir;   // --config.dir: its *.toml in name order, merged; dot files are left out
  std::vector<std::pair<std::string, std::string>> environment;  // SIDECAR_* only
  std::vector<std::pair<std::string, std::string>> flags;        // spelling without dashes, text
};

// One option, as a table read it.
struct FieldInfo {
  std::string path;  // "host.collectors.cpu.guest"
  std::string type;  // "bool", "integer", "number", "string", "strings", "numbers", "duration",
                     // "secret"
  std::string help;
  std::string value;   // effective, as TOML; a secret's is its place
  std::string origin;  // "default", "sidecar.toml:12", "SIDECAR_...", "--collector.cpu.guest"
  std::vector<std::string> flags;
};

class Document {
 public:
  // kConfig: a file that cannot be read (1 MiB at most) or is no TOML, rendered with line and
  // caret. A scalar set by two files is a fault of meaning that names both.
  static Result<Document> Load(const Sources& sources);
  // A file's content, for tests: `name` is what faults call it.
  static Result<Document> Parse(std::string_view text, std::string_view name);
  static Document Describing();  // no values: every reader gets its defaults
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  TableReader Root();
  std::vector<FieldInfo> Fields() const;  // in the order they were read
  std::string Print() const;              // the effective configuration as TOML (--config.print)

 private:
  Document();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sidecar
