// pg_settings: a family for each setting, so that the server's version decides which there are.

#include "exporters/postgres/named_rows.h"
#include "exporters/postgres/native.h"
#include "exporters/postgres/natives.h"
#include "exporters/postgres/setting_name.h"

namespace sidecar::postgres {
namespace {

constexpr auto kPending = Gauge("pg_settings_pending_restart", "Settings that wait for a restart.");
constexpr auto kPendingSetting =
    Gauge("pg_setting_pending_restart", "1 for each setting that waits for a restart.", "name");

enum { kName, kSetting, kUnit, kType, kHelp, kRestart };

class Rows final : public NamedRows<6> {
 public:
  explicit Rows(Sink& sink)
      : NamedRows({"name", "setting", "unit", "vartype", "short_desc", "pending_restart"}),
        sink_(sink) {}

  double pending() const { return pending_; }

 protected:
  Result<> Read() override {
    if (Text(kRestart) == "t") {
      ++pending_;
      sink_.Add(kPendingSetting, 1, Text(kName));
    }
    if (!Get(kSetting)) return {};
    auto metric = NameSetting(Text(kName), Text(kSetting), Text(kUnit), Text(kType));
    if (!metric) {  // an extension's: it costs itself only
      sink_.Warn(std::move(metric.error()));
      return {};
    }
    auto family = sink_.Declare({metric->name, Text(kHelp), {}, Kind::kGauge, {}});
    if (!family) {
      sink_.Warn(std::move(family.error()));
      return {};
    }
    sink_.Put(*family, metric->value, {});
    return {};
  }

 private:
  Sink& sink_;
  double pending_ = 0;
};

// A session's settings change when it reads the files again, some when a standby is promoted, and
// with a right there are more of them. Once in an hour they are read whatever this says: a library
// that was loaded meanwhile has brought its own. (To count pg_settings costs the server nearly as
// much as to read it.)
constexpr std::string_view kState =
    "SELECT pg_conf_load_time(), pg_is_in_recovery(), pg_backend_pid(), pg_postmaster_start_time(),"
    " pg_has_role('pg_read_all_settings', 'USAGE'),"
    " extract(epoch FROM clock_timestamp())::bigint / 3600";

class StateReader final : public RowReader {
 public:
  Result<> Begin(std::span<const Column>) override { return {}; }
  Result<> Row(std::span<const Cell> cells) override {
    for (const Cell& cell : cells) text.append(cell.value_or("")).append(1, '\n');
    return {};
  }
  std::string text{};
};

class Settings final : public Native {
 public:
  // Most of what reading them costs are the rows: three hundred, forty kilobytes.
  Result<std::string> State(const QueryDef& def, Session& session, const Scrape& scrape) override {
    if (session.facts().pooled) return std::string();  // each query may be another session's
    StateReader state;
    const Statement statement{.name = "settings_state", .sql = kState, .timeout = def.timeout};
    auto done = session.Query(scrape, statement, state);
    if (!done) return Fail(std::move(done.error()));
    return std::move(state.text);
  }
  Result<> Run(const QueryDef& def, Session& session, const Scrape& scrape, Sink& sink) override {
    Rows rows(sink);
    if (auto done = RunStatement(def, session, scrape, rows); !done) return done;
    sink.Add(kPending, rows.pending());
    return {};
  }
};

}  // namespace

std::vector<FamilyInfo> SettingsFamilies() { return {kPending.info(), kPendingSetting.info()}; }
std::unique_ptr<Native> MakeSettings(TableReader&) { return std::make_unique<Settings>(); }

}  // namespace sidecar::postgres
