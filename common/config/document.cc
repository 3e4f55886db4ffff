#include "common/config/document.h"

#include <algorithm>
#include <filesystem>

#include "common/base/file.h"
#include "common/config/table_node.h"
#include "common/config/values.h"

namespace sidecar {
namespace {

using config::Fault;
using config::Option;
using config::State;
using config::Value;
using Node = TableReader::Node;

constexpr std::size_t kMaxFileBytes = 1U << 20U;
constexpr std::size_t kMaxFiles = 256;

// An array of tables may go on in another file; any other list is one value.
void Merge(Value& into, Value&& from, std::vector<Fault>& faults) {
  for (auto& [key, value] : from.table) {
    const auto [there, added] = into.table.try_emplace(key);
    Value& old = there->second;
    if (added) {
      old = std::move(value);
    } else if (old.kind == Value::Kind::kTable && value.kind == Value::Kind::kTable) {
      Merge(old, std::move(value), faults);
    } else if (config::IsTables(old) && config::IsTables(value)) {
      std::move(value.array.begin(), value.array.end(), std::back_inserter(old.array));
    } else {
      faults.push_back({value.key,
                        {},
                        "'" + config::Printable(config::TomlKey(key)) + "' is also set in " +
                            old.key.source->At(old.key.offset)});
    }
  }
}

Result<> AddText(State& state, const std::string& name, std::string text) {
  state.sources.emplace_back(name, std::move(text), state.sources.size());
  auto root = config::ParseToml(state.sources.back());
  if (!root) return Fail(std::move(root.error()));
  Merge(state.root, std::move(*root), state.faults);
  return {};
}

Result<> AddFile(State& state, const std::string& path) {
  auto text = ReadFile(path, {.max_bytes = kMaxFileBytes});
  if (!text) {
    const bool large = text.error().code == Errc::kLimit;
    return Fail(Errc::kConfig, large ? config::Printable(path) + ": a file of more than 1 MiB"
                                     : config::Printable(text.error().message));
  }
  return AddText(state, path, std::move(*text));
}

// Dot files are left out: a mounted ConfigMap has ..data and a dated folder beside the links to
// its files.
Result<> AddDirectory(State& state, const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<std::string> paths;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::error_code ignored;
    if (name.starts_with('.') || !name.ends_with(".toml") || entry->is_directory(ignored)) continue;
    paths.push_back(entry->path().string());
  }
  if (error) {
    return Fail(Errc::kConfig, config::Printable(directory) + ": " + error.message());
  }
  if (paths.size() > kMaxFiles) {
    return Fail(Errc::kConfig, config::Printable(directory) + ": more than " +
                                   std::to_string(kMaxFiles) + " files");
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    if (auto added = AddFile(state, path); !added) return added;
  }
  return {};
}

// A service named sidecar-postgres makes Kubernetes set SIDECAR_POSTGRES_PORT=tcp://10.0.0.1:5432.
bool IsServicePort(std::string_view name, std::string_view text) {
  return name.find("_PORT") != std::string_view::npos &&
         (text.starts_with("tcp://") || text.starts_with("udp://") || text.starts_with("sctp://"));
}

void AddGiven(State& state, const Sources& sources) {
  for (const auto& [name, text] : sources.environment) {
    if (!name.starts_with("SIDECAR_") || IsServicePort(name, text)) continue;
    state.environment.push_back({name, text});
  }
  for (const auto& [spelling, text] : sources.flags) state.flags.push_back({spelling, text});
}

void PrintOption(const Option& option, std::string& text) {
  if (option.raw.empty()) {  // a secret without a place
    text += "# " + option.key + "_file or " + option.key + "_env: not set\n";
    return;
  }
  const std::string& value = option.info.type == "secret" ? option.raw : option.info.value;
  text += config::TomlKey(option.printed_key) + " = " + value + "  # " +
          config::Printable(option.info.origin) + "\n";
}

void PrintNode(const Node& node, std::string& text) {
  if (!node.path.empty() && (node.element || !node.options.empty())) {
    text += std::string(text.empty() ? "" : "\n") + (node.element ? "[[" : "[") + node.header +
            (node.element ? "]]" : "]") + "\n";
  }
  for (const Option& option : node.options) PrintOption(option, text);
  for (const Node::Child& child : node.children) {
    for (const auto& below : child.nodes) PrintNode(*below, text);
  }
}

}  // namespace

struct Document::Impl {
  State state;

  void MakeRoot() {
    state.node = std::make_unique<Node>();
    state.node->state = &state;
    if (!state.describing) state.node->value = &state.root;
  }
};

Document::Document() : impl_(std::make_unique<Impl>()) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

Result<Document> Document::Load(const Sources& sources) {
  Document document;
  State& state = document.impl_->state;
  if (!sources.file.empty()) {
    if (auto added = AddFile(state, sources.file); !added) return Fail(std::move(added.error()));
  }
  if (!sources.dir.empty()) {
    if (auto added = AddDirectory(state, sources.dir); !added) {
      return Fail(std::move(added.error()));
    }
  }
  AddGiven(state, sources);
  document.impl_->MakeRoot();
  return document;
}

Result<Document> Document::Parse(std::string_view text, std::string_view name) {
  Document document;
  if (text.size() > kMaxFileBytes) {
    return Fail(Errc::kConfig, config::Printable(name) + ": a file of more than 1 MiB");
  }
  if (auto added = AddText(document.impl_->state, std::string(name), std::string(text)); !added) {
    return Fail(std::move(added.error()));
  }
  document.impl_->MakeRoot();
  return document;
}

Document Document::Describing() {
  Document document;
  document.impl_->state.describing = true;
  document.impl_->MakeRoot();
  return document;
}

TableReader Document::Root() { return TableReader(impl_->state.node.get()); }

std::vector<FieldInfo> Document::Fields() const {
  std::vector<FieldInfo> fields;
  fields.reserve(impl_->state.order.size());
  for (const Option* const option : impl_->state.order) fields.push_back(option->info);
  return fields;
}

std::string Document::Print() const {
  std::string text;
  PrintNode(*impl_->state.node, text);
  return text;
}

}  // namespace sidecar
