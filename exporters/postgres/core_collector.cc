// Whether the server answers, whether it lets us in, and what the exporter does there. The rows
// come in every scrape, also while the server is down or silent: the question to it has a second.

#include "exporters/postgres/query_collectors.h"
#include "exporters/postgres/server_session.h"

namespace sidecar::postgres {
namespace {

constexpr auto kUp = Gauge("pg_up", "Whether the server answers on the exporter's session.");
constexpr auto kLoginUp = Gauge("pg_login_up", "Whether the last fresh login succeeded.");
constexpr auto kLoginDuration =
    Gauge("pg_login_duration_seconds", "How long the last login that succeeded took.");
constexpr auto kStatic = Make<Kind::kUnknown>("pg_static", "The server's version; the value is 1.",
                                              "version", "short_version", "server");
constexpr auto kInRecovery =
    Gauge("pg_in_recovery", "Whether the server is in recovery: a standby.");
constexpr auto kLastError =
    Gauge("pg_exporter_last_scrape_error",
          "Whether the server did not answer, or a collector of the scrape before failed.");
constexpr auto kLastDuration = Gauge("pg_exporter_last_scrape_duration_seconds",
                                     "How long the collectors of the scrape before took.");
constexpr auto kScrapes =
    Counter("pg_exporter_scrapes_total", "Scrapes in which the server was asked.");
constexpr auto kConnections =
    Gauge("pg_exporter_connections",
          "Connections that count against the limit: open, or dropped with a backend that may not "
          "have ended.",
          "state");
constexpr auto kConnectionsMax =
    Gauge("pg_exporter_connections_max", "Connections that the exporter may have at once.");
constexpr auto kLogins = Counter("pg_exporter_logins_total", "Logins by their result.", "result");
constexpr auto kDatabases =
    Gauge("pg_exporter_databases", "Databases by what became of their last visit.", "state");

constexpr Millis kAnswer{1'000};
// When the keeper is awake anyway, to see what has become of the runs that began with that login.
constexpr Millis kForRotation{5'000};
constexpr Millis kRest{200};  // for the second question and the rows

class RecoveryReader final : public RowReader {
 public:
  Result<> Begin(std::span<const Column> columns) override {
    if (columns.size() != 1) return Fail(Errc::kInternal, "core: not the column asked for");
    return {};
  }
  Result<> Row(std::span<const Cell> cells) override {
    in_recovery = cells[0] == "t";
    return {};
  }
  bool in_recovery = false;
};

class CoreCollector final : public Collector {
 public:
  explicit CoreCollector(Watched watched) : watched_(std::move(watched)) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    watched_.tally->Begin(scrape.id(), scrape.clock().mono());
    const auto lease = watched_.server->Take(kMainLane);
    RecoveryReader reader;
    // Asked again where the session did not answer: that may be its backend alone.
    Result<> asked = Ask(scrape, *lease, reader);
    if (!asked && asked.error().code == Errc::kTimeout) asked = Ask(scrape, *lease, reader);
    sink.Add(kUp, asked ? 1 : 0);
    if (asked) {
      const Facts& facts = (*lease)->facts();
      if (facts.in_recovery != reader.in_recovery) (*lease)->ForgetFacts();
      // As postgres_exporter has it: three numbers, whatever the packager adds.
      const std::string numbers =
          std::to_string(facts.major()) + "." + std::to_string(facts.version_num % 10'000) + ".0";
      sink.Add(kStatic, 1, facts.version, numbers, facts.server);
      sink.Add(kInRecovery, reader.in_recovery ? 1 : 0);
    } else {
      sink.Warn(asked.error());
    }
    AddOwn(scrape, asked.has_value(), sink);
    return {};
  }

 private:
  Result<> Ask(const Scrape& scrape, const Server::Lease& lease, RecoveryReader& reader) const {
    const Millis left(scrape.LeftMs());
    const Millis most = lease->logged_in() ? kAnswer : watched_.server->LoginPatience();
    const Scrape part = scrape.Within(std::min(most, std::max(left / 2, left - kRest)));
    return lease->Query(part,
                        {.name = "core",
                         .sql = "SELECT pg_catalog.pg_is_in_recovery()",
                         .timeout = kAnswer,
                         .own_timeout = true},
                        reader);
  }

  void AddOwn(const Scrape& scrape, bool up, Sink& sink) const {
    const LoginState login = watched_.server->login();
    if (!watched_.server->LoginOutdated()) sink.Add(kLoginUp, login.up ? 1 : 0);
    if (login.succeeded > 0) sink.Add(kLoginDuration, login.seconds);
    sink.Add(kLogins, login.succeeded, "ok");
    sink.Add(kLogins, login.failed, "failed");
    watched_.tally->End(scrape.id(), scrape.clock().mono(), !up);
    const ScrapeTally::Last last = watched_.tally->last();
    sink.Add(kLastError, !up || last.failed ? 1 : 0);
    if (last.known) sink.Add(kLastDuration, last.seconds);
    sink.Add(kScrapes, last.scrapes);
    const Budget::Use use = watched_.server->budget().use();
    sink.Add(kConnections, use.open, "open");
    sink.Add(kConnections, use.half_open, "half_open");
    sink.Add(kConnectionsMax, watched_.server->options().max_connections);
    const Databases::Counts counts = watched_.databases->counts();
    sink.Add(kDatabases, counts.visited, "visited");
    sink.Add(kDatabases, counts.pending, "pending");
    sink.Add(kDatabases, counts.denied, "denied");
    sink.Add(kDatabases, counts.failed, "failed");
  }

  const Watched watched_;
};

class LoginProbe final : public Task {
 public:
  explicit LoginProbe(Watched watched) : watched_(std::move(watched)) {}

  // What fails is in pg_login_up and the log: the task itself has done its work.
  Result<> Run(const Scrape& scrape) override {
    const bool fresh = watched_.server->login().known && scrape.clock().mono() < Due();
    const auto lease = watched_.server->Take(kLoginLane);
    // Its own that has no answer yet is gone on with: nobody else may log in meanwhile.
    logging_in_ = (*lease)->logging_in();
    if (fresh && !logging_in_) return {};
    if ((*lease)->Ready(scrape)) (*lease)->Close();
    logging_in_ = (*lease)->logging_in();
    return {};
  }
  Mono NotBefore() const override {
    if (logging_in_ || !watched_.server->login().known) return Mono::min();
    return Due();
  }
  Mono PutOff() const override { return NotBefore(); }  // the rotation may have logged in

 private:
  // The rotation has a moment to spend the login on a database that waits for one.
  Mono Due() const {
    const Millis interval = watched_.server->options().login_probe_interval;
    if (const auto next = watched_.server->NextLogin()) {
      return *next + std::min(kForRotation, interval / 10);
    }
    return watched_.server->login().at + interval;
  }

  const Watched watched_;
  bool logging_in_ = false;  // has had no answer yet
};

}  // namespace

std::unique_ptr<Collector> MakeCoreCollector(Watched watched) {
  return std::make_unique<CoreCollector>(std::move(watched));
}

std::unique_ptr<Task> MakeLoginProbe(Watched watched) {
  return std::make_unique<LoginProbe>(std::move(watched));
}

}  // namespace sidecar::postgres
