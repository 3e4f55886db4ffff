#include "common/http/gzip.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>
#include <vector>

#include "tests/unit/common/http/gunzip.h"

namespace sidecar::http {
namespace {

TEST(AcceptsGzip, FollowsNamesQualitiesAndTheWildcard) {
  const struct {
    const char* header;
    bool accepted;
  } cases[] = {
      {"", false},
      {"gzip", true},
      {"GZip", true},
      {"x-gzip", true},
      {"deflate, gzip, br", true},
      {"gzip;q=0", false},
      {"gzip;q=0.000", false},
      {"gzip; q=0.1", true},
      {"gzip;Q=1", true},
      {"*", true},
      {"*;q=0", false},
      {"gzip, *;q=0", true},
      {"gzip;q=0, *", false},
      {"identity, gzip;q=0.5", false},
      {"identity;q=0.5, gzip", true},
      {"identity;q=0", false},
      {"gzipped", false},
      {"gzip;q=", false},
      {"gzip;q=nan", false},
      {"gzip;q=-1", false},
      {"gzip;q=2", false},
      {"gzip;q=1x", false},
      {"gzip;level=9", true},
      {",,;;,=,gzip", true},
      {"deflate", false},
  };
  for (const auto& [header, accepted] : cases) EXPECT_EQ(AcceptsGzip(header), accepted) << header;
}

TEST(Gzip, GivesBackEveryByteWhateverThePieces) {
  std::mt19937 random(7);
  Gzip gzip;
  for (const std::size_t size : {0U, 1U, 8'191U, 8'192U, 300'000U}) {
    std::string text;
    while (text.size() < size) text += "metric_" + std::to_string(random()) + " 1\n";
    text.resize(size);
    ASSERT_TRUE(gzip.Start());
    std::string out;
    for (std::size_t at = 0; at < size;) {
      const std::size_t piece = std::min<std::size_t>(random() % 20'000, size - at);
      gzip.Add(std::string_view(text).substr(at, piece), out);
      at += piece;
    }
    gzip.Finish(out);
    EXPECT_EQ(Gunzip(out), text);
  }
}

TEST(Gzip, StartsAnewAfterABodyThatWasGivenUp) {
  Gzip gzip;
  std::string out;
  ASSERT_TRUE(gzip.Start());
  gzip.Add(std::string(100'000, 'x'), out);
  out.clear();
  ASSERT_TRUE(gzip.Start());
  gzip.Add("fresh", out);
  gzip.Finish(out);
  EXPECT_EQ(Gunzip(out), "fresh");
}

TEST(Gzip, TakesPackedTextsInAnyPlaceOfABody) {
  std::mt19937 random(11);
  const auto text = [&random](std::size_t size) {
    std::string made;
    while (made.size() < size) made += "metric_" + std::to_string(random() % 999) + " 1\n";
    made.resize(size);
    return made;
  };
  Gzip gzip;
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(gzip.Start());
    std::vector<std::pair<std::string, Packed>> packed;
    for (const std::size_t size : {0U, 1U, 300U, 9'000U, 150'000U}) {
      const std::string made = text(size);
      packed.emplace_back(made, gzip.Pack(made));
      EXPECT_EQ(packed.back().second.size, size);
    }
    std::string out, expected;
    for (auto pieces = random() % 12; pieces > 0; --pieces) {
      if (random() % 2 == 0) {
        const std::string made = text(random() % 20'000);
        gzip.Add(made, out);
        expected += made;
      } else {
        const auto& [made, bytes] = packed[random() % packed.size()];
        gzip.Splice(bytes, out);
        expected += made;
      }
    }
    gzip.Finish(out);
    ASSERT_TRUE(Gunzip(out) == expected) << "round " << round;
  }
}

TEST(Gzip, PackedTextsFitTheBodiesOfOthers) {
  Gzip one, other;
  ASSERT_TRUE(one.Start());
  const Packed packed = one.Pack("packed once\n");
  ASSERT_TRUE(other.Start());
  std::string out;
  other.Add("before\n", out);
  other.Splice(packed, out);
  other.Finish(out);
  EXPECT_EQ(Gunzip(out), "before\npacked once\n");
}

}  // namespace
}  // namespace sidecar::http
