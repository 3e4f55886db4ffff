#include "exporters/postgres/query_versions.h"

#include <gmock/gmock.h>

namespace sidecar::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Expand(std::string_view sql, Versions within = {}) {
  auto texts = ExpandVersions(sql, within);
  if (!texts) return {"error: " + texts.error().message};
  std::vector<std::string> shown;
  for (const VersionText& text : *texts) {
    shown.push_back(std::to_string(text.versions.from) + "-" + std::to_string(text.versions.to) +
                    ": " + text.text);
  }
  return shown;
}

TEST(ParseVersions, ReadsRangesOfMajorsAndOfExtensions) {
  EXPECT_EQ(ParseVersions("13+"), (Versions{13'000, Versions::kMost}));
  EXPECT_EQ(ParseVersions("-12"), (Versions{0, 12'999}));
  EXPECT_EQ(ParseVersions("12-16"), (Versions{12'000, 16'999}));
  EXPECT_EQ(ParseVersions("17"), (Versions{17'000, 17'999}));
  EXPECT_EQ(ParseVersions("1.8+"), (Versions{1'008, Versions::kMost}));
  EXPECT_EQ(ParseVersions("-1.10"), (Versions{0, 1'010}));
  EXPECT_EQ(ParseVersions("1.9-1.10"), (Versions{1'009, 1'010}));
}

TEST(ParseVersions, RefusesWhatIsNoRange) {
  for (const char* const text :
       {"", "+", "-", "13++", "a", "13-", "16-13", "1.x+", "99999+", "13 +", "-+", "1.1000"}) {
    EXPECT_EQ(ParseVersions(text), std::nullopt) << text;
  }
}

TEST(ParseVersion, KeepsTheFirstTwoNumbers) {
  EXPECT_EQ(ParseVersion("1.10"), 1'010);
  EXPECT_EQ(ParseVersion("3"), 3'000);
  EXPECT_EQ(ParseVersion("2.5.1"), 2'005);
  EXPECT_EQ(ParseVersion("dev"), std::nullopt);
}

TEST(ExpandVersions, GivesOneTextWithoutVersionComments) {
  EXPECT_THAT(Expand(" SELECT 1;\n"), ElementsAre("0-9999999: SELECT 1"));
}

TEST(ExpandVersions, GivesATextForEachRangeInWhichItDiffers) {
  EXPECT_THAT(Expand("SELECT a /*!13+ , b */ /*!16+ , c*/"),
              ElementsAre("0-12999: SELECT a", "13000-15999: SELECT a  , b",
                          "16000-9999999: SELECT a  , b   , c"));
}

TEST(ExpandVersions, LeavesOutVersionsWithoutAStatement) {
  EXPECT_THAT(Expand("/*!17+ SELECT 1 */"), ElementsAre("17000-9999999: SELECT 1"));
  EXPECT_THAT(Expand("/*!-12 SELECT 1 */", {17'000, Versions::kMost}),
              ElementsAre(HasSubstr("no statement is left")));
}

TEST(ExpandVersions, KeepsWithinTheRangeOfTheWhole) {
  EXPECT_THAT(Expand("SELECT a /*!16+ , b */", {14'000, 17'999}),
              ElementsAre("14000-15999: SELECT a", "16000-17999: SELECT a  , b"));
}

TEST(ExpandVersions, SeesNoneInStringsNamesAndComments) {
  EXPECT_THAT(Expand("SELECT '/*!13+ x*/', \"/*!13+ y*/\" -- /*!13+ z*/\n/* it's /*!13+ w */ */"),
              ElementsAre("0-9999999: SELECT '/*!13+ x*/', \"/*!13+ y*/\" -- /*!13+ z*/\n"
                          "/* it's /*!13+ w */ */"));
}

TEST(ExpandVersions, KnowsStringsWithEscapesAndDollars) {
  EXPECT_THAT(Expand(R"(SELECT E'it\'s' /*!13+ , b */)"),
              ElementsAre(R"(0-12999: SELECT E'it\'s')", R"(13000-9999999: SELECT E'it\'s'  , b)"));
  EXPECT_THAT(Expand("SELECT $a$ it's /*!13+ x*/ $a$, $$;$$, a$1;"),
              ElementsAre("0-9999999: SELECT $a$ it's /*!13+ x*/ $a$, $$;$$, a$1"));
}

TEST(ExpandVersions, RefusesASecondStatement) {
  EXPECT_THAT(Expand("SELECT ';' -- ;\nAS a;"), ElementsAre("0-9999999: SELECT ';' -- ;\nAS a"));
  EXPECT_THAT(Expand("SELECT 1; DROP TABLE t"), ElementsAre(HasSubstr("one statement only")));
  EXPECT_THAT(Expand("SELECT 1 /*!13+ ; COMMIT */"), ElementsAre(HasSubstr("one statement only")));
}

TEST(ExpandVersions, TakesWhatPsqlTakesBehindAStatement) {
  EXPECT_THAT(Expand("SELECT 1; -- so many\n"), ElementsAre("0-9999999: SELECT 1"));
  EXPECT_THAT(Expand("SELECT 1 ;; /* ; /* ; */ ; */ ;"), ElementsAre("0-9999999: SELECT 1"));
  EXPECT_THAT(Expand("SELECT 1 -- one"), ElementsAre("0-9999999: SELECT 1 -- one"));
  EXPECT_THAT(Expand("SELECT 1; -- so many\nSELECT 2"), ElementsAre(HasSubstr("one statement")));
  EXPECT_THAT(Expand("-- SELECT 1;\n;"), ElementsAre(HasSubstr("no statement is left")));
}

TEST(ExpandVersions, NestsCommentsAsTheServerDoes) {
  EXPECT_THAT(Expand("SELECT /* a /* b */ ; */ 1"),
              ElementsAre("0-9999999: SELECT /* a /* b */ ; */ 1"));
  EXPECT_THAT(Expand("SELECT 1 /*!13+ , /* b */ 2 */"),
              ElementsAre("0-12999: SELECT 1", "13000-9999999: SELECT 1  , /* b */ 2"));
}

TEST(ExpandVersions, SaysWhatIsWrongWithAComment) {
  EXPECT_THAT(Expand("SELECT 1 /*!13 , b"), ElementsAre(HasSubstr("does not end")));
  EXPECT_THAT(Expand("SELECT 1 /*! , b */"), ElementsAre(HasSubstr("begins with ''")));
  EXPECT_THAT(Expand("SELECT 1 /*!130000 , b */"), ElementsAre(HasSubstr("'130000'")));
}

}  // namespace
}  // namespace sidecar::postgres
