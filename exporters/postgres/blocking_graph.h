#pragma once
// Who waits for whom: sessions and the sessions that block them. Pure; one thread.
//
//   BlockingGraph graph;
//   graph.Add({.pid = 7, .datname = "orders", .blockers = {5}, .waited = 1.5});
//   graph.Add({.pid = 5, .datname = "orders", .state = "idle in transaction"});
//   graph.Depth();  // 1

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace sidecar::postgres {

// pid 0 among blockers stands for a prepared transaction, which has no session.
struct BlockingSession {
  int pid = 0;
  std::string datname{}, state{}, locktype{};
  std::vector<int> blockers{};  // empty: it waits for nobody
  double waited = 0;            // seconds
};

class BlockingGraph {
 public:
  void Add(BlockingSession session);

  const std::vector<BlockingSession>& sessions() const { return sessions_; }
  // Those who block and do not wait: ended sessions and prepared transactions have no row, and are
  // sessions with a state that says so.
  std::vector<BlockingSession> Roots() const;
  // Of the longest chain: 1 if A waits for B. A circle, which is a deadlock until the server breaks
  // it, counts each of its sessions once.
  std::size_t Depth() const;

 private:
  std::size_t DepthOf(std::size_t session, std::vector<std::size_t>& known) const;

  std::vector<BlockingSession> sessions_;
  std::unordered_map<int, std::size_t> by_pid_;
};

}  // namespace sidecar::postgres
