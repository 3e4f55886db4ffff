#include "exporters/postgres/postgres.h"

namespace sidecar::postgres {
namespace {

class Postgres final : public Exporter {
 public:
  Identity identity() const override { return {"postgres", "pg", 9187}; }
  Result<Plan> Build(TableReader&, Keep&, Runtime) override { return Plan{}; }
  void AddRoutes(Router&) override {}
};

}  // namespace

std::unique_ptr<Exporter> MakePostgres() { return std::make_unique<Postgres>(); }

}  // namespace sidecar::postgres
