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

class Settings final : public Native {
 public:
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
