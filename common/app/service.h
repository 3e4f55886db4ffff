#pragma once
// The running process: one engine, registry and port per exporter (or one address for all), built
// from a configuration and rebuilt by a reload, all or nothing. Made, started and drained by one
// thread; the routes it serves run on the pool.
//
//   Service service("host-exporter", std::move(exporters), clock);
//   if (auto read = service.Configure(sources); !read) ...
//   if (auto up = service.Start(); !up) ...

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "common/app/app.h"
#include "common/app/options.h"
#include "common/app/process_metrics.h"
#include "common/base/pool.h"
#include "common/collect/batch_pool.h"
#include "common/config/document.h"

namespace sidecar {

class Service {
 public:
  Service(std::string name, std::vector<std::unique_ptr<Exporter>> exporters, const Clock& clock);
  ~Service();

  // Every option there is, for flags and help.
  std::vector<FieldInfo> Describe();
  // What is only looked at (PrintConfiguration, Check) does not run.
  enum class Effect : std::uint8_t { kRuns, kIsShown };
  // The first configuration; an error has every fault.
  Result<> Configure(Sources sources, Effect effect = Effect::kRuns);
  std::string PrintConfiguration() const;
  std::string Check();  // what the exporters add to --config.check
  // Where an exporter with these sources listens; puts nothing into effect.
  Result<std::vector<std::string>> Addresses(const Sources& sources);
  bool watches_files() const { return watches_files_; }

  Result<> Start();  // kUnavailable: an address cannot be had
  // Reads the same sources anew; a failure changes nothing, and log and metrics say so. Any thread.
  Result<> Reload();
  void Drain();
  // One exposition in text form.
  Result<> Once(const Write& write);
  Log& log() { return log_; }

 private:
  struct Part;
  struct Generation;

  Result<Generation> Read(Document document);
  Result<> Apply(Effect effect);  // with reload_ held
  bool NeedsRestart(const Generation& next) const;
  Router Routes(const std::vector<Part*>& parts);
  Response Metrics(const std::vector<Part*>& parts, const Request& request);
  std::vector<Part*> AllParts() const;  // that are enabled: one at least
  static std::vector<Query> Share(const std::vector<Part*>& parts, const Query& query);
  Result<Snapshot> Gather(const std::vector<Part*>& parts, const Query& query);
  std::shared_ptr<const Batch> Own(const std::vector<Part*>& parts);
  void ShowReload(bool successful);
  Response ReloadPage();

  std::string name_;
  const Clock& clock_;
  Log log_;
  ProcessMetrics process_;
  const std::shared_ptr<BatchPool> own_ = std::make_shared<BatchPool>();
  std::vector<std::unique_ptr<Part>> parts_;

  std::mutex reload_;  // held while a configuration is read and put into effect
  Sources sources_;
  bool started_ = false;
  mutable std::mutex mutex_;  // guards what pages show
  std::string printed_;
  std::atomic<bool> watches_files_ = true;
  std::atomic<bool> ready_ = false;
  std::atomic<std::int64_t> in_flight_ = 0;
  std::atomic<std::int64_t> max_requests_ = 40;
  std::atomic<bool> own_metrics_ = true;
  AppOptions options_;
  std::unique_ptr<Server> shared_;
  Pool pool_;  // last: its threads run handlers, which use all of the above
};

}  // namespace sidecar
