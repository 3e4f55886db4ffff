// Who blocks whom: the graph that pg_blocking_pids draws, walked to its roots.

#include <map>

#include "exporters/postgres/blocking_graph.h"
#include "exporters/postgres/named_rows.h"
#include "exporters/postgres/natives.h"

namespace sidecar::postgres {
namespace {

constexpr auto kBlocked =
    Gauge("pg_blocked_backends", "Sessions that wait for a lock.", "datname", "locktype");
constexpr auto kRoots =
    Gauge("pg_blocking_root_backends", "Sessions that others wait for and that wait for nobody.",
          "datname", "state");
constexpr auto kWait =
    Gauge("pg_lock_wait_max_seconds", "The longest that a session waits for a lock.", "datname");
constexpr auto kDepth =
    Gauge("pg_lock_chain_max_depth", "Sessions that wait one for another, in the longest chain.");

enum { kPid, kDatname, kState, kLockType, kBlockers, kWaited };

class Rows final : public NamedRows<6> {
 public:
  Rows() : NamedRows({"pid", "datname", "state", "locktype", "blockers", "waited"}) {}
  const BlockingGraph& graph() const { return graph_; }

 protected:
  Result<> Read() override {
    BlockingSession session;
    auto pid = Number(kPid);
    if (!pid) return Fail(std::move(pid.error()));
    session.pid = static_cast<int>(*pid);
    session.datname = Label(kDatname);
    session.state = Text(kState);
    session.locktype = Text(kLockType);
    if (const Cell blockers = Get(kBlockers)) {
      const auto pids = ParseNumbers(*blockers);
      if (!pids) return Fail(pids.error());
      for (const double blocker : *pids) session.blockers.push_back(static_cast<int>(blocker));
      session.waited = Number(kWaited).value_or(0);
    }
    graph_.Add(std::move(session));
    return {};
  }

 private:
  BlockingGraph graph_;
};

class Blocking final : public Native {
 public:
  Result<> Run(const QueryDef& def, Session& session, const Scrape& scrape, Sink& sink) override {
    Rows rows;
    if (auto done = RunStatement(def, session, scrape, rows); !done) return done;
    using Key = std::pair<std::string, std::string>;
    std::map<Key, double> blocked, roots;
    std::map<std::string, double> waits;
    for (const BlockingSession& waiting : rows.graph().sessions()) {
      if (waiting.blockers.empty()) continue;
      ++blocked[{waiting.datname, waiting.locktype}];
      double& longest = waits[waiting.datname];
      longest = std::max(longest, waiting.waited);
    }
    for (const BlockingSession& root : rows.graph().Roots()) ++roots[{root.datname, root.state}];
    for (const auto& [key, count] : blocked) sink.Add(kBlocked, count, key.first, key.second);
    for (const auto& [key, count] : roots) sink.Add(kRoots, count, key.first, key.second);
    for (const auto& [datname, seconds] : waits) sink.Add(kWait, seconds, datname);
    sink.Add(kDepth, static_cast<double>(rows.graph().Depth()));
    return {};
  }
};

}  // namespace

std::vector<FamilyInfo> BlockingFamilies() {
  return {kBlocked.info(), kRoots.info(), kWait.info(), kDepth.info()};
}
std::unique_ptr<Native> MakeBlocking(TableReader&) { return std::make_unique<Blocking>(); }

}  // namespace sidecar::postgres
