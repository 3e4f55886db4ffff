// parse(encode(x)) == x for random x, in both formats, by the strict parser.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "common/metrics/encoder.h"
#include "common/metrics/sink.h"
#include "tests/support/exposition_parser.h"
#include "tests/unit/common/metrics/encoded.h"

namespace sidecar {
namespace {

struct Series {
  double value;
  std::optional<ParsedExemplar> exemplar;
};
// What was put in, as sample name and sorted labels.
using Model = std::map<std::pair<std::string, ParsedLabels>, Series>;

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}

  std::size_t Below(std::size_t bound) { return engine_() % bound; }
  bool Rarely() { return Below(8) == 0; }

  std::string Name(bool colon) {
    static constexpr std::string_view kFirst = "abcXYZ_:", kRest = "abcXYZ_019:";
    std::string name(1, kFirst[Below(colon ? 8 : 7)]);
    for (std::size_t i = Below(12); i > 0; --i) name += kRest[Below(colon ? 11 : 10)];
    return name;
  }
  std::string Text() {
    static constexpr std::string_view kParts[] = {"a",
                                                  " ",
                                                  "\"",
                                                  "\\",
                                                  "\n",
                                                  "\\n",
                                                  "{}",
                                                  ",",
                                                  "=",
                                                  "#",
                                                  "\xC3\xA9",
                                                  "\xF0\x9F\x8E\x89",
                                                  "plain words without any escape",
                                                  "\r",
                                                  "\t",
                                                  "\xEF\xBF\xBD",
                                                  "\x7F",
                                                  "# EOF\n"};
    std::string text;
    for (std::size_t i = Below(9); i > 0; --i) text += kParts[Below(std::size(kParts))];
    return text;
  }
  // Any bit pattern, a whole number, or something ordinary.
  double Number() {
    switch (Below(4)) {
      case 0:
        return static_cast<double>(static_cast<std::int64_t>(engine_())) * (Rarely() ? -1 : 1);
      case 1:
        return static_cast<double>(Below(2'000)) / 1'000 - 1;
      case 2:
        return std::bit_cast<double>(Special());
      default:
        return std::bit_cast<double>(engine_());
    }
  }
  double Finite() {
    const double number = Number();
    return std::isfinite(number) ? number : 0.5;
  }
  ParsedLabels Labels(bool unique_values) {
    ParsedLabels labels;
    for (std::size_t i = Below(5); i > 0; --i) {
      const std::string name = Name(false);
      const auto same = [&](const auto& label) { return label.first == name; };
      if (!ValidLabel(name) || std::any_of(labels.begin(), labels.end(), same)) continue;
      labels.emplace_back(name, unique_values ? Text() : "");
    }
    return labels;
  }

 private:
  std::uint64_t Special() {
    static constexpr std::uint64_t kBits[] = {
        0x0000000000000000, 0x8000000000000000, 0x7FF0000000000000, 0xFFF0000000000000,
        0x7FF8000000000000, 0xFFF8000000000001, 0x0000000000000001, 0x7FEFFFFFFFFFFFFF,
        0x4340000000000000, 0x433FFFFFFFFFFFFF, 0x0010000000000000, 0x3FF0000000000001};
    return kBits[Below(std::size(kBits))];
  }
  std::mt19937_64 engine_;
};

class Writer {
 public:
  explicit Writer(std::uint32_t seed) : random_(seed), sink_(batch_, {.series = 1'000'000}) {}

  void Fill() {
    for (std::size_t i = 0; i < 25; ++i) AddFamily("f" + std::to_string(i) + random_.Name(true));
    EXPECT_FALSE(batch_.failure()) << batch_.failure()->message;
  }
  const Model& model() const { return model_; }
  const std::map<std::string, std::string>& help() const { return help_; }
  const Batch& batch() const { return batch_; }

 private:
  void AddFamily(std::string name) {
    static constexpr const char* kSuffixes[] = {"",      "",         "_total",
                                                "_info", "_seconds", "_bytes_total"};
    name += kSuffixes[random_.Below(std::size(kSuffixes))];
    const auto kind = static_cast<Kind>(random_.Below(6));
    const ParsedLabels names = random_.Labels(false);
    std::vector<std::string_view> labels;
    for (const auto& label : names) labels.emplace_back(label.first);
    help_[name] = random_.Text();
    const auto handle = sink_.Declare({name, help_[name], "", kind, labels});
    ASSERT_TRUE(handle) << handle.error().message;
    for (std::size_t rows = 1 + random_.Below(6); rows > 0; --rows) {
      ParsedLabels row = names;
      for (auto& label : row) label.second = random_.Text();
      if (!Fresh(name, row)) continue;
      if (kind == Kind::kHistogram) {
        PutHistogram(*handle, name, row);
      } else if (kind == Kind::kSummary) {
        PutSummary(*handle, name, row);
      } else {
        PutNumber(*handle, name, row);
      }
    }
  }
  // Rows that a format could not tell apart would be refused by the parser.
  bool Fresh(const std::string& name, ParsedLabels row) {
    std::erase_if(row, [](const auto& label) { return label.second.empty(); });
    std::sort(row.begin(), row.end());
    return rows_.emplace(std::pair(name, row), 0).second;
  }
  void Note(const std::string& name, ParsedLabels labels, double value,
            std::optional<ParsedExemplar> exemplar = {}) {
    std::sort(labels.begin(), labels.end());
    model_[{name, labels}] = {value, std::move(exemplar)};
  }
  static std::vector<std::string_view> ValuesOf(const ParsedLabels& row) {
    std::vector<std::string_view> values;
    for (const auto& label : row) values.emplace_back(label.second);
    return values;
  }

  void PutNumber(Sink::Handle handle, const std::string& name, const ParsedLabels& row) {
    const double value = random_.Number();
    if (random_.Rarely()) {
      std::vector<LabelPair> pairs(row.begin(), row.end());
      std::reverse(pairs.begin(), pairs.end());
      sink_.PutForeign(handle, value, pairs);
    } else {
      sink_.Put(handle, value, ValuesOf(row));
    }
    Note(name, row, value);
  }
  // As OpenMetrics spells it; the parser compares numbers, this compares text.
  static std::string Bound(double bound) {
    if (std::isinf(bound)) return "+Inf";
    std::array<char, 32> text{};
    const auto end =
        std::to_chars(text.data(), text.data() + text.size(), bound, std::chars_format::general);
    std::string spelled(text.data(), end.ptr);
    return spelled.find_first_of(".e") == std::string::npos ? spelled + ".0" : spelled;
  }
  void PutHistogram(Sink::Handle handle, const std::string& name, const ParsedLabels& row) {
    std::vector<double> bounds, counts;
    for (std::size_t i = random_.Below(5); i > 0; --i) bounds.push_back(random_.Finite());
    std::sort(bounds.begin(), bounds.end());
    bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
    double count = 0;
    for (std::size_t i = 0; i <= bounds.size(); ++i) {
      counts.push_back(count += static_cast<double>(random_.Below(9)) / 4);
    }
    const ParsedExemplar shown{random_.Labels(true), bounds.empty() ? 3 : bounds[0],
                               static_cast<std::int64_t>(random_.Below(1U << 30U)) * 1'000 + 7};
    std::size_t characters = 0;
    for (const auto& [label, value] : shown.labels) characters += label.size() + value.size();
    const bool exemplar = random_.Below(2) == 0 && characters <= 128;
    const std::vector<LabelPair> pairs(shown.labels.begin(), shown.labels.end());
    const std::vector<Exemplar> exemplars(exemplar ? 1 : 0, {shown.value, *shown.time_ms, pairs});
    const double sum = random_.Number();
    sink_.Put(handle, HistogramValue{bounds, counts, sum, exemplars}, ValuesOf(row));
    for (std::size_t i = 0; i < counts.size(); ++i) {
      ParsedLabels labels = row;
      labels.emplace_back("le", i < bounds.size() ? Bound(bounds[i]) : "+Inf");
      Note(name + "_bucket", labels, counts[i],
           exemplar && i == 0 ? std::optional(shown) : std::nullopt);
    }
    Note(name + "_sum", row, sum);
    Note(name + "_count", row, counts.back());
  }
  void PutSummary(Sink::Handle handle, const std::string& name, const ParsedLabels& row) {
    std::vector<double> quantiles, values;
    for (const double quantile : {0.0, 0.25, 0.5, 0.999, 1.0}) {
      if (random_.Below(2) == 0) continue;
      quantiles.push_back(quantile);
      values.push_back(random_.Number());
      ParsedLabels labels = row;
      labels.emplace_back("quantile", Bound(quantile));
      Note(name, labels, values.back());
    }
    const double sum = random_.Number(), count = static_cast<double>(random_.Below(100));
    sink_.Put(handle, SummaryValue{quantiles, values, count, sum}, ValuesOf(row));
    Note(name + "_sum", row, sum);
    Note(name + "_count", row, count);
  }

  Random random_;
  Batch batch_;
  Sink sink_;
  Model model_;
  std::map<std::pair<std::string, ParsedLabels>, int> rows_;
  std::map<std::string, std::string> help_;
};

bool SameBits(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return std::isnan(a) && std::isnan(b);  // a NaN has no payload
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

void ExpectSame(const Exposition& parsed, const Writer& writer, Format format) {
  std::size_t samples = 0;
  for (const ParsedFamily& family : parsed.families) {
    for (const ParsedSample& sample : family.samples) {
      ++samples;
      ParsedLabels labels = sample.labels;
      std::sort(labels.begin(), labels.end());
      const auto found = writer.model().find({sample.name, labels});
      ASSERT_NE(found, writer.model().end()) << sample.name;
      ASSERT_TRUE(SameBits(found->second.value, sample.value)) << sample.value;
      const auto& exemplar = found->second.exemplar;
      ASSERT_EQ(sample.exemplar.has_value(),
                exemplar.has_value() && format == Format::kOpenMetrics);
      if (!sample.exemplar) continue;
      ASSERT_EQ(sample.exemplar->labels, exemplar->labels);
      ASSERT_EQ(sample.exemplar->time_ms, exemplar->time_ms);
      ASSERT_TRUE(SameBits(sample.exemplar->value, exemplar->value));
    }
  }
  EXPECT_EQ(samples, writer.model().size());
}

class RoundTrip : public testing::TestWithParam<std::uint32_t> {};

TEST_P(RoundTrip, GivesBackEveryBitInBothFormatsAndTheSameSeries) {
  for (std::uint32_t i = 0; i < 10; ++i) {
    Writer writer(GetParam() * 1'000 + i);
    writer.Fill();
    const std::string text = Encoded(writer.batch());
    const std::string open_metrics = Encoded(writer.batch(), Format::kOpenMetrics);
    const auto from_text = ParseExposition(text, Format::kText);
    ASSERT_TRUE(from_text) << from_text.error().message << "\n" << text;
    const auto from_open_metrics = ParseExposition(open_metrics, Format::kOpenMetrics);
    ASSERT_TRUE(from_open_metrics) << from_open_metrics.error().message << "\n" << open_metrics;
    ExpectSame(*from_text, writer, Format::kText);
    ExpectSame(*from_open_metrics, writer, Format::kOpenMetrics);
    ASSERT_EQ(from_text->Series(), from_open_metrics->Series());
    for (const ParsedFamily& family : from_text->families) {
      ASSERT_EQ(family.help, writer.help().at(family.name));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RoundTrip, testing::Range(1U, 11U));

}  // namespace
}  // namespace sidecar
