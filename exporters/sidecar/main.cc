#include "exporters/host/host.h"
#include "exporters/postgres/postgres.h"
#include "exporters/temporal/temporal.h"

int main(int argc, char** argv) {
  return sidecar::App("sidecar-exporter")
      .Add(sidecar::host::MakeHost())
      .Add(sidecar::postgres::MakePostgres())
      .Add(sidecar::temporal::MakeTemporal())
      .Run(argc, argv);
}
