#include "common/metrics/packed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/metrics/encoder.h"
#include "common/metrics/sink.h"
#include "tests/unit/common/metrics/encoded.h"

namespace sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kSetting = Gauge("setting_bytes", "A setting.", "name");
constexpr auto kRequests = Counter("requests_total", "Requests.");
constexpr auto kSame = Gauge("requests", "Its short name is another's.");
constexpr auto kTime = Histogram("run_seconds", "Time of a run.", "queue");

// "Compresses" a text to itself.
class PlainPacker final : public Packer {
 public:
  Packed Pack(std::string_view text) override {
    packed.emplace_back(text);
    return {std::string(text), 0, text.size()};
  }
  Result<> Add(const Packed& added) override {
    if (fails) return Fail(Errc::kUnavailable, "gone");
    body += added.bytes;
    ++adds;
    return {};
  }
  Write write() {
    return {[this](std::string_view piece) {
              body += piece;
              return Result<>{};
            },
            [this] { return off ? nullptr : this; }};
  }

  std::vector<std::string> packed;
  std::string body;
  int adds = 0;
  bool off = false, fails = false;
};

std::shared_ptr<Batch> Settings(double value = 8'192) {
  auto batch = std::make_shared<Batch>();
  Sink sink(*batch);
  sink.Add(kSetting, value, "work_mem");
  const std::array<double, 1> bounds{1};
  const std::array<double, 2> counts{1, 2};
  sink.Add(kTime, HistogramValue{bounds, counts, 3, {}}, "a\"b");
  batch->Seal();
  return batch;
}
std::shared_ptr<Batch> Requests(double value) {
  auto batch = std::make_shared<Batch>();
  Sink(*batch).Add(kRequests, value);
  batch->Seal();
  return batch;
}
// What the bodies have in common: their families, in any order.
std::vector<std::string> Lines(const std::string& body) {
  std::vector<std::string> lines;
  std::string_view rest = body;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1);
    lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  std::ranges::sort(lines);
  return lines;
}

class PackedTest : public ::testing::TestWithParam<Format> {
 protected:
  std::string Encode(const Snapshot& snapshot) {
    packer_.body.clear();
    packer_.packed.clear();
    packer_.adds = 0;
    EXPECT_TRUE(sidecar::Encode(snapshot, GetParam(), packer_.write()));
    EXPECT_EQ(Lines(packer_.body), Lines(Encoded(snapshot, GetParam())));
    return packer_.body;
  }
  PlainPacker packer_;
};

TEST_P(PackedTest, PacksWhatIsEncodedForTheSecondTimeAndUsesItFromThen) {
  const auto settings = Settings();
  Encode({{Requests(1), settings}, {}});
  EXPECT_THAT(packer_.packed, IsEmpty());
  Encode({{Requests(2), settings}, {}});
  EXPECT_THAT(packer_.packed, SizeIs(1));
  EXPECT_EQ(packer_.adds, 1);
  const std::string third = Encode({{Requests(3), settings}, {}});
  EXPECT_THAT(packer_.packed, IsEmpty());
  EXPECT_EQ(packer_.adds, 1);
  EXPECT_TRUE(third.starts_with("# HELP setting_bytes")) << third;  // packed ones come first
}

TEST_P(PackedTest, KeepsATextForEachFormat) {
  const auto settings = Settings();
  for (int i = 0; i < 2; ++i) Encode({{settings}, {}});
  const Format other = GetParam() == Format::kText ? Format::kOpenMetrics : Format::kText;
  ASSERT_TRUE(sidecar::Encode({{settings}, {}}, other, packer_.write()));
  Encode({{settings}, {}});
  EXPECT_THAT(packer_.packed, IsEmpty());
}

TEST_P(PackedTest, DoesNotPackAFamilyOfSeveralParts) {
  const auto one = Settings(), other = std::make_shared<Batch>();
  Sink(*other).Add(kSetting, 1, "other");
  for (int i = 0; i < 3; ++i) Encode({{one, other}, {}});
  EXPECT_EQ(packer_.adds, 0);
  for (int i = 0; i < 2; ++i) Encode({{one}, {}});  // alone it may be
  EXPECT_EQ(packer_.adds, 1);
}

TEST_P(PackedTest, ForgetsABatchThatIsFilledAnew) {
  const auto settings = Settings();
  for (int i = 0; i < 2; ++i) Encode({{settings}, {}});
  EXPECT_EQ(packer_.adds, 1);
  settings->Clear();
  Sink(*settings).Add(kSetting, 4'096, "work_mem");
  Encode({{settings}, {}});
  EXPECT_EQ(packer_.adds, 0);
}

TEST_P(PackedTest, WritesAsEverWhereNothingIsCompressed) {
  const auto settings = Settings();
  packer_.off = true;
  for (int i = 0; i < 3; ++i) Encode({{Requests(1), settings}, {}});
  EXPECT_EQ(packer_.adds, 0);
}

TEST_P(PackedTest, WritesAsEverWhereFamiliesAreAskedForByName) {
  const auto settings = Settings();
  for (int i = 0; i < 3; ++i) Encode({{settings}, {"run_seconds"}});
  EXPECT_EQ(packer_.adds, 0);
}

TEST_P(PackedTest, LeavesOutWhatIsLarge) {
  const auto large = std::make_shared<Batch>();
  Sink sink(*large);
  for (int i = 0; i < 20'000; ++i) sink.Add(kSetting, i, std::to_string(i));
  for (int i = 0; i < 3; ++i) Encode({{large, Settings()}, {}});
  EXPECT_FALSE(large->small());
  EXPECT_EQ(packer_.adds, 0);
}

TEST_P(PackedTest, EndsWhenThePeerHasLeft) {
  const auto settings = Settings();
  for (int i = 0; i < 2; ++i) Encode({{settings}, {}});
  packer_.fails = true;
  const auto encoded = sidecar::Encode({{settings}, {}}, GetParam(), packer_.write());
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().message, "gone");
}

INSTANTIATE_TEST_SUITE_P(Formats, PackedTest,
                         ::testing::Values(Format::kText, Format::kOpenMetrics));

// In OpenMetrics a counter has its short name only while no other family has it.
TEST(Packed, IsMadeAnewWhenAnotherFamilyDecidesOtherwise) {
  PlainPacker packer;
  const auto requests = Requests(1), same = std::make_shared<Batch>();
  Sink(*same).Add(kSame, 1);
  const auto encode = [&](const Snapshot& snapshot) {
    packer.body.clear();
    ASSERT_TRUE(Encode(snapshot, Format::kOpenMetrics, packer.write()));
    EXPECT_EQ(Lines(packer.body), Lines(Encoded(snapshot, Format::kOpenMetrics)));
  };
  for (int i = 0; i < 3; ++i) encode({{requests}, {}});
  EXPECT_THAT(packer.packed, ElementsAre("# HELP requests Requests.\n# TYPE requests counter\n"
                                         "requests_total 1\n"));
  for (int i = 0; i < 3; ++i) encode({{same, requests}, {}});
  EXPECT_EQ(packer.packed.back(),
            "# HELP requests Its short name is another's.\n"
            "# TYPE requests gauge\nrequests 1\n");
  encode({{requests}, {}});
}

}  // namespace
}  // namespace sidecar
