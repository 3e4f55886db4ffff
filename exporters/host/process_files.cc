#include "exporters/host/process_files.h"

#include "common/base/parse.h"

namespace sidecar::host {
namespace {

auto Malformed(std::string_view what, std::string_view bytes,
               std::source_location where = std::source_location::current()) {
  return Fail(Errc::kParse, std::string(what) + " in " + Quoted(bytes), where);
}

std::string_view SkipFields(std::string_view& rest, int fields) {
  for (; fields > 0; --fields) NextField(rest);
  return rest;
}

// Takes the next field off `rest` as a number.
template <class T>
bool NextNumber(std::string_view& rest, T& value) {
  const auto number = ParseNumber<T>(NextField(rest));
  if (number) value = *number;
  return number.has_value();
}

// "VmSwap:\t  12 kB" after its key, as bytes.
bool NextKilobytes(std::string_view rest, std::uint64_t& bytes) {
  constexpr std::uint64_t kKilobyte = 1024;
  std::uint64_t value = 0;
  if (!NextNumber(rest, value) || NextField(rest) != "kB") return false;
  return !__builtin_mul_overflow(value, kKilobyte, &bytes);
}

// What follows `key` if the line starts with it.
std::optional<std::string_view> After(std::string_view line, std::string_view key) {
  if (!line.starts_with(key)) return std::nullopt;
  return line.substr(key.size());
}

// "cut" without its newline: a number that is half there is a wrong number.
bool Complete(std::string_view text) { return text.ends_with('\n'); }

}  // namespace

Result<ProcessStat> ParseProcessStat(std::string_view text) {
  // The name is the process's own choice and may hold ") R 1"; what follows it never has a ')'.
  const std::size_t open = text.find('('), close = text.rfind(')');
  if (!Complete(text) || open == std::string_view::npos || close == std::string_view::npos ||
      close < open) {
    return Malformed("no process", text);
  }
  ProcessStat stat;
  stat.comm = text.substr(open + 1, close - open - 1);
  std::string_view rest = text.substr(close + 1);
  rest.remove_suffix(1);
  const std::string_view state = NextField(rest);
  if (state.size() != 1) return Malformed("no state", text);
  stat.state = state.front();
  bool numbers = NextNumber(rest, stat.parent);
  SkipFields(rest, 5);  // group, session, terminal, its group, flags
  numbers = numbers && NextNumber(rest, stat.minor_faults);
  SkipFields(rest, 1);  // of waited-for children, as below
  numbers = numbers && NextNumber(rest, stat.major_faults);
  SkipFields(rest, 1);
  numbers = numbers && NextNumber(rest, stat.user_ticks) && NextNumber(rest, stat.system_ticks);
  SkipFields(rest, 4);  // of children, priority, nice
  numbers = numbers && NextNumber(rest, stat.threads);
  SkipFields(rest, 1);
  numbers = numbers && NextNumber(rest, stat.start_ticks) && NextNumber(rest, stat.virtual_bytes) &&
            NextNumber(rest, stat.resident_pages);
  if (!numbers) return Malformed("not a number", text);
  return stat;
}

Result<ProcessStatus> ParseProcessStatus(std::string_view text) {
  ProcessStatus status;
  bool uid = false, voluntary = false, nonvoluntary = false;
  if (!Complete(text)) return Malformed("no whole lines", text);
  while (const auto line = NextLine(text)) {
    bool good = true;
    if (auto rest = After(*line, "Uid:")) {
      SkipFields(*rest, 1);  // the real one
      good = uid = NextNumber(*rest, status.effective_uid);
    } else if (rest = After(*line, "VmSwap:"); rest) {
      good = NextKilobytes(*rest, status.swapped_bytes);
    } else if (rest = After(*line, "voluntary_ctxt_switches:"); rest) {
      good = voluntary = NextNumber(*rest, status.voluntary);
    } else if (rest = After(*line, "nonvoluntary_ctxt_switches:"); rest) {
      good = nonvoluntary = NextNumber(*rest, status.nonvoluntary);
    }
    if (!good) return Malformed("not a number", *line);
  }
  if (!uid || !voluntary || !nonvoluntary) {
    return Fail(Errc::kParse, "no Uid or no context switches");
  }
  return status;
}

Result<ProcessIo> ParseProcessIo(std::string_view text) {
  ProcessIo io;
  bool read = false, written = false;
  if (!Complete(text)) return Malformed("no whole lines", text);
  while (const auto line = NextLine(text)) {
    bool good = true;
    if (auto rest = After(*line, "read_bytes:")) {
      good = read = NextNumber(*rest, io.read_bytes);
    } else if (rest = After(*line, "write_bytes:"); rest) {
      good = written = NextNumber(*rest, io.write_bytes);
    }
    if (!good) return Malformed("not a number", *line);
  }
  if (!read || !written) return Fail(Errc::kParse, "no read_bytes or no write_bytes");
  return io;
}

Result<std::uint64_t> ParseOpenFilesLimit(std::string_view text) {
  while (const auto line = NextLine(text)) {
    auto rest = After(*line, "Max open files");
    if (!rest) continue;
    const std::string_view soft = NextField(*rest);
    if (soft == "unlimited") return kUnlimited;
    const auto limit = ParseNumber<std::uint64_t>(soft);
    if (!limit) return Malformed("not a number", *line);
    return *limit;
  }
  return Fail(Errc::kParse, "no line 'Max open files'");
}

Result<ProportionalMemory> ParseSmapsRollup(std::string_view text) {
  ProportionalMemory memory;
  bool resident = false;
  while (const auto line = NextLine(text)) {
    bool good = true;
    if (const auto rest = After(*line, "Pss:")) {
      good = resident = NextKilobytes(*rest, memory.resident_bytes);
    } else if (const auto swap = After(*line, "SwapPss:")) {  // not without CONFIG_SWAP
      good = NextKilobytes(*swap, memory.swapped_bytes);
    }
    if (!good) return Malformed("not a number", *line);
  }
  if (!resident) return Fail(Errc::kParse, "no line 'Pss:'");
  return memory;
}

Result<std::uint64_t> ParseSchedstat(std::string_view text) {
  std::uint64_t ran = 0;
  std::string_view rest = text;
  if (!NextNumber(rest, ran)) return Malformed("not a number", text);
  return ran;
}

Result<std::uint64_t> ParseUptimeTicks(std::string_view text) {
  constexpr std::uint64_t kTicksPerSecond = 100;
  std::string_view rest = text;
  const std::string_view field = NextField(rest);
  const std::size_t point = field.find('.');
  if (point == std::string_view::npos) return Malformed("no seconds", text);
  const auto seconds = ParseNumber<std::uint32_t>(field.substr(0, point));
  const auto hundredths = ParseNumber<std::uint32_t>(field.substr(point + 1));
  if (!seconds || !hundredths || field.size() != point + 3) return Malformed("no seconds", text);
  return *seconds * kTicksPerSecond + *hundredths;
}

std::optional<std::uint64_t> ParseBootTime(std::string_view stat) {
  constexpr std::string_view kKey = "\nbtime ";
  const std::size_t at = stat.find(kKey);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = stat.substr(at + kKey.size());
  return ParseNumber<std::uint64_t>(NextLine(rest).value_or(std::string_view{}));
}

std::vector<std::string_view> SplitCmdline(std::string_view text) {
  while (text.ends_with('\0')) text.remove_suffix(1);
  std::vector<std::string_view> arguments;
  while (!text.empty()) {
    const std::size_t end = text.find('\0');
    arguments.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return arguments;
}

std::vector<std::string_view> ParseCgroupPaths(std::string_view text) {
  std::vector<std::string_view> paths;
  while (const auto line = NextLine(text)) {  // hierarchy:controllers:path
    const std::size_t first = line->find(':');
    if (first == std::string_view::npos) continue;
    const std::size_t second = line->find(':', first + 1);
    if (second != std::string_view::npos) paths.push_back(line->substr(second + 1));
  }
  return paths;
}

std::optional<std::string_view> FindUser(std::string_view passwd, std::uint32_t uid) {
  while (const auto line = NextLine(passwd)) {  // name:password:uid:...
    const std::size_t name = line->find(':');
    if (name == std::string_view::npos || name == 0) continue;
    const std::size_t password = line->find(':', name + 1);
    if (password == std::string_view::npos) continue;
    const std::string_view rest = line->substr(password + 1);
    if (ParseNumber<std::uint32_t>(rest.substr(0, rest.find(':'))) == uid) {
      return line->substr(0, name);
    }
  }
  return std::nullopt;
}

}  // namespace sidecar::host
