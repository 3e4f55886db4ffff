#include "common/app/service.h"

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <thread>

#include "common/app/pages.h"
#include "common/app/version.h"
#include "common/base/parse.h"
#include "common/metrics/prometheus_adapter.h"

namespace sidecar {
namespace {

constexpr std::size_t kMaxThreads = 1'024;  // started on demand; connections are capped far below
constexpr double kTimeoutOffset = 0.5;      // seconds kept for encoding and the network

// The time a scrape may take: what Prometheus says it will wait, less the offset.
Millis ScrapeTimeout(const Request& request) {
  const auto seconds = ParseNumber<double>(request.header("X-Prometheus-Scrape-Timeout-Seconds"));
  if (!seconds || !(*seconds > 0) || *seconds > 3'600) return Millis(9'500);
  const double left = *seconds > 2 * kTimeoutOffset ? *seconds - kTimeoutOffset : *seconds / 2;
  return Millis(static_cast<std::int64_t>(left * 1'000));
}

Response Html(std::string page) {
  Response response = Text(200, std::move(page));
  response.content_type = "text/html; charset=utf-8";
  return response;
}

}  // namespace

struct Service::Part {
  Part(std::unique_ptr<Exporter> e, const Clock& clock, Log& log, Pool& pool)
      : exporter(std::move(e)),
        identity(exporter->identity()),
        runtime{clock, log, pool, registry},
        engine(std::make_unique<Engine>(identity, runtime)) {
    const prometheus::Labels exporter_label = {{"exporter", std::string(identity.name)}};
    prometheus::BuildGauge()
        .Name("sidecar_build_info")
        .Help("What was built; the value is 1.")
        .Register(registry)
        .Add({{"exporter", std::string(identity.name)},
              {"version", std::string(Version())},
              {"revision", std::string(Revision())},
              {"compiler", std::string(Compiler())}})
        .Set(1);
    const auto gauge = [&](const char* name, const char* help) {
      return &prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(exporter_label);
    };
    reload_successful = gauge("sidecar_config_last_reload_successful",
                              "Whether the last configuration that was read is in effect.");
    reload_time = gauge("sidecar_config_last_reload_success_timestamp_seconds",
                        "When the configuration in effect was read, in Unix time.");
    restart_required = gauge("sidecar_config_restart_required",
                             "Whether the configuration asks for what only a restart changes.");
  }

  std::unique_ptr<Exporter> exporter;
  Identity identity;
  prometheus::Registry registry;
  prometheus::Gauge* reload_successful = nullptr;
  prometheus::Gauge* reload_time = nullptr;
  prometheus::Gauge* restart_required = nullptr;
  Runtime runtime;
  Keep keep;
  std::unique_ptr<Engine> engine;
  bool enabled = true;
  std::vector<std::string> listen;
  std::unique_ptr<Server> server;  // last: its handlers use the engine
};

// What one reading of the configuration made, not yet in effect.
struct Service::Generation {
  Document document;
  AppOptions options;
  std::vector<Plan> plans;
  std::vector<bool> enabled;
  std::vector<std::vector<std::string>> listen;
};

Service::Service(std::string name, std::vector<std::unique_ptr<Exporter>> exporters,
                 const Clock& clock)
    : name_(std::move(name)), clock_(clock), log_(clock), pool_(kMaxThreads) {
  for (auto& exporter : exporters) {
    parts_.push_back(std::make_unique<Part>(std::move(exporter), clock_, log_, pool_));
  }
}

Service::~Service() {
  shared_.reset();
  for (const auto& part : parts_) part->server.reset();
}

std::vector<FieldInfo> Service::Describe() {
  auto described = Read(Document::Describing());
  for (const auto& part : parts_) part->keep.Rollback();
  return described ? described->document.Fields() : std::vector<FieldInfo>{};
}

Result<Service::Generation> Service::Read(Document document) {
  Generation next{std::move(document), {}, {}, {}, {}};
  TableReader root = next.document.Root();
  const bool several = parts_.size() > 1;
  next.options.Read(root, several);
  for (const std::string_view name : {"host", "postgres", "temporal"}) {
    const bool ours = std::ranges::any_of(
        parts_, [name](const auto& part) { return part->identity.name == name; });
    if (!ours) root.Ignore(name);
  }
  for (const auto& part : parts_) {
    TableReader table = root.Table(part->identity.name);
    bool enabled = true;
    table.Field("enabled", enabled,
                "Whether sidecar-exporter runs this exporter; its own binary always does.");
    enabled = enabled || !several;
    std::vector<std::string> listen = {":" + std::to_string(part->identity.port)};
    table.Field("listen", listen, "Addresses to serve on: :PORT, HOST:PORT, [IPV6]:PORT.");
    if (!several) table.Flag("web.listen-address");
    next.enabled.push_back(enabled);
    next.listen.push_back(std::move(listen));
    auto plan = part->exporter->Build(table, part->keep, part->runtime);
    if (!enabled) {  // read for its faults alone
      part->keep.Rollback();
      next.plans.emplace_back();
      continue;
    }
    if (!plan) return Fail(std::move(plan.error()).Wrap(std::string(part->identity.name)));
    next.plans.push_back(std::move(*plan));
  }
  if (auto whole = root.Finish(); !whole) return Fail(std::move(whole.error()));
  if (std::ranges::count(next.enabled, true) == 0) {
    return Fail(Errc::kConfig, "no exporter is enabled");
  }
  return next;
}

Result<std::vector<std::string>> Service::Addresses(const Sources& sources) {
  const std::scoped_lock lock(reload_);
  auto document = Document::Load(sources);
  if (!document) return Fail(std::move(document.error()));
  auto read = Read(std::move(*document));
  for (const auto& part : parts_) part->keep.Rollback();
  if (!read) return Fail(std::move(read.error()));
  if (!read->options.shared_listen.empty()) return read->options.shared_listen;
  std::vector<std::string> all;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (read->enabled[i]) all.insert(all.end(), read->listen[i].begin(), read->listen[i].end());
  }
  return all;
}

Result<> Service::Configure(Sources sources, Effect effect) {
  const std::scoped_lock lock(reload_);
  sources_ = std::move(sources);
  return Apply(effect);
}

// Listeners and their limits are made once: what asks for others waits for a restart, and says so.
bool Service::NeedsRestart(const Generation& next) const {
  bool needs = next.options.telemetry_path != options_.telemetry_path ||
               next.options.shared_listen != options_.shared_listen ||
               next.options.enable_lifecycle != options_.enable_lifecycle ||
               next.options.limits != options_.limits;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    needs = needs || next.enabled[i] != parts_[i]->enabled;
    needs = needs || (next.enabled[i] && next.listen[i] != parts_[i]->listen);
  }
  return needs;
}

Result<> Service::Apply(Effect effect) {
  auto document = Document::Load(sources_);
  if (!document) return Fail(std::move(document.error()));
  auto next = Read(std::move(*document));
  if (!next) {
    for (const auto& part : parts_) part->keep.Rollback();
    return Fail(std::move(next.error()));
  }
  log_.Set(next->options.log);
  max_requests_ = next->options.max_requests;
  own_metrics_ = !next->options.disable_exporter_metrics;
  watches_files_ = next->options.watch;
  const bool restart = started_ && NeedsRestart(*next);
  if (restart) log_.Warn("addresses, paths and limits of listeners change with a restart only");
  if (!started_) options_ = next->options;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (!started_) {
      parts_[i]->enabled = next->enabled[i];
      parts_[i]->listen = next->listen[i];
    }
    if (effect == Effect::kIsShown) continue;
    parts_[i]->restart_required->Set(restart ? 1 : 0);
    parts_[i]->engine->Swap(std::move(next->plans[i]));
    parts_[i]->keep.Commit();
  }
  if (effect == Effect::kRuns) ShowReload(true);
  const std::scoped_lock lock(mutex_);
  printed_ = next->document.Print();
  return {};
}

