#include "exporters/postgres/blocking_graph.h"

#include <gmock/gmock.h>

namespace sidecar::postgres {
namespace {

using ::testing::ElementsAre;

BlockingGraph Graph(std::vector<std::pair<int, std::vector<int>>> edges) {
  BlockingGraph graph;
  for (auto& [pid, blockers] : edges) {
    BlockingSession session;
    session.pid = pid;
    session.state = "active";
    session.blockers = std::move(blockers);
    graph.Add(std::move(session));
  }
  return graph;
}
std::vector<std::string> Roots(const BlockingGraph& graph) {
  std::vector<std::string> roots;
  for (const BlockingSession& root : graph.Roots()) {
    roots.push_back(std::to_string(root.pid) + " " + root.state);
  }
  return roots;
}

TEST(BlockingGraph, OfNobodyHasNoDepth) {
  EXPECT_EQ(Graph({}).Depth(), 0U);
  EXPECT_EQ(Graph({{1, {}}, {2, {}}}).Depth(), 0U);
  EXPECT_THAT(Roots(Graph({{1, {}}})), ElementsAre());
}

TEST(BlockingGraph, FindsRootsAndTheLongestChain) {
  const BlockingGraph graph =
      Graph({{1, {}}, {2, {1}}, {3, {2, 1}}, {4, {3, 3}}, {5, {1}}, {6, {7}}, {7, {}}});
  EXPECT_EQ(graph.Depth(), 3U);
  EXPECT_THAT(Roots(graph), ElementsAre("1 active", "7 active"));
}

TEST(BlockingGraph, CountsADiamondByItsLongestSide) {
  EXPECT_EQ(Graph({{5, {2, 4}}, {4, {3}}, {3, {1}}, {2, {1}}, {1, {}}}).Depth(), 3U);
}

TEST(BlockingGraph, NamesPreparedTransactionsAndEndedSessions) {
  const BlockingGraph graph = Graph({{2, {0}}, {3, {99}}});
  EXPECT_THAT(Roots(graph), ElementsAre("0 prepared transaction", "99 ended"));
  EXPECT_EQ(graph.Depth(), 1U);
}

TEST(BlockingGraph, EndsInCircles) {
  EXPECT_EQ(Graph({{1, {1}}}).Depth(), 1U);
  EXPECT_EQ(Graph({{1, {2}}, {2, {3}}, {3, {1}}}).Depth(), 3U);
  EXPECT_THAT(Roots(Graph({{1, {2}}, {2, {1}}})), ElementsAre());
}

TEST(BlockingGraph, WalksAChainOfAThousandSessions) {
  std::vector<std::pair<int, std::vector<int>>> edges{{0, {}}};
  for (int pid = 1; pid <= 1'000; ++pid) edges.push_back({pid, {pid - 1}});
  EXPECT_EQ(Graph(edges).Depth(), 1'000U);
  std::reverse(edges.begin(), edges.end());
  EXPECT_EQ(Graph(edges).Depth(), 1'000U);
}

}  // namespace
}  // namespace sidecar::postgres
