#pragma once
// What Document and its TableReaders share: the layers a value comes from, and one node a table
// that was read, with the options it asked for. Document owns all of it. One thread.

#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/document.h"
#include "common/config/parse_toml.h"

namespace sidecar::config {

struct Fault {
  Place place;         // or, when it has no source:
  std::string origin;  // "SIDECAR_WEB_MAX_CONNECTIONS", "--web.max-requests", "[host]"
  std::string message;
};

enum class Credentials : std::uint8_t { kShown, kMasked };

// How one field reads its value; each function says what is wrong, or nothing. They hold references
// to the caller's variable: used within Field and the Flag calls that follow it.
struct Codec {
  std::string type;
  std::function<std::string(const Value&)> from_value;
  std::function<std::string(std::string_view)> from_text;  // a list's: one environment variable
  std::function<std::string(std::span<const std::string>)> from_texts;  // a list's flag, repeated
  std::function<std::string(Credentials)> print;                        // as TOML
};

enum class Layer : std::uint8_t { kDefault, kFile, kEnvironment, kFlag };

struct Option {
  std::string key;
  FieldInfo info;
  std::string printed_key;  // a secret's has _file or _env
  std::string raw;          // as TOML, credentials in it included
  Layer layer = Layer::kDefault;
  Place place;                    // of kFile
  std::vector<std::size_t> uses;  // of its flags, by their place on the command line
};

struct Given {  // an environment variable or a flag
  std::string name;
  std::string text;
  bool used = false;
};

struct State {
  std::deque<SourceText> sources;
  Value root;
  bool describing = false;
  std::vector<Given> environment;
  std::vector<Given> flags;
  std::vector<std::string> known_environment, known_flags;  // for suggestions
  std::vector<std::string> ignored_environment;             // prefixes
  std::vector<const Option*> order;
  std::vector<Fault> faults;  // found before anything was read
  std::unique_ptr<TableReader::Node> node;

  Given* FindEnvironment(std::string_view name);
};

// The path of `key` below `path`, as messages and FieldInfo show it, or as a TOML header has it.
std::string Below(std::string_view path, std::string_view key);
std::string HeaderBelow(std::string_view header, std::string_view key);

bool IsTables(const Value& value);  // an array of tables that has any

// Every fault of this node and below, unknown names included.
void CollectFaults(const TableReader::Node& node, std::vector<Fault>& faults);
// Environment variables and flags that no field asked for.
void CollectUnused(const State& state, std::vector<Fault>& faults);
// All of them rendered, in the order of the files, each once.
Result<> Report(std::vector<Fault> faults);

}  // namespace sidecar::config

namespace sidecar {

struct TableReader::Node {
  config::State* state = nullptr;
  const config::Value* value = nullptr;  // null: in no file
  std::string path;                      // "host.collectors.cpu", "postgres.queries[0]"
  std::string header;                    // "host.collectors.cpu", "postgres.queries"
  bool element = false;                  // of an array of tables
  bool in_array = false;                 // it or a table above: no environment, no names of its own
  std::vector<std::string> asked;        // keys and tables
  std::vector<std::string> ignored;
  std::deque<config::Option> options;
  config::Option* last = nullptr;  // what Flag refers to
  config::Codec last_codec;
  struct Child {
    std::string key;
    bool array = false;
    std::vector<std::unique_ptr<Node>> nodes;  // one, unless an array of tables
  };
  std::deque<Child> children;
  std::vector<config::Fault> faults;

  std::string Shown() const;  // "[host]", "[[postgres.queries]]", "the top level"
  const config::Value* Find(std::string_view key) const;
  void Blame(config::Place place, std::string message) {
    faults.push_back({place, {}, std::move(message)});
  }
};

}  // namespace sidecar
