#include "common/app/options.h"

#include <algorithm>
#include <iterator>

namespace sidecar {
namespace {

void ReadLog(TableReader table, LogOptions& options) {
  constexpr std::string_view kLevels[] = {"debug", "info", "warn", "error"};
  constexpr std::string_view kFormats[] = {"logfmt", "json"};
  std::string level = "info";
  std::string format = "logfmt";
  table.Field("level", level, "Least severe lines to write: debug, info, warn or error.")
      .Flag("log.level");
  table.Field("format", format, "Form of a line: logfmt or json.").Flag("log.format");
  const auto at = std::ranges::find(kLevels, level);
  if (at == std::end(kLevels)) {
    table.Reject("level", "not one of debug, info, warn, error: '" + level + "'");
  } else {
    options.level = static_cast<Level>(at - std::begin(kLevels));
  }
  if (std::ranges::find(kFormats, format) == std::end(kFormats)) {
    table.Reject("format", "not one of logfmt, json: '" + format + "'");
  }
  options.format = format == "json" ? LogFormat::kJson : LogFormat::kLogfmt;
}

}  // namespace

void AppOptions::Read(TableReader& root, bool several) {
  ReadLog(root.Table("log"), log);
  TableReader web = root.Table("web");
  web.Field("telemetry_path", telemetry_path, "Path of the metrics.").Flag("web.telemetry-path");
  web.Field("max_requests", max_requests, "Scrapes at once; more are answered 503. 0: no limit.", 0,
            1'000)
      .Flag("web.max-requests");
  web.Field("disable_exporter_metrics", disable_exporter_metrics,
            "Leave out process_* and the exporter's own counters.")
      .Flag("web.disable-exporter-metrics");
  web.Field("enable_lifecycle", enable_lifecycle, "Answer POST /-/reload.")
      .Flag("web.enable-lifecycle");
  web.Field("drain_timeout", drain_timeout,
            "How long SIGTERM waits for the scrapes that are running.");
  limits.Read(web);
  if (!telemetry_path.starts_with('/') || telemetry_path == "/") {
    web.Reject("telemetry_path", "a path below / is needed, such as /metrics");
  }
  root.Table("config")
      .Field("watch", watch, "Reload when the configuration's files change.")
      .Flag("config.watch");
  if (several) {
    root.Table("sidecar")
        .Field("listen", shared_listen,
               "One address for all exporters; without it each listens on its own.")
        .Flag("web.listen-address");
  } else {
    root.Ignore("sidecar");
  }
}

}  // namespace sidecar
