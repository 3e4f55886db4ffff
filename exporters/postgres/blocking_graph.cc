#include "exporters/postgres/blocking_graph.h"

#include <algorithm>
#include <set>

namespace sidecar::postgres {
namespace {

constexpr std::size_t kUnknown = SIZE_MAX, kOnPath = SIZE_MAX - 1;

}  // namespace

void BlockingGraph::Add(BlockingSession session) {
  std::ranges::sort(session.blockers);
  const auto same = std::ranges::unique(session.blockers);
  session.blockers.erase(same.begin(), same.end());
  if (!by_pid_.try_emplace(session.pid, sessions_.size()).second) return;
  sessions_.push_back(std::move(session));
}

std::vector<BlockingSession> BlockingGraph::Roots() const {
  std::set<int> blockers;
  for (const BlockingSession& session : sessions_) {
    blockers.insert(session.blockers.begin(), session.blockers.end());
  }
  std::vector<BlockingSession> roots;
  for (const int pid : blockers) {
    const auto found = by_pid_.find(pid);
    if (found == by_pid_.end()) {
      BlockingSession gone;
      gone.pid = pid;
      gone.state = pid == 0 ? "prepared transaction" : "ended";
      roots.push_back(std::move(gone));
    } else if (sessions_[found->second].blockers.empty()) {
      roots.push_back(sessions_[found->second]);
    }
  }
  return roots;
}

// Depth first without recursion: chains may be as long as there are sessions.
std::size_t BlockingGraph::DepthOf(std::size_t session, std::vector<std::size_t>& known) const {
  struct Step {
    std::size_t session, next = 0, deepest = 0;
  };
  std::vector<Step> path{{session}};
  known[session] = kOnPath;
  for (;;) {
    Step& top = path.back();
    const std::vector<int>& blockers = sessions_[top.session].blockers;
    if (top.next == blockers.size()) {
      const std::size_t depth = top.deepest;
      known[top.session] = depth;
      path.pop_back();
      if (path.empty()) return depth;
      path.back().deepest = std::max(path.back().deepest, depth + 1);
      continue;
    }
    const auto found = by_pid_.find(blockers[top.next++]);
    const std::size_t depth = found == by_pid_.end() ? kOnPath : known[found->second];
    if (depth == kUnknown) {
      known[found->second] = kOnPath;
      path.push_back({found->second});
    } else {
      // One without a row, or one that closes a circle, has no depth of its own.
      top.deepest = std::max(top.deepest, depth == kOnPath ? 1 : depth + 1);
    }
  }
}

std::size_t BlockingGraph::Depth() const {
  std::vector<std::size_t> known(sessions_.size(), kUnknown);
  std::size_t depth = 0;
  for (std::size_t i = 0; i < sessions_.size(); ++i) {
    depth = std::max(depth, known[i] == kUnknown ? DepthOf(i, known) : known[i]);
  }
  return depth;
}

}  // namespace sidecar::postgres
