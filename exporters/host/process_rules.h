#pragma once
// Which group a process belongs to: process-exporter's rules. The first rule that matches names the
// group. Built once from the configuration; then immutable and thread-safe.
//
//   ProcessRules rules;
//   auto added = rules.Add({.name = "{{.Comm}}", .comm = {"postgres"}});   // kConfig: why not
//   if (const auto group = rules.GroupOf(process)) ...

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sidecar::host {

struct ProcessRule {
  // Text with {{.Comm}}, {{.ExeBase}}, {{.ExeFull}}, {{.Username}}, {{.PID}}, {{.StartTime}},
  // {{.Matches.NAME}} and {{index .Cgroups N}}.
  std::string name = "{{.ExeBase}}";
  // A list that is not empty must match: one of `comm` is the name, one of `exe` is the first
  // argument (its base name, if the entry has no '/'), all expressions of `cmdline` are found in
  // the arguments joined by blanks.
  std::vector<std::string> comm{}, exe{}, cmdline{};
};

struct ProcessIdentity {
  std::int32_t pid = 0;
  std::string_view comm{};
  std::vector<std::string_view> arguments{};
  std::vector<std::string_view> cgroups{};
  std::string_view username{};
  std::uint64_t start_hundredths = 0;  // of a second, since the epoch
};

class ProcessRules {
 public:
  ProcessRules();
  ~ProcessRules();
  ProcessRules(ProcessRules&&) noexcept;
  ProcessRules& operator=(ProcessRules&&) noexcept;

  Result<> Add(const ProcessRule& rule);

  // UTF-8, 1 to 256 bytes. A name that comes out empty is the process's own.
  std::optional<std::string> GroupOf(const ProcessIdentity& process) const;

  // What GroupOf looks at beside pid, name and start: each costs a read.
  struct Needs {
    bool arguments = false, username = false, cgroups = false;
  };
  const Needs& needs() const { return needs_; }
  // Equal if the rules are.
  const std::string& fingerprint() const { return fingerprint_; }
  bool empty() const { return rules_.empty(); }

 private:
  struct Compiled;
  std::vector<std::unique_ptr<Compiled>> rules_;
  Needs needs_;
  std::string fingerprint_;
};

}  // namespace sidecar::host
