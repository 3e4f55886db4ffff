// A tool of the build: collectors/*.toml, read by the loader that reads users' queries, as one C++
// file of constants, so that nothing is parsed at start (76 files cost 40-50 ms of CPU). A fault in
// a file fails the build with its line.
//
//   generate_builtins builtins.gen.cc collectors/locks.toml collectors/wal.toml ...

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "common/config/document.h"
#include "exporters/postgres/load_queries.h"

namespace sidecar::postgres {
namespace {

std::string Literal(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    if (byte == '\n') {
      out += i + 1 == text.size() ? "\\n" : "\\n\"\n    \"";
    } else if (byte == '"' || byte == '\\') {
      out += {'\\', text[i]};
    } else if (byte < 0x20 || byte >= 0x7f) {
      // Closed and opened, or the next character might be read as a digit of this one.
      out += {'\\', 'x', kHex[byte >> 4U], kHex[byte & 0xfU], '"', '"'};
    } else {
      out += text[i];
    }
  }
  return out += '"';
}

std::string Text(std::string_view text) { return text.empty() ? "{}" : Literal(text); }
std::string Text(const Versions& versions) {
  return "{" + std::to_string(versions.from) + ", " + std::to_string(versions.to) + "}";
}
std::string Text(Millis time) { return "Millis(" + std::to_string(time.count()) + ")"; }
std::string Text(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  return {text, error == std::errc{} ? end : text};
}
template <class E>
std::string Enum(const char* type, E value) {
  return std::string("static_cast<") + type + ">(" + std::to_string(static_cast<int>(value)) + ")";
}

// Arrays get names of their own, because a span in a constant must point to a constant.
class Writer {
 public:
  std::string List(std::span<const std::string_view> items) {
    if (items.empty()) return "{}";
    std::string body;
    for (const std::string_view item : items) body += (body.empty() ? "" : ", ") + Literal(item);
    return Array("std::string_view", body);
  }

  std::string Map(std::span<const MappedValue> values) {
    if (values.empty()) return "{}";
    std::string body;
    for (const MappedValue& value : values) {
      body += "{" + Literal(value.text) + ", " + Text(value.value) + "}, ";
    }
    return Array("MappedValue", body);
  }

  std::string Metric(const MetricDef& metric) {
    const HistogramColumns& columns = metric.histogram;
    std::string histogram = "{" + Text(columns.bounds) + ", " + Text(columns.counts) + ", " +
                            Text(columns.sum) + ", " + Text(columns.count) + ", " +
                            Text(columns.exemplar_value) + ", " + Text(columns.exemplar_time) +
                            ", " + List(columns.exemplar_labels) + "}";
    return "{" + Text(metric.name) + ", " + Text(metric.help) + ", " + Text(metric.unit) + ", " +
           Text(metric.column) + ", " + Enum("Kind", metric.kind) + ", " + Text(metric.versions) +
           ", " + List(metric.labels) + ", " + Text(metric.scale) + ", " +
           Enum("NullPolicy", metric.null) + ", " + Enum("Aggregate", metric.aggregate) + ", " +
           Map(metric.map) + ", " + histogram + "}";
  }

