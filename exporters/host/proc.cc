#include "exporters/host/proc.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sidecar::host {
namespace {

// The longest known is 31 bytes; a metric's name is made of it.
constexpr std::size_t kMaxKey = 128;

tl::unexpected<Error> NotANumber(std::string_view line) {
  return Fail(Errc::kParse, "not a number in " + Quoted(line));
}

Result<std::uint64_t> NextCount(std::string_view& rest, std::string_view line) {
  const auto count = ParseNumber<std::uint64_t>(NextField(rest));
  if (!count) return NotANumber(line);
  return *count;
}

std::string_view Trimmed(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

bool PlainKey(std::string_view key) {
  for (const char c : key) {
    if (c <= ' ' || c >= 0x7f) return false;
  }
  return !key.empty() && key.size() <= kMaxKey;
}

Result<> ParseSoftirqs(std::string_view rest, std::string_view line, KernelStat& stat) {
  if (auto sum = NextCount(rest, line); !sum) return Fail(std::move(sum.error()));
  for (auto& vector : stat.softirqs) {
    const std::string_view field = NextField(rest);
    if (field.empty()) break;
    vector = ParseNumber<std::uint64_t>(field);
    if (!vector) return NotANumber(line);
  }
  return {};
}

}  // namespace

Result<std::string_view> Whole(std::string_view path, Result<std::string_view> text) {
  if (!text) return text;
  if (text->ends_with('\n')) return text;
  const std::string_view tail = text->substr(text->rfind('\n') + 1);
  return Fail(Errc::kParse,
              std::string(path) + (text->empty() ? ": empty" : ": cut off at " + Quoted(tail)));
}

Result<std::optional<CpuTicks>> ParseCpuTicks(std::string_view line) {
  std::string_view rest = line;
  const std::string_view key = NextField(rest);
  if (key == "cpu") return std::nullopt;
  CpuTicks row;
  const auto cpu = ParseNumber<std::uint32_t>(key.substr(std::min<std::size_t>(3, key.size())));
  if (!cpu) return NotANumber(line);
  row.cpu = *cpu;
  for (std::size_t i = 0; i < row.ticks.size(); ++i) {
    const std::string_view field = NextField(rest);
    if (field.empty() && i > CpuTicks::kIdle) break;
    const auto ticks = ParseNumber<std::uint64_t>(field);
    if (!ticks) return NotANumber(line);
    row.ticks[i] = *ticks;
  }
  return row;
}

Result<KernelStat> ParseKernelStat(std::string_view text) {
  KernelStat stat;
  const std::pair<std::string_view, std::optional<std::uint64_t>*> keys[] = {
      {"intr", &stat.interrupts},       {"ctxt", &stat.context_switches},
      {"btime", &stat.boot_time},       {"processes", &stat.forks},
      {"procs_running", &stat.running}, {"procs_blocked", &stat.blocked}};
  while (const auto line = NextLine(text)) {
    std::string_view rest = *line;
    const std::string_view key = NextField(rest);
    if (key == "softirq") {
      if (auto parsed = ParseSoftirqs(rest, *line, stat); !parsed) {
        return Fail(std::move(parsed.error()));
      }
    }
    for (const auto& [name, value] : keys) {
      if (key != name) continue;
      const auto count = NextCount(rest, *line);
      if (!count) return Fail(count.error());
      *value = *count;
    }
  }
  return stat;
}

Result<MeminfoLine> ParseMeminfo(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !PlainKey(line.substr(0, colon))) {
    return Fail(Errc::kParse, "not a key and a value: " + Quoted(line));
  }
  std::string_view rest = line.substr(colon + 1);
  const auto value = NextCount(rest, line);
  if (!value) return Fail(value.error());
  const std::string_view unit = NextField(rest);
  if (unit.empty()) return MeminfoLine{line.substr(0, colon), *value, false};
  if (unit != "kB") return Fail(Errc::kParse, "a unit other than kB in " + Quoted(line));
  if (*value > UINT64_MAX / 1024) return NotANumber(line);
  return MeminfoLine{line.substr(0, colon), *value * 1024, true};
}

