#include "exporters/temporal/temporal.h"

namespace sidecar::temporal {
namespace {

class Temporal final : public Exporter {
 public:
  Identity identity() const override { return {"temporal", "temporal", 9233}; }
  Result<Plan> Build(TableReader&, Keep&, Runtime) override { return Plan{}; }
  void AddRoutes(Router&) override {}
};

}  // namespace

std::unique_ptr<Exporter> MakeTemporal() { return std::make_unique<Temporal>(); }

}  // namespace sidecar::temporal
