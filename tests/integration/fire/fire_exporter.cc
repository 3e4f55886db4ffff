// An exporter whose collectors do what must not take a scrape down. Linked with the framework as
// the shipped binaries are; fire_test.py runs it.

#include <unistd.h>

#include <atomic>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <stdexcept>

#include "common/app/app.h"

namespace sidecar::fire {
namespace {

struct FireEnv {
  std::shared_ptr<std::atomic<std::int64_t>> kept;  // outlives reloads
};

constexpr auto kSteady = Gauge("fire_steady", "A healthy collector's rows.", "row");
constexpr auto kKept = Counter("fire_kept_total", "Runs since the start, over every reload.");
constexpr auto kPart = Gauge("fire_part", "The rows that a partial run has.", "row");
constexpr auto kFlood = Gauge("fire_flood", "Far more rows than any limit.", "row");
constexpr auto kText = Gauge("fire_text", "A label that is no UTF-8.", "text");
constexpr auto kBackground = Gauge("fire_background", "Rows made in the background.", "row");
constexpr auto kBulk = Gauge("fire_bulk", "A long answer.", "row", "padding");

template <class Run>
struct Does final : Collector {
  explicit Does(Run r) : run(std::move(r)) {}
  Result<> Collect(const Scrape& scrape, Sink& sink) override { return run(scrape, sink); }
  Run run;
};

template <class Run>
Result<std::unique_ptr<Collector>> Make(Run run) {
  return std::make_unique<Does<Run>>(std::move(run));
}

Result<> Rows(Sink& sink, const auto& family, std::int64_t count) {
  char text[20];
  for (std::int64_t row = 0; row < count; ++row) {
    const char* const end = std::to_chars(std::begin(text), std::end(text), row).ptr;
    sink.Add(family, row, std::string_view(text, end));
  }
  return {};
}

using Spec = CollectorSpec<FireEnv>;
using Env = std::shared_ptr<FireEnv>;
constexpr auto kNoOptions = [](TableReader&) {};

constexpr Spec kSteadySpec{
    "steady", "Ten rows.", true, {}, kNoOptions, [](const Env&, TableReader&) {
      return Make([](const Scrape&, Sink& sink) { return Rows(sink, kSteady, 10); });
    }};

constexpr Spec kKeptSpec{
    "kept", "A counter over reloads.", true, {}, kNoOptions, [](const Env& env, TableReader&) {
      return Make([kept = env->kept](const Scrape&, Sink& sink) -> Result<> {
        sink.Add(kKept, ++*kept);
        return {};
      });
    }};

// Deaf to stop, as a thread in a system call is. Returns when the file appears.
constexpr Spec kHangSpec{"hang",
                         "Hangs until a file appears.",
                         true,
                         {},
                         [](TableReader& table) {
                           std::string until;
                           table.Field("until", until, "The file.");
                         },
                         [](const Env&, TableReader& table) {
                           std::string until;
                           table.Field("until", until, "The file.");
                           return Make([until](const Scrape&, Sink&) -> Result<> {
                             while (until.empty() || !std::filesystem::exists(until))
                               ::usleep(10'000);
                             return {};
                           });
                         }};

constexpr Spec kThrowSpec{"throw", "Throws.", true, {}, kNoOptions, [](const Env&, TableReader&) {
                            return Make([](const Scrape&, Sink& sink) -> Result<> {
                              sink.Add(kSteady, 1, "lost with its run");
                              throw std::runtime_error("on purpose");
                            });
                          }};

constexpr Spec kFloodSpec{
    "flood", "Ten million rows.", true, {}, kNoOptions, [](const Env&, TableReader&) {
      return Make([](const Scrape&, Sink& sink) { return Rows(sink, kFlood, 10'000'000); });
    }};

constexpr Spec kTextSpec{
    "text", "A label that is no UTF-8.", true, {}, kNoOptions, [](const Env&, TableReader&) {
      return Make([](const Scrape&, Sink& sink) -> Result<> {
        sink.Add(kText, 1, "caf\xe9 \xff");
        return {};
      });
    }};

constexpr Spec kPartSpec{
    "part", "Loses a part of its data.", true, {}, kNoOptions, [](const Env&, TableReader&) {
      return Make([](const Scrape&, Sink& sink) {
        sink.Warn({Errc::kDenied, "the other half is not readable"});
        return Rows(sink, kPart, 5);
      });
    }};

constexpr Spec kBackgroundSpec{
    "background",
    "Ten rows, in the background when it has an interval.",
    true,
    {},
    kNoOptions,
    [](const Env&, TableReader&) {
      return Make([](const Scrape&, Sink& sink) { return Rows(sink, kBackground, 10); });
    }};

constexpr Spec kBulkSpec{
    "bulk", "About 20 MB of text.", false, {}, kNoOptions, [](const Env&, TableReader&) {
      return Make([](const Scrape&, Sink& sink) -> Result<> {
        const std::string padding(380, 'x');
        for (int row = 0; row < 48'000; ++row) sink.Add(kBulk, row, std::to_string(row), padding);
        return {};
      });
    }};

constexpr const Spec* kSpecs[] = {&kSteadySpec, &kKeptSpec,       &kHangSpec,
                                  &kThrowSpec,  &kFloodSpec,      &kTextSpec,
                                  &kPartSpec,   &kBackgroundSpec, &kBulkSpec};

class Fire final : public Exporter {
 public:
  Identity identity() const override { return {"host", "fire", 0}; }
  Result<Plan> Build(TableReader& table, Keep& keep, Runtime) override {
    const auto env = std::make_shared<FireEnv>(FireEnv{keep.Get<std::atomic<std::int64_t>>(
        "kept", [] { return std::make_shared<std::atomic<std::int64_t>>(0); })});
    auto collectors = ReadCollectors<FireEnv>(kSpecs, env, table);
    if (!collectors) return Fail(std::move(collectors.error()));
    return Plan{std::move(*collectors), {}, {}};
  }
  void AddRoutes(Router&) override {}
};

}  // namespace
}  // namespace sidecar::fire

int main(int argc, char** argv) {
  return sidecar::App("fire-exporter").Add(std::make_unique<sidecar::fire::Fire>()).Run(argc, argv);
}
