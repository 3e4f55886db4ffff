#include <algorithm>
#include <set>
#include <tuple>

#include "common/config/table_node.h"
#include "common/config/values.h"

namespace sidecar::config {
namespace {

constexpr std::size_t kMostShown = 100;

std::string ShownKey(std::string_view key) { return "'" + Printable(TomlKey(key)) + "'"; }

void BlameUnknown(const TableReader::Node& node, const std::string& key, const Value& value,
                  std::vector<Fault>& faults) {
  const bool tables = IsTables(value);
  if (value.kind != Value::Kind::kTable && !tables) {
    faults.push_back(
        {value.key,
         {},
         "unknown key " + ShownKey(key) + " in " + node.Shown() + DidYouMean(key, node.asked)});
    return;
  }
  const std::string open = tables ? "[[" : "[", close = tables ? "]]" : "]";
  const std::string above = node.header.empty() ? "" : node.header + ".";
  faults.push_back({value.key,
                    {},
                    "unknown table " + open + Printable(HeaderBelow(node.header, key)) + close +
                        DidYouMean(key, node.asked, open + above, close)});
}

bool StartsWithAny(std::string_view text, std::span<const std::string> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& prefix) { return text.starts_with(prefix); });
}

// Kubernetes sets X_SERVICE_HOST, X_SERVICE_PORT_NAME, X_PORT_9100_TCP_ADDR in every container for
// each service of the namespace: one named sidecar-exporters makes SIDECAR_EXPORTERS_... of it.
bool IsServiceLink(std::string_view name) {
  return name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") ||
         name.find("_SERVICE_PORT_") != std::string_view::npos ||
         name.find("_TCP_") != std::string_view::npos ||
         name.find("_UDP_") != std::string_view::npos ||
         name.find("_SCTP_") != std::string_view::npos;
}

}  // namespace

bool IsTables(const Value& value) {
  return value.kind == Value::Kind::kArray && !value.array.empty() &&
         std::all_of(value.array.begin(), value.array.end(),
                     [](const Value& item) { return item.kind == Value::Kind::kTable; });
}

Given* State::FindEnvironment(std::string_view name) {
  const auto found = std::find_if(environment.begin(), environment.end(),
                                  [&](const Given& given) { return given.name == name; });
  return found == environment.end() ? nullptr : &*found;
}

std::string Below(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : std::string(path) + "." + std::string(key);
}

std::string HeaderBelow(std::string_view header, std::string_view key) {
  return Below(header, TomlKey(key));
}

void CollectFaults(const TableReader::Node& node, std::vector<Fault>& faults) {
  faults.insert(faults.end(), node.faults.begin(), node.faults.end());
  if (node.value != nullptr) {
    for (const auto& [key, value] : node.value->table) {
      if (std::find(node.asked.begin(), node.asked.end(), key) == node.asked.end()) {
        BlameUnknown(node, key, value, faults);
      }
    }
  }
  for (const auto& child : node.children) {
    for (const auto& below : child.nodes) CollectFaults(*below, faults);
  }
}

void CollectUnused(const State& state, std::vector<Fault>& faults) {
  for (const Given& given : state.environment) {
    if (given.used || StartsWithAny(given.name + "_", state.ignored_environment)) continue;
    if (IsServiceLink(given.name)) continue;
    faults.push_back(
        {{},
         Printable(given.name),
         "unknown environment variable" + DidYouMean(given.name, state.known_environment, "", "")});
  }
  for (const Given& given : state.flags) {
    if (given.used) continue;
    faults.push_back({{},
                      "--" + Printable(given.name),
                      "unknown flag" + DidYouMean(given.name, state.known_flags, "--", "")});
  }
}

Result<> Report(std::vector<Fault> faults) {
  const auto rank = [](const Fault& fault) {
    const SourceText* const source = fault.place.source;
    return std::tuple(source == nullptr, source == nullptr ? 0 : source->order(),
                      fault.place.offset);
  };
  std::stable_sort(faults.begin(), faults.end(),
                   [&](const Fault& a, const Fault& b) { return rank(a) < rank(b); });
  std::set<std::string> rendered;
  std::string all;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    if (rendered.size() == kMostShown) {
      all += "\nand " + std::to_string(faults.size() - i) + " more";
      break;
    }
    const Fault& fault = faults[i];
    const std::string text = fault.place.source != nullptr
                                 ? fault.place.source->Render(fault.place, fault.message)
                                 : fault.origin + ": " + fault.message;
    if (rendered.insert(text).second) all += (all.empty() ? "" : "\n") + text;
  }
  if (all.empty()) return {};
  return Fail(Errc::kConfig, std::move(all));
}

}  // namespace sidecar::config

namespace sidecar {

std::string TableReader::Node::Shown() const {
  if (path.empty()) return "the top level";
  return config::Printable(element ? "[[" + header + "]]" : "[" + header + "]");
}

const config::Value* TableReader::Node::Find(std::string_view key) const {
  if (value == nullptr) return nullptr;
  const auto found = value->table.find(key);
  return found == value->table.end() ? nullptr : &found->second;
}

}  // namespace sidecar
