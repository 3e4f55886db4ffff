#include "exporters/host/cgroup_names.h"

#include <re2/re2.h>

#include <algorithm>

#include "common/base/parse.h"
#include "exporters/host/mountinfo.h"

namespace sidecar::host {
namespace {

bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// Takes the last component off `path`.
std::string_view LastComponent(std::string_view& path) {
  const std::size_t slash = path.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? path : path.substr(slash + 1);
  path = path.substr(0, slash == std::string_view::npos ? 0 : slash);
  return last;
}

void DropSuffix(std::string_view& text, std::string_view suffix) {
  if (text.size() > suffix.size() && text.ends_with(suffix)) text.remove_suffix(suffix.size());
}

}  // namespace

struct CgroupNames::Rule {
  std::unique_ptr<re2::RE2> id;
  std::string container;
};

std::optional<std::string> KubernetesName(std::string_view mountinfo) {
  while (const auto line = NextLine(mountinfo)) {
    if (line->find("/containers/") == std::string_view::npos) continue;
    std::string_view rest = *line;
    for (int before = 3; before > 0; --before) NextField(rest);  // id, parent, device
    const std::string root = Unescaped(NextField(rest));
    std::string_view path = root;
    const std::string_view restart = LastComponent(path), name = LastComponent(path);
    const std::string_view containers = LastComponent(path), uid = LastComponent(path);
    if (LastComponent(path) == "pods" && containers == "containers" && !uid.empty() &&
        !restart.empty() && !name.empty()) {
      return std::string(name);
    }
  }
  return std::nullopt;
}

std::string ShortName(std::string_view id) {
  constexpr std::size_t kIdDigits = 64, kShown = 12;
  std::string_view name = LastComponent(id);
  DropSuffix(name, ".scope");
  DropSuffix(name, ".service");
  if (name.size() >= kIdDigits) {
    const std::string_view digits = name.substr(name.size() - kIdDigits);
    const char before = name.size() == kIdDigits ? '-' : name[name.size() - kIdDigits - 1];
    if (std::ranges::all_of(digits, IsHex) && (before == '-' || before == ':')) {
      name = digits.substr(0, kShown);
    }
  }
  return std::string(name);
}

CgroupNames::CgroupNames(From from) : from_(from) {}
CgroupNames::~CgroupNames() = default;
CgroupNames::CgroupNames(CgroupNames&&) noexcept = default;
CgroupNames& CgroupNames::operator=(CgroupNames&&) noexcept = default;

Result<> CgroupNames::Add(std::string_view id, std::string container) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto expression = std::make_unique<re2::RE2>(re2::StringPiece(id.data(), id.size()), options);
  if (!expression->ok()) return Fail(Errc::kConfig, expression->error());
  std::string why;
  if (!expression->CheckRewriteString(container, &why)) return Fail(Errc::kConfig, why);
  rules_.push_back({std::move(expression), std::move(container)});
  return {};
}

std::string CgroupNames::Name(std::string_view id, std::string_view comm,
                              std::string_view mountinfo) const {
  for (const Rule& rule : rules_) {
    std::string name;
    if (re2::RE2::Extract(re2::StringPiece(id.data(), id.size()), *rule.id, rule.container, &name))
      return name;
  }
  if (from_ == From::kComm && !comm.empty()) return std::string(comm);
  if (from_ == From::kAuto) {
    if (auto name = KubernetesName(mountinfo)) return std::move(*name);
    if (comm == "pause") return "POD";  // as the kubelet's cAdvisor calls it
  }
  return ShortName(id);
}

}  // namespace sidecar::host
