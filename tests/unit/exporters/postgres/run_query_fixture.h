#pragma once
// One query over one scripted answer. Tests only.
//
//   class RunQueryTest : public testing::WithQuery {};
//   TEST_F(RunQueryTest, ...) { Define("labels = []", "{...}"); session_.Answer(...); Text(); }

#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "common/base/parse.h"
#include "common/config/document.h"
#include "common/metrics/encoder.h"
#include "exporters/postgres/load_queries.h"
#include "exporters/postgres/run_query.h"
#include "tests/support/fake_clock.h"
#include "tests/unit/exporters/postgres/scripted_session.h"

namespace sidecar::postgres::testing {

inline constexpr std::uint32_t kInt8 = 20, kText = 25, kFloat8 = 701;

class WithQuery : public ::testing::Test {
 protected:
  void Define(const std::string& lines, std::string metrics) {
    std::ranges::replace(metrics, '\n', ' ');  // TOML keeps an inline table on one line
    const bool own = lines.find("sql = ") != std::string::npos;
    auto document = Document::Parse("[[postgres.queries]]\nname = \"q\"\n" +
                                        std::string(own ? "" : "sql = \"SELECT 1\"\n") + lines +
                                        "\nmetrics = [" + metrics + "]\n",
                                    "q.toml");
    ASSERT_TRUE(document) << document.error().message;
    TableReader root = document->Root();
    TableReader postgres = root.Table("postgres");
    std::vector<TableReader> tables = postgres.Tables("queries");
    query_.emplace(LoadQuery(tables.at(0), QueryOrigin::kUser));
    const auto read = root.Finish();
    ASSERT_TRUE(read) << read.error().message;
  }

  Result<QueryReport> Run(std::int64_t series = 0) {
    batch_ = std::make_shared<Batch>();
    Sink sink(*batch_);
    const Scrape scrape(clock_, clock_.mono() + Millis(5'000), {}, 1);
    return RunQuery(query_->def(), session_, scrape, {.series = series}, sink);
  }
  std::string Fault() {
    const auto run = Run();
    return run ? "no fault" : run.error().message;
  }
  // The samples, without HELP and TYPE.
  std::string Text(Format format = Format::kText) {
    const auto run = Run();
    EXPECT_TRUE(run) << run.error().message;
    EXPECT_FALSE(batch_->failure()) << batch_->failure()->message;
    dropped_ = batch_->Seal();
    std::string text, samples;
    const auto encoded = Encode({{batch_}, {}}, format, [&](std::string_view part) -> Result<> {
      text += part;
      return {};
    });
    EXPECT_TRUE(encoded);
    std::string_view rest = text;
    while (auto line = NextLine(rest)) {
      if (!line->starts_with("#")) samples += std::string(*line) + "\n";
    }
    return samples;
  }

  ScriptedSession session_;
  std::optional<OwnedQueryDef> query_;
  FakeClock clock_;
  std::shared_ptr<Batch> batch_;
  std::size_t dropped_ = 0;
};

}  // namespace sidecar::postgres::testing
