#include "exporters/host/process_rules.h"

#include <re2/re2.h>

#include <algorithm>

#include "common/metrics/utf8.h"
#include "exporters/host/process_template.h"

namespace sidecar::host {
namespace {

constexpr std::size_t kMaxNameBytes = 256;

std::string AsLabel(std::string_view raw) {
  std::string name = ToUtf8(raw);
  if (name.size() <= kMaxNameBytes) return name;
  std::size_t end = kMaxNameBytes;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0U) == 0x80U) --end;
  name.resize(end);  // not inside a character
  return name;
}

bool IsExe(const std::vector<std::string>& entries, std::string_view argument) {
  const std::string_view base = BaseName(argument);
  return std::ranges::any_of(entries, [&](const std::string& entry) {
    return entry == (entry.find('/') == std::string::npos ? base : argument);
  });
}

std::string Joined(const std::vector<std::string_view>& arguments) {
  std::string line;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (i > 0) line += ' ';
    line += arguments[i];
  }
  return line;
}

}  // namespace

struct ProcessRules::Compiled {
  ProcessTemplate name;
  std::vector<std::string> comm, exe;
  std::vector<std::unique_ptr<re2::RE2>> cmdline;

  bool Matches(const ProcessIdentity& process, const std::string& line,
               ProcessTemplate::Matches& captures) const {
    if (!comm.empty() && std::ranges::find(comm, process.comm) == comm.end()) return false;
    if (!exe.empty() && (process.arguments.empty() || !IsExe(exe, process.arguments.front()))) {
      return false;
    }
    return std::ranges::all_of(cmdline, [&](const std::unique_ptr<re2::RE2>& expression) {
      return Search(*expression, line, captures);
    });
  }

  static bool Search(const re2::RE2& expression, const std::string& line,
                     ProcessTemplate::Matches& captures) {
    const auto& named = expression.NamedCapturingGroups();
    std::vector<re2::StringPiece> groups(
        named.empty() ? 0 : static_cast<std::size_t>(expression.NumberOfCapturingGroups()) + 1);
    if (!expression.Match(line, 0, line.size(), re2::RE2::UNANCHORED, groups.data(),
                          static_cast<int>(groups.size()))) {
      return false;
    }
    for (const auto& [name, index] : named) {
      const re2::StringPiece& group = groups[static_cast<std::size_t>(index)];
      const std::string_view value(group.data(), group.size());
      const auto same =
          std::ranges::find(captures, name, &ProcessTemplate::Matches::value_type::first);
      if (same == captures.end()) {
        captures.emplace_back(name, value);
      } else {
        same->second = value;  // the last expression that has it, as in process-exporter
      }
    }
    return true;
  }

  bool Captures(std::string_view group) const {
    return std::ranges::any_of(cmdline, [&](const std::unique_ptr<re2::RE2>& expression) {
      return expression->NamedCapturingGroups().contains(std::string(group));
    });
  }
};

ProcessRules::ProcessRules() = default;
ProcessRules::~ProcessRules() = default;
ProcessRules::ProcessRules(ProcessRules&&) noexcept = default;
ProcessRules& ProcessRules::operator=(ProcessRules&&) noexcept = default;

Result<> ProcessRules::Add(const ProcessRule& rule) {
  if (rule.comm.empty() && rule.exe.empty() && rule.cmdline.empty()) {
    return Fail(Errc::kConfig, "a group needs comm, exe or cmdline");
  }
  auto name = ProcessTemplate::Parse(rule.name);
  if (!name) return Fail(std::move(name.error()).Wrap("name"));
  auto compiled = std::make_unique<Compiled>(Compiled{std::move(*name), rule.comm, rule.exe, {}});
  re2::RE2::Options options;
  options.set_log_errors(false);
  for (const std::string& pattern : rule.cmdline) {
    auto expression = std::make_unique<re2::RE2>(pattern, options);
    if (!expression->ok()) return Fail(Errc::kConfig, "cmdline: " + expression->error());
    compiled->cmdline.push_back(std::move(expression));
  }
  for (const std::string_view used : compiled->name.matches_used()) {
    if (compiled->Captures(used)) continue;
    return Fail(Errc::kConfig,
                "name: no expression of cmdline has the group (?P<" + std::string(used) + ">...)");
  }
  const Needs needs = compiled->name.needs();
  needs_.arguments |= needs.arguments || !rule.exe.empty() || !rule.cmdline.empty();
  needs_.username |= needs.username;
  needs_.cgroups |= needs.cgroups;
  for (const auto* list : {&rule.comm, &rule.exe, &rule.cmdline}) {
    for (const std::string& entry : *list) fingerprint_.append(entry).push_back('\0');
    fingerprint_.push_back('\n');
  }
  fingerprint_.append(rule.name).push_back('\n');
  rules_.push_back(std::move(compiled));
  return {};
}

std::optional<std::string> ProcessRules::GroupOf(const ProcessIdentity& process) const {
  const std::string line = Joined(process.arguments);
  ProcessTemplate::Matches captures;
  for (const auto& rule : rules_) {
    captures.clear();
    if (!rule->Matches(process, line, captures)) continue;
    std::string name = AsLabel(rule->name.Render(process, captures));
    if (name.empty()) name = AsLabel(process.comm);
    return name.empty() ? "?" : name;
  }
  return std::nullopt;
}

}  // namespace sidecar::host
