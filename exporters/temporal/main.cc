#include "exporters/temporal/temporal.h"

int main(int argc, char** argv) {
  return sidecar::App("temporal-exporter").Add(sidecar::temporal::MakeTemporal()).Run(argc, argv);
}
