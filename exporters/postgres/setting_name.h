#pragma once
// pg_settings under the names of postgres_exporter: its unit makes the suffix, and the value is in
// seconds or bytes. Pure functions.
//
//   auto metric = NameSetting("shared_buffers", "16384", "8kB", "integer");
//   // {"pg_settings_shared_buffers_bytes", 134217728}

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sidecar::postgres {

inline constexpr std::string_view kSettingPrefix = "pg_settings_";

struct SettingMetric {
  std::string name;
  double value;
};
// kParse: the value is no number or the unit unknown.
Result<SettingMetric> NameSetting(std::string_view name, std::string_view setting,
                                  std::string_view unit, std::string_view vartype);

}  // namespace sidecar::postgres
