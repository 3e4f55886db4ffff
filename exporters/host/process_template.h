#pragma once
// The names of process groups: the part of Go's text/template that process-exporter's
// configurations use. Immutable, thread-safe.
//
//   auto name = ProcessTemplate::Parse("{{.Comm}}:{{.Matches.port}}");
//   name->Render(process, matches)

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exporters/host/process_rules.h"

namespace sidecar::host {

class ProcessTemplate {
 public:
  using Matches = std::vector<std::pair<std::string, std::string_view>>;

  // kConfig: what is not understood.
  static Result<ProcessTemplate> Parse(std::string_view text);

  std::string Render(const ProcessIdentity& process, const Matches& matches) const;
  ProcessRules::Needs needs() const;
  std::vector<std::string_view> matches_used() const;

 private:
  enum class Field : std::uint8_t {
    kText,
    kComm,
    kExeBase,
    kExeFull,
    kUsername,
    kPid,
    kStartTime,
    kMatch,
    kCgroup
  };
  struct Part {
    Field field = Field::kText;
    std::string text{};     // or the name of a match
    std::size_t index = 0;  // of a cgroup
  };

  static Result<Part> ParseAction(std::string_view action);

  std::vector<Part> parts_;
};

// filepath.Base of Go: "/usr/bin/x/" is "x".
std::string_view BaseName(std::string_view path);

}  // namespace sidecar::host
