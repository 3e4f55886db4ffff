#pragma once
// A visibility store without a server: rows that appear when the test says, the queries of the
// streams answered as real servers answer them (temporal.md 0, 2, 3.1), and faults on demand. The
// clock is the test's; a call may take time. One thread.
//
//   SimulatedVisibility server(clock, Converter::kUnified);
//   server.Add({.run_id = RunId(1), .close = t, .visible = t + 2 * kSecondUs});

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "exporters/temporal/stream_clock.h"
#include "exporters/temporal/visibility.h"
#include "tests/support/fake_clock.h"

namespace sidecar::temporal {

enum class Converter : std::uint8_t { kLegacy, kUnified, kElasticsearch };

struct SimulatedRun {
  std::string run_id;
  std::int64_t start = 0, execution = 0;  // true Unix microseconds; execution 0: start
  std::int64_t close = 0;                 // 0: open for ever
  std::int64_t visible = 0;               // as started
  std::int64_t close_visible = 0;         // as closed
  std::int64_t deleted = INT64_MAX;
  std::string type = "Order", queue = "orders";
  Status status = Status::kCompleted;
};

std::string RunId(std::uint64_t number);  // a UUID

class SimulatedVisibility final : public Visibility {
 public:
  // `now`: the true time, Unix microseconds, whatever the exporter's clock says.
  SimulatedVisibility(std::function<std::int64_t()> now, Converter converter);

  void Add(SimulatedRun run);
  void Changed() { indexed_ = 0; }  // the times of runs were: indexes are made anew

  Result<Page> List(const Scrape& scrape, const std::string& query, int page_size,
                    const std::string& token) override;
  Result<std::int64_t> Count(const Scrape& scrape, const std::string& query) override;
  ServerTraits traits() override;

  std::vector<SimulatedRun> runs;
  std::function<std::optional<Error>()> fault = [] { return std::nullopt; };
  std::function<void()> called = [] {};                  // e.g. time goes on
  std::function<bool()> repeats = [] { return false; };  // the row comes twice, on two pages
  std::size_t rows_limit = 1'000;                        // of a page, whatever is asked for
  std::size_t lists = 0, counts = 0, tails = 0;

 private:
  struct Filter {
    enum class By : std::uint8_t { kExecution, kClose, kClosed } by;
    std::int64_t low = 0, high = 0;
  };
  std::optional<Filter> Parse(const std::string& query) const;
  bool Matches(const SimulatedRun& run, const Filter& filter, std::int64_t now) const;

  // Those that may match, in the order of the store, so that thousands of schedules take seconds.
  std::vector<const SimulatedRun*> Candidates(const Filter& filter);

  std::function<std::int64_t()> now_;
  Converter converter_;
  std::size_t indexed_ = 0;  // runs in the indexes
  std::vector<const SimulatedRun*> by_execution_, by_close_;
};

}  // namespace sidecar::temporal