std::string Service::Check() {
  std::string text;
  for (Part* part : AllParts()) text += part->exporter->Check(/*patience=*/Millis(20'000));
  return text;
}

std::string Service::PrintConfiguration() const {
  const std::scoped_lock lock(mutex_);
  return printed_;
}

Result<> Service::Reload() {
  const std::scoped_lock lock(reload_);
  auto applied = Apply(Effect::kRuns);
  if (applied) {
    log_.Info("configuration reloaded");
  } else {
    ShowReload(false);
    log_.Error("configuration not reloaded, the old one stays", {{"err", applied.error().message}});
  }
  return applied;
}

Response Service::ReloadPage() {
  const auto reloaded = Reload();
  return reloaded ? Text(200, "reloaded\n") : Text(500, reloaded.error().message + "\n");
}

void Service::ShowReload(bool successful) {
  for (const auto& part : parts_) {
    part->reload_successful->Set(successful ? 1 : 0);
    if (!successful) continue;
    part->reload_time->Set(std::chrono::duration<double>(clock_.wall().time_since_epoch()).count());
  }
}

Result<> Service::Start() {
  if (!options_.shared_listen.empty()) {
    auto server = Server::Start(options_.shared_listen, options_.limits, Routes(AllParts()),
                                AllParts().front()->runtime, "all");
    if (!server) return Fail(std::move(server.error()));
    shared_ = std::move(*server);
  } else {
    for (Part* part : AllParts()) {
      auto server = Server::Start(part->listen, options_.limits, Routes({part}), part->runtime,
                                  std::string(part->identity.name));
      if (!server) return Fail(std::move(server.error()));
      part->server = std::move(*server);
    }
  }
  started_ = true;
  ready_ = true;
  return {};
}

void Service::Drain() {
  ready_ = false;
  const Mono end = clock_.mono() + options_.drain_timeout;
  const auto drain = [this, end](Server* server) {
    if (server == nullptr) return;
    const auto left = std::chrono::duration_cast<Millis>(end - clock_.mono());
    server->Drain(std::max(left, Millis(0)));
  };
  drain(shared_.get());
  for (const auto& part : parts_) drain(part->server.get());
}

std::vector<Service::Part*> Service::AllParts() const {
  std::vector<Part*> all;
  for (const auto& part : parts_) {
    if (part->enabled) all.push_back(part.get());
  }
  return all;
}

Result<> Service::Once(const Write& write) {
  auto snapshot = Gather(AllParts(), {.wait_for_background = true});
  if (!snapshot) return Fail(std::move(snapshot.error()));
  return Encode(*snapshot, Format::kText, write);
}

// The exporters' own counters, and what the process uses: once a process, with its first exporter.
std::shared_ptr<const Batch> Service::Own(const std::vector<Part*>& parts) {
  auto batch = own_->Take();
  Sink sink(*batch);
  for (Part* part : parts) {
    if (auto copied = CopyInto(part->registry, sink); !copied) sink.Warn(copied.error());
    if (part == AllParts().front()) process_.Collect(sink);
  }
  batch->Seal();
  return batch;
}

// Each engine refuses a collector that it does not know; of several engines each is asked for its
// own. A name that none knows stays with all, to be refused.
std::vector<Query> Service::Share(const std::vector<Part*>& parts, const Query& query) {
  std::vector<Query> shares(parts.size(), query);
  if (query.collect.empty()) return shares;
  for (Query& share : shares) share.collect.clear();
  for (const std::string& name : query.collect) {
    bool known = false;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto members = parts[i]->engine->Status();
      if (std::ranges::find(members, name, &MemberStatus::name) == members.end()) continue;
      shares[i].collect.push_back(name);
      known = true;
    }
    if (known) continue;
    for (Query& share : shares) share.collect.push_back(name);
  }
  return shares;
}

Result<Snapshot> Service::Gather(const std::vector<Part*>& parts, const Query& query) {
  const auto own = own_metrics_ ? [&] { return Own(parts); } : Engine::LastPart();
  if (parts.size() == 1) return parts.front()->engine->Gather(query, own);
  const std::vector<Query> shares = Share(parts, query);
  std::vector<Result<Snapshot>> gathered(parts.size());
  const auto gather = [&](std::size_t i) {
    if (!query.collect.empty() && shares[i].collect.empty()) return;  // nothing of its own
    gathered[i] = parts[i]->engine->Gather(shares[i]);
  };
  {
    std::vector<std::jthread> others;  // a wedged exporter leaves the others their time
    for (std::size_t i = 1; i < parts.size(); ++i) others.emplace_back(gather, i);
    gather(0);
  }
  std::vector<Snapshot> snapshots;
  for (Result<Snapshot>& one : gathered) {
    if (!one) return Fail(std::move(one.error()));
    one->names = query.names;  // of who was not asked too
    snapshots.push_back(std::move(*one));
  }
  if (own) snapshots.back().parts.push_back(own());
  return Merge(snapshots);
}

Response Service::Metrics(const std::vector<Part*>& parts, const Request& request) {
  const std::shared_ptr<void> running(nullptr, [this](void*) { --in_flight_; });
  const std::int64_t limit = max_requests_;
  if (++in_flight_ > limit && limit > 0) return Text(503, "too many scrapes at once\n");
  Query query{.timeout = ScrapeTimeout(request),
              .collect = request.query("collect[]"),
              .exclude = request.query("exclude[]"),
              .names = request.query("name[]")};
  auto gathered = Gather(parts, query);
  if (!gathered) return Text(400, gathered.error().message + "\n");
  const auto [format, type] = Negotiate(request.header("Accept"));
  return {200, type, [all = std::move(*gathered), format = format, running](const Write& write) {
            return Encode(all, format, write);
          }};
}

Router Service::Routes(const std::vector<Part*>& parts) {
  Router router;
  const auto metrics = [this](std::vector<Part*> some) {
    return [this, some = std::move(some)](const Request& r) { return Metrics(some, r); };
  };
  const std::string path = options_.telemetry_path;
  router.Get(path, Access::kProtected, metrics(parts));
  if (!options_.shared_listen.empty()) {
    for (Part* part : parts) {
      router.Get(path + "/" + std::string(part->identity.name), Access::kProtected,
                 metrics({part}));
    }
  }
  const auto status = [parts, path] {
    std::vector<ExporterStatus> all;
    for (Part* part : parts) {
      const std::string name(part->identity.name);
      std::string metrics_path = path;
      if (parts.size() > 1) metrics_path.append("/").append(name);
      all.push_back({name, std::move(metrics_path), part->engine->Status()});
    }
    return all;
  };
  router.Get("/", Access::kProtected,
             [this, status](const Request&) { return Html(LandingPage(name_, status())); });
  router.Get("/status", Access::kProtected,
             [this, status](const Request&) { return Html(StatusPage(name_, status())); });
  router.Get("/config", Access::kProtected,
             [this](const Request&) { return Text(200, PrintConfiguration()); });
  router.Get("/-/healthy", Access::kOpen, [](const Request&) { return Text(200, "healthy\n"); });
  router.Get("/-/ready", Access::kOpen, [this](const Request&) {
    return ready_ ? Text(200, "ready\n") : Text(503, "not ready\n");
  });
  if (options_.enable_lifecycle) {
    router.Post("/-/reload", Access::kProtected, [this](const Request&) { return ReloadPage(); });
  }
  for (Part* part : parts) part->exporter->AddRoutes(router);
  return router;
}

}  // namespace sidecar
