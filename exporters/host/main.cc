#include "exporters/host/host.h"

int main(int argc, char** argv) {
  return sidecar::App("host-exporter").Add(sidecar::host::MakeHost()).Run(argc, argv);
}