  void Query(const QueryDef& def) {
    std::string variants, metrics;
    for (const QueryVariant& variant : def.variants) {
      variants += "{" + Text(variant.versions) + ", " + Literal(variant.sql) + "},\n    ";
    }
    for (const MetricDef& metric : def.metrics) metrics += Metric(metric) + ",\n    ";
    const std::string variant_array = Array("QueryVariant", variants);
    const std::string metric_array = metrics.empty() ? "{}" : Array("MetricDef", metrics);
    queries_ +=
        "    {.name = " + Text(def.name) + ",\n     .summary = " + Text(def.summary) +
        ",\n     .on_by_default = " + (def.on_by_default ? "true" : "false") +
        ",\n     .scope = " + Enum("QueryScope", def.scope) +
        ",\n     .role = " + Enum("QueryRole", def.role) +
        ",\n     .privilege = " + Enum("Privilege", def.privilege) +
        ",\n     .extension = " + Text(def.extension) +
        ",\n     .extension_version = " + std::to_string(def.extension_version) +
        ",\n     .versions_of_extension = " + (def.versions_of_extension ? "true" : "false") +
        ",\n     .versions = " + Text(def.versions) +
        ",\n     .databases = " + List(def.databases) +
        ",\n     .database_label = " + (def.database_label ? "true" : "false") +
        ",\n     .lane = " + Text(def.lane) + ",\n     .interval = " + Text(def.interval) +
        ",\n     .timeout = " + Text(def.timeout) + ",\n     .max_age = " + Text(def.max_age) +
        ",\n     .login_interval = " + Text(def.login_interval) +
        ",\n     .series_limit = " + std::to_string(def.series_limit) +
        ",\n     .rank_by = " + Text(def.rank_by) +
        ",\n     .builtin = true,\n     .variants = " + variant_array +
        ",\n     .metrics = " + metric_array + "},\n";
  }

  std::string Finish() const {
    return "// Generated from exporters/postgres/collectors/*.toml by generate_builtins.\n"
           "#include \"exporters/postgres/builtins.h\"\n\n"
           "namespace sidecar::postgres {\nnamespace {\n\n" +
           arrays_ + "constexpr QueryDef kBuiltins[] = {\n" + queries_ +
           "};\n\n}  // namespace\n\n"
           "std::span<const QueryDef> Builtins() { return kBuiltins; }\n\n"
           "}  // namespace sidecar::postgres\n";
  }

 private:
  std::string Array(const std::string& type, const std::string& body) {
    std::string name = "kArray" + std::to_string(count_++);
    arrays_ += "constexpr " + type + " " + name + "[] = {\n    " + body + "};\n";
    return name;
  }

  std::string arrays_, queries_;
  int count_ = 0;
};

Result<> LoadFile(const std::string& path, std::vector<OwnedQueryDef>& queries) {
  auto document = Document::Load({.file = path, .dir = {}, .environment = {}, .flags = {}});
  if (!document) return Fail(std::move(document.error()));
  TableReader root = document->Root();
  TableReader postgres = root.Table("postgres");
  for (TableReader& table : postgres.Tables("queries")) {
    queries.push_back(LoadQuery(table, QueryOrigin::kBuiltin));
  }
  return root.Finish();
}

int Generate(const std::string& output, std::span<char* const> paths) {
  std::vector<OwnedQueryDef> queries;
  bool failed = false;
  for (const char* const path : paths) {
    if (auto loaded = LoadFile(path, queries); !loaded) {
      std::cerr << loaded.error().message << '\n';
      failed = true;
    }
  }
  if (failed) return 1;
  std::ranges::sort(queries, {}, [](const OwnedQueryDef& query) { return query.def().name; });
  const auto twice =
      std::ranges::adjacent_find(queries, {}, [](const OwnedQueryDef& q) { return q.def().name; });
  if (twice != queries.end()) {
    std::cerr << "two collectors are called " << twice->def().name << '\n';
    return 1;
  }
  Writer writer;
  for (const OwnedQueryDef& query : queries) writer.Query(query.def());
  std::ofstream file(output, std::ios::trunc);
  file << writer.Finish();
  file.close();
  if (file.good()) return 0;
  std::cerr << output << ": cannot be written\n";
  return 1;
}

}  // namespace
}  // namespace sidecar::postgres

int main(int argc, char** argv) {
  const std::span<char* const> args(argv, static_cast<std::size_t>(argc));
  if (args.size() < 3) {
    std::cerr << "usage: generate_builtins OUTPUT FILE...\n";
    return 2;
  }
  return sidecar::postgres::Generate(args[1], args.subspan(2));
}
