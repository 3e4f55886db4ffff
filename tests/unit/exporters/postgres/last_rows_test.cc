#include "exporters/postgres/last_rows.h"

#include <gmock/gmock.h>

#include "tests/unit/exporters/postgres/run_query_fixture.h"

namespace sidecar::postgres {
namespace {

using testing::kInt8;
using testing::kText;

class LastRowsTest : public testing::WithQuery {
 protected:
  LastRowsTest() {
    Define("labels = [\"status\"]", R"({name="n", type="gauge", help="N."})");
    Answer("open", "5");
  }
  void Answer(const std::string& status, std::optional<std::string> n) {
    session_.Answer({{"status", kText}, {"n", kInt8}}, {{status, std::move(n)}});
  }
  // What the run gave to the sink; "same" if it is as before.
  std::string Text() {
    Batch batch;
    Sink sink(batch);
    const Scrape scrape(clock_, clock_.mono() + Millis(5'000), {}, 1);
    const auto run = RunQuery(query_->def(), session_, scrape, {}, sink, &last_);
    if (!run) return run.error().message;
    if (run->same) return batch.samples() == 0 ? "same" : "same, and samples";
    std::string text;
    const std::shared_ptr<const Batch> part(&batch, [](const Batch*) {});
    EXPECT_TRUE(Encode({{part}, {}}, Format::kText, [&](std::string_view piece) {
      text += piece;
      return Result<>();
    }));
    return text.empty() ? "nothing" : text.substr(text.find("gauge\n") + 6);
  }

  LastRows last_;
};

TEST_F(LastRowsTest, SaysTheSameOfTheSameRowsOnly) {
  EXPECT_EQ(Text(), "n{status=\"open\"} 5\n");
  EXPECT_EQ(Text(), "same");
  EXPECT_EQ(Text(), "same");
  Answer("open", "6");
  EXPECT_EQ(Text(), "n{status=\"open\"} 6\n");
  EXPECT_EQ(Text(), "same");
  Answer("op", "en6");  // the same bytes, cut elsewhere
  EXPECT_NE(Text(), "same");
}

TEST_F(LastRowsTest, TellsNullFromNothingAndOneRowFromTwo) {
  Answer("", "1");
  Text();
  Answer("", std::nullopt);
  EXPECT_NE(Text(), "same");
  session_.Answer({{"status", kText}, {"n", kInt8}}, {{"a", "1"}, {"b", "1"}});
  EXPECT_EQ(Text(), "n{status=\"a\"} 1\nn{status=\"b\"} 1\n");
  Answer("a", "1");
  EXPECT_EQ(Text(), "n{status=\"a\"} 1\n");
  session_.Answer({{"status", kText}, {"n", kInt8}}, {{"a", "1"}, {"b", "1"}});
  EXPECT_EQ(Text(), "n{status=\"a\"} 1\nn{status=\"b\"} 1\n");
  EXPECT_EQ(Text(), "same");
}

TEST_F(LastRowsTest, TellsColumnsApartByNameAndType) {
  Text();
  session_.Answer({{"n", kInt8}, {"status", kText}}, {{"5", "open"}});
  EXPECT_NE(Text(), "same");
  session_.Answer({{"n", kText}, {"status", kText}}, {{"5", "open"}});
  EXPECT_NE(Text(), "same");
}

TEST_F(LastRowsTest, ReadsAnewWhereTheServerIsAnother) {
  Text();
  session_.facts().version_num = 180000;
  EXPECT_NE(Text(), "same");
  session_.facts().database = "another";
  EXPECT_NE(Text(), "same");
}

TEST_F(LastRowsTest, DoesNotRememberARunThatFailed) {
  Answer("open", "no number");
  const std::string fault = Text();
  EXPECT_THAT(fault, ::testing::HasSubstr("no number"));
  EXPECT_EQ(Text(), fault);
  session_.Break({Errc::kTimeout, "late"});
  EXPECT_EQ(Text(), "late");
}

TEST_F(LastRowsTest, IsReadAnewOnceItsSamplesAreGone) {
  Text();
  last_.Forget();
  EXPECT_EQ(Text(), "n{status=\"open\"} 5\n");
}

TEST_F(LastRowsTest, HandsOnALongResultAsItComes) {
  std::vector<testing::ScriptedRow> rows;
  rows.reserve(6'000);
  for (int i = 0; i < 6'000; ++i) rows.push_back({"status " + std::to_string(i), "1"});
  session_.Answer({{"status", kText}, {"n", kInt8}}, rows);
  const std::string text = Text();
  EXPECT_EQ(std::ranges::count(text, '\n'), 6'000);
  EXPECT_EQ(Text(), text);
  rows[5'500] = {"status", "no number"};
  session_.Answer({{"status", kText}, {"n", kInt8}}, rows);
  EXPECT_NE(Text(), text);
  EXPECT_EQ(session_.rows_read(), 5'501U);  // its reader had enough
}

TEST_F(LastRowsTest, HoldsNoRowThatIsLarge) {
  session_.Answer({{"status", kText}, {"n", kInt8}, {"more", kText}},
                  {{"a", "1", std::string(LastRows::kMostBytes, 'x')}, {"b", "2", "y"}});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Text(), "n{status=\"a\"} 1\nn{status=\"b\"} 2\n");
}

TEST_F(LastRowsTest, HasEnoughOfRowsWithoutColumnsAtOnce) {
  session_.Answer({}, {{}}, /*repeat=*/1'000'000);
  EXPECT_THAT(Text(), ::testing::HasSubstr("status"));  // its column is missing
  EXPECT_EQ(session_.rows_read(), 0U);
}

TEST_F(LastRowsTest, KnowsTheStateOfRowsThatWereReadWithoutIt) {
  EXPECT_FALSE(last_.AreOf("one"));
  last_.Know("one");
  EXPECT_TRUE(last_.AreOf("one"));
  EXPECT_FALSE(last_.AreOf("two"));
  last_.Know("");
  EXPECT_FALSE(last_.AreOf("one"));
  EXPECT_FALSE(last_.AreOf("")) << "who knows";
  last_.Know("one");
  last_.Forget();
  EXPECT_FALSE(last_.AreOf("one"));
}

TEST_F(LastRowsTest, NoRowsAreTheSameAsNoRows) {
  session_.Answer({{"status", kText}, {"n", kInt8}}, {});
  EXPECT_EQ(Text(), "nothing");
  EXPECT_EQ(Text(), "same");
  session_.Answer({{"n", kInt8}}, {});
  EXPECT_THAT(Text(), ::testing::HasSubstr("status"));  // its column is missing
}

}  // namespace
}  // namespace sidecar::postgres
