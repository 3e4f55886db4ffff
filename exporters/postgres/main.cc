#include "exporters/postgres/postgres.h"

int main(int argc, char** argv) {
  return sidecar::App("postgres-exporter").Add(sidecar::postgres::MakePostgres()).Run(argc, argv);
}
