#include "exporters/host/process_template.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "common/base/parse.h"

namespace sidecar::host {
namespace {

constexpr std::string_view kOpen = "{{", kClose = "}}";

std::string_view Trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view ExeFull(const ProcessIdentity& process) {
  return process.arguments.empty() ? process.comm : process.arguments.front();
}
std::string_view ExeBase(const ProcessIdentity& process) {
  return process.arguments.empty() ? process.comm : BaseName(process.arguments.front());
}

// As Go prints a time: "2026-01-02 03:04:05.6 +0000 UTC".
std::string StartTime(std::uint64_t hundredths) {
  using std::chrono::floor, std::chrono::days, std::chrono::seconds;
  constexpr std::uint64_t kPerSecond = 100, kFarFuture = 253'402'300'800;  // the year 10000
  const std::chrono::sys_seconds at{
      seconds(static_cast<std::int64_t>(std::min(hundredths / kPerSecond, kFarFuture)))};
  const std::chrono::year_month_day date{floor<days>(at)};
  const std::chrono::hh_mm_ss time{at - floor<days>(at)};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d:%02d",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  std::string out = text.data();
  if (const std::uint64_t part = hundredths % kPerSecond; part != 0) {
    out += '.';
    out += static_cast<char>('0' + part / 10);
    if (part % 10 != 0) out += static_cast<char>('0' + part % 10);
  }
  return out += " +0000 UTC";
}

}  // namespace

std::string_view BaseName(std::string_view path) {
  if (path.empty()) return ".";
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return "/";
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

Result<ProcessTemplate::Part> ProcessTemplate::ParseAction(std::string_view action) {
  constexpr std::pair<std::string_view, Field> kFields[] = {
      {".Comm", Field::kComm},       {".ExeBase", Field::kExeBase},
      {".ExeFull", Field::kExeFull}, {".Username", Field::kUsername},
      {".PID", Field::kPid},         {".StartTime", Field::kStartTime},
  };
  for (const auto& [name, field] : kFields) {
    if (action == name) return Part{.field = field};
  }
  constexpr std::string_view kMatches = ".Matches.";
  if (action.starts_with(kMatches) && action.size() > kMatches.size()) {
    return Part{.field = Field::kMatch, .text = std::string(action.substr(kMatches.size()))};
  }
  std::string_view rest = action;
  if (NextField(rest) == "index" && NextField(rest) == ".Cgroups") {
    if (const auto index = ParseNumber<std::uint16_t>(Trimmed(rest))) {
      return Part{.field = Field::kCgroup, .index = *index};
    }
  }
  return Fail(Errc::kConfig,
              "{{" + std::string(action) +
                  "}} is none of .Comm, .ExeBase, .ExeFull, .Username, .PID, .StartTime, "
                  ".Matches.NAME, index .Cgroups N");
}

Result<ProcessTemplate> ProcessTemplate::Parse(std::string_view text) {
  ProcessTemplate parsed;
  while (!text.empty()) {
    const std::size_t open = text.find(kOpen);
    if (open != 0) parsed.parts_.push_back({.text = std::string(text.substr(0, open))});
    if (open == std::string_view::npos) break;
    text.remove_prefix(open + kOpen.size());
    const std::size_t close = text.find(kClose);
    if (close == std::string_view::npos) return Fail(Errc::kConfig, "{{ without }}");
    auto part = ParseAction(Trimmed(text.substr(0, close)));
    if (!part) return Fail(std::move(part.error()));
    parsed.parts_.push_back(std::move(*part));
    text.remove_prefix(close + kClose.size());
  }
  return parsed;
}

std::string ProcessTemplate::Render(const ProcessIdentity& process, const Matches& matches) const {
  std::string out;
  for (const Part& part : parts_) {
    switch (part.field) {
      case Field::kText:
        out += part.text;
        break;
      case Field::kComm:
        out += process.comm;
        break;
      case Field::kExeBase:
        out += ExeBase(process);
        break;
      case Field::kExeFull:
        out += ExeFull(process);
        break;
      case Field::kUsername:
        out += process.username;
        break;
      case Field::kPid:
        out += std::to_string(process.pid);
        break;
      case Field::kStartTime:
        out += StartTime(process.start_hundredths);
        break;
      case Field::kCgroup:
        if (part.index < process.cgroups.size()) out += process.cgroups[part.index];
        break;
      case Field::kMatch:
        for (const auto& [name, value] : matches) {
          if (name == part.text) out += value;
        }
        break;
    }
  }
  return out;
}

ProcessRules::Needs ProcessTemplate::needs() const {
  ProcessRules::Needs needs;
  for (const Part& part : parts_) {
    needs.arguments |= part.field == Field::kExeBase || part.field == Field::kExeFull;
    needs.username |= part.field == Field::kUsername;
    needs.cgroups |= part.field == Field::kCgroup;
  }
  return needs;
}

std::vector<std::string_view> ProcessTemplate::matches_used() const {
  std::vector<std::string_view> names;
  for (const Part& part : parts_) {
    if (part.field == Field::kMatch) names.push_back(part.text);
  }
  return names;
}

}  // namespace sidecar::host
