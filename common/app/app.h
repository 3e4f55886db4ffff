#pragma once
// Flags, configuration, reload, signals, ports and shutdown for one to n exporters.
//
//   int main(int argc, char** argv) {
//     return App("sidecar-exporter").Add(MakeHost()).Add(MakePostgres()).Run(argc, argv);
//   }

#include "common/collect/engine.h"
#include "common/collect/keep.h"
#include "common/http/server.h"

namespace sidecar {

// Its table is [host], [postgres] or [temporal] in every binary, so one file fits all.
class Exporter {
 public:
  virtual ~Exporter() = default;
  virtual Identity identity() const = 0;
  // Flags of the peer it replaces that do not exist here (yet): refused by name.
  virtual std::span<const std::string_view> refused_flags() const { return {}; }
  // Reads its table; called over a describing table too, which makes an empty plan. No I/O to what
  // is watched. Faults of meaning go to the table; the error is for what is wrong besides.
  virtual Result<Plan> Build(TableReader& table, Keep& keep, Runtime runtime) = 0;
  virtual void AddRoutes(Router& router) = 0;  // /probe
  // What --config.check adds after Build, for a person: whether what is watched can be reached, and
  // what would run there. Waits for it that long at most; empty: nothing to say.
  virtual std::string Check(Millis) { return {}; }
};

class App {
 public:
  explicit App(std::string name);
  ~App();
  // Its own engine; its own port, unless [sidecar] gives one address for all: then /metrics merges
  // every engine's snapshot and /metrics/<name> serves one.
  App& Add(std::unique_ptr<Exporter> exporter);
  // 0: done; 1: could not start (a taken port), or is not alive (the subcommand `healthcheck`,
  // which takes the flags of the exporter that it asks); 2: wrong flags or configuration.
  int Run(int argc, char** argv);
  int Run(std::span<const char* const> args, const Clock& clock,
          const std::stop_token& stop);  // tests

 private:
  std::string name_;
  std::vector<std::unique_ptr<Exporter>> exporters_;
};

}  // namespace sidecar
