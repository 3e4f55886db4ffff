#include "exporters/postgres/setting_name.h"

#include "common/base/parse.h"

namespace sidecar::postgres {
namespace {

struct Unit {
  double factor;
  std::string_view suffix;
};

// "8kB", "16MB", "ms": PostgreSQL's units with a number before those of bytes. Nothing: unknown.
std::optional<Unit> FindUnit(std::string_view text) {
  if (text.empty()) return Unit{1, ""};
  const std::size_t letters = text.find_first_not_of("0123456789");
  if (letters == std::string_view::npos) return std::nullopt;
  double count = 1;
  if (letters > 0) {
    const auto given = ParseNumber<std::uint32_t>(text.substr(0, letters));
    if (!given) return std::nullopt;
    count = *given;
  }
  struct Known {
    std::string_view name;
    Unit unit;
  };
  constexpr Known kKnown[] = {
      {"us", {1e-6, "_seconds"}},
      {"ms", {1e-3, "_seconds"}},
      {"s", {1, "_seconds"}},
      {"min", {60, "_seconds"}},
      {"h", {3'600, "_seconds"}},
      {"d", {86'400, "_seconds"}},
      {"B", {1, "_bytes"}},
      {"kB", {1'024, "_bytes"}},
      {"MB", {1'048'576, "_bytes"}},
      {"GB", {1'073'741'824, "_bytes"}},
      {"TB", {1'099'511'627'776, "_bytes"}},
  };
  for (const Known& known : kKnown) {
    if (text.substr(letters) == known.name)
      return Unit{count * known.unit.factor, known.unit.suffix};
  }
  return std::nullopt;
}

double Times(double value, double factor) {
  if (value == -1) return value;  // "off" or "default" of many settings, never a duration
  if (factor == 1e-3) return value / 1e3;
  if (factor == 1e-6) return value / 1e6;
  return value * factor;
}

}  // namespace

Result<SettingMetric> NameSetting(std::string_view name, std::string_view setting,
                                  std::string_view unit, std::string_view vartype) {
  SettingMetric metric{std::string(kSettingPrefix).append(name), 0};
  for (char& c : metric.name) {
    if (c == '.' || c == '-') c = '_';
  }
  if (vartype == "bool") {
    metric.value = setting == "on" ? 1 : 0;
    return metric;
  }
  // Aurora writes the unit behind the value: "16384kB".
  std::string_view digits = setting;
  const std::size_t letters = setting.find_first_not_of("0123456789+-.eE");
  if (letters != std::string_view::npos) {
    digits = setting.substr(0, letters);
    unit = setting.substr(letters);
  }
  const auto found = FindUnit(unit);
  if (!found) return Fail(Errc::kParse, std::string(name) + ": unknown unit " + Quoted(unit));
  const auto value = ParseNumber<double>(digits);
  if (!value) return Fail(Errc::kParse, std::string(name) + ": not a number: " + Quoted(setting));
  metric.value = Times(*value, found->factor);
  metric.name += found->suffix;
  return metric;
}

}  // namespace sidecar::postgres