Result<VmstatLine> ParseVmstat(std::string_view line) {
  std::string_view rest = line;
  const std::string_view key = NextField(rest);
  if (!PlainKey(key)) return Fail(Errc::kParse, "not a key and a value: " + Quoted(line));
  const std::string_view field = NextField(rest);
  if (const auto count = ParseNumber<std::uint64_t>(field)) {
    return VmstatLine{key, static_cast<double>(*count)};
  }
  if (const auto below_zero = ParseNumber<std::int64_t>(field)) {
    return VmstatLine{key, static_cast<double>(*below_zero)};
  }
  return NotANumber(line);
}

Result<Pressure> ParsePressure(std::string_view text) {
  constexpr std::string_view kTotal = "total=";
  Pressure pressure;
  while (const auto line = NextLine(text)) {
    std::string_view rest = *line;
    const std::string_view key = NextField(rest);
    if (key != "some" && key != "full") continue;
    std::string_view field = NextField(rest);
    while (!field.empty() && !field.starts_with(kTotal)) field = NextField(rest);
    if (field.empty()) return Fail(Errc::kParse, "no total in " + Quoted(*line));
    const auto total = ParseNumber<std::uint64_t>(field.substr(kTotal.size()));
    if (!total) return NotANumber(*line);
    (key == "some" ? pressure.some : pressure.full) = *total;
  }
  return pressure;
}

Result<LoadAverages> ParseLoadAverages(std::string_view text) {
  const auto line = NextLine(text).value_or("");
  std::string_view rest = line;
  LoadAverages loads;
  for (double* load : {&loads.one, &loads.five, &loads.fifteen}) {
    const auto value = ParseNumber<double>(NextField(rest));
    // from_chars reads "inf" and "nan" too.
    if (!value || !std::isfinite(*value) || *value < 0) return NotANumber(line);
    *load = *value;
  }
  return loads;
}

Result<FileHandles> ParseFileHandles(std::string_view text) {
  const auto line = NextLine(text).value_or("");
  std::string_view rest = line;
  const auto allocated = NextCount(rest, line);
  if (!allocated) return Fail(allocated.error());
  // The second is the number of free handles, 0 since 2.6.
  if (const auto free = NextCount(rest, line); !free) return Fail(free.error());
  const auto maximum = NextCount(rest, line);
  if (!maximum) return Fail(maximum.error());
  return FileHandles{*allocated, *maximum};
}

std::optional<CpuInfo> NextCpuInfo(std::string_view& rest) {
  CpuInfo info;
  const std::pair<std::string_view, std::string_view*> keys[] = {
      {"processor", &info.processor},   {"vendor_id", &info.vendor},
      {"cpu family", &info.family},     {"model", &info.model},
      {"model name", &info.model_name}, {"microcode", &info.microcode},
      {"stepping", &info.stepping},     {"cache size", &info.cache_size},
      {"physical id", &info.package},   {"core id", &info.core},
      {"cpu MHz", &info.mhz},           {"flags", &info.flags},
      {"Features", &info.flags},        {"bugs", &info.bugs}};
  while (const auto line = NextLine(rest)) {
    if (Trimmed(*line).empty()) {
      if (!info.processor.empty()) return info;
      continue;
    }
    const std::size_t colon = std::min(line->find(':'), line->size());
    const std::string_view key = Trimmed(line->substr(0, colon));
    for (const auto& [name, value] : keys) {
      if (key == name) *value = Trimmed(line->substr(std::min(colon + 1, line->size())));
    }
  }
  if (info.processor.empty()) return std::nullopt;
  return info;
}

Result<std::vector<std::uint32_t>> ParseCpuList(std::string_view text) {
  constexpr std::uint32_t kLast = 65535;
  std::vector<std::uint32_t> cpus;
  const std::string_view line = NextLine(text).value_or("");
  std::string_view list = line;
  while (!list.empty()) {
    const std::string_view range = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), range.size() + 1));
    const std::size_t dash = range.find('-');
    const auto first = ParseNumber<std::uint32_t>(range.substr(0, dash));
    const auto last =
        dash == std::string_view::npos ? first : ParseNumber<std::uint32_t>(range.substr(dash + 1));
    const bool ascends = first && (cpus.empty() || *first > cpus.back());
    if (!ascends || !last || *first > *last || *last > kLast) {
      return Fail(Errc::kParse, "not a list of CPUs: " + Quoted(line));
    }
    for (std::uint32_t cpu = *first; cpu <= *last; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

}  // namespace sidecar::host
