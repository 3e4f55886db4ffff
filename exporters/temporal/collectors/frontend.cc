// Whether the frontend answers and lets us in, and which collectors it does not offer where.

#include "exporters/temporal/frontend.h"

#include <algorithm>

#include "common/collect/reason.h"
#include "exporters/temporal/temporal_env.h"

namespace sidecar::temporal {
namespace {

constexpr auto kUp =
    Gauge("temporal_up", "Whether the frontend serves and accepts our credentials.");
constexpr auto kHealth = Gauge("temporal_health_status",
                               "Whether a service of the frontend says that it serves.", "service");
constexpr auto kDisabled = Gauge("temporal_exporter_collector_disabled",
                                 "A collector that a namespace does not offer or allow; it is "
                                 "tried again every 10 to 30 minutes.",
                                 "collector", "temporal_namespace", "reason");
constexpr FamilyInfo kFamilies[] = {kUp.info(), kHealth.info(), kDisabled.info()};

constexpr const char* kService = "temporal.api.workflowservice.v1.WorkflowService";
// The others of a scrape have their time too when the frontend hangs.
constexpr Millis kLongest{2'000}, kReserve{250};

class FrontendCollector final : public Collector {
 public:
  explicit FrontendCollector(std::shared_ptr<TemporalEnv> env) : env_(std::move(env)) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    for (const Gates::Shut& shut : env_->gates().shut()) {
      sink.Add(kDisabled, 1, shut.collector, shut.name_space, Reason(shut.reason));
    }
    const Mono end = scrape.clock().mono() +
                     std::min(kLongest, std::max(Millis(1), Millis(scrape.LeftMs()) - kReserve));
    const auto left = [&] {
      const auto rest = std::chrono::duration_cast<Millis>(end - scrape.clock().mono());
      return std::max(Millis(1), rest);
    };
    auto serving = env_->frontend().Serving(scrape, kService, left());
    if (serving) {
      sink.Add(kHealth, *serving ? 1 : 0, kService);
    } else if (serving.error().code == Errc::kUnsupported ||
               serving.error().code == Errc::kNoData) {
      // A proxy before the frontend need not know the health service.
      if (auto answered = env_->frontend().Answers(scrape, left()); answered) {
        serving = true;
      } else {
        serving = Fail(std::move(answered.error()));
      }
    }
    const bool refused = env_->frontend().unauthenticated();
    sink.Add(kUp, serving.value_or(false) && !refused ? 1 : 0);
    if (!serving) sink.Warn(std::move(serving.error()));
    if (serving && refused) {
      sink.Warn(Error{Errc::kDenied, "the frontend does not accept our credentials"});
    }
    return {};
  }

 private:
  const std::shared_ptr<TemporalEnv> env_;
};

}  // namespace

extern constinit const CollectorSpec<TemporalEnv> frontend_collector{
    .name = "frontend",
    .summary = "temporal_up from the health service, and what is disabled where.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader&) {},
    .make = [](const std::shared_ptr<TemporalEnv>& env, TableReader&)
        -> Result<std::unique_ptr<Collector>> { return std::make_unique<FrontendCollector>(env); }};

}  // namespace sidecar::temporal
