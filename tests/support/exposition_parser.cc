#include "tests/support/exposition_parser.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <unordered_set>

namespace sidecar {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// The series without regard to the order of its labels or to empty ones, and without `except`.
std::string Canonical(const std::string& name, ParsedLabels labels, std::string_view except = {}) {
  std::sort(labels.begin(), labels.end());
  std::string out = name + "{";
  for (const auto& [label, value] : labels) {
    if (value.empty() || label == except) continue;
    out += label + "=\"";
    for (const char c : value) out.append(c == '"' || c == '\\' ? "\\" : "").append(1, c);
    out += "\",";
  }
  return out + "}";
}

class Parser {
 public:
  explicit Parser(Format format) : open_metrics_(format == Format::kOpenMetrics) {}
  Result<Exposition> Run(std::string_view text);

 private:
  Result<> Line(std::string_view line);
  Result<> Comment(std::string_view line);
  Result<> Enter(std::string_view name, std::string_view keyword);
  Result<> Type(std::string_view type);
  Result<> Unit(std::string_view unit);
  Result<> Sample(std::string_view line);
  Result<ParsedExemplar> Exemplar(LineCursor& cursor);
  Result<> Belongs(const ParsedSample& sample) const;
  Result<> EndFamily();
  Result<> CheckHistogram(std::span<const ParsedSample> samples) const;
  Result<> CheckSummary(std::span<const ParsedSample> samples) const;
  bool compound() const { return family().type == "histogram" || family().type == "summary"; }
  ParsedFamily& family() { return exposition_.families.back(); }
  const ParsedFamily& family() const { return exposition_.families.back(); }

  const bool open_metrics_;
  bool ended_ = false;
  Exposition exposition_;
  std::unordered_set<std::string> names_, series_;
  std::unordered_set<std::string> keywords_;  // of the family at hand
};

Result<Exposition> Parser::Run(std::string_view text) {
  if (!IsUtf8Text(text)) return Bad("not UTF-8");
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return Bad("the last line has no end");
    if (auto read = Line(text.substr(0, end)); !read) {
      return Fail(std::move(read.error()).Wrap("line " + std::to_string(number)));
    }
    text.remove_prefix(end + 1);
  }
  if (auto ended = EndFamily(); !ended) return Fail(std::move(ended.error()).Wrap("at the end"));
  if (open_metrics_ && !ended_) return Bad("no # EOF");
  return std::move(exposition_);
}

Result<> Parser::Line(std::string_view line) {
  if (ended_) return Bad("something after # EOF");
  if (line.empty()) return open_metrics_ ? Result<>(Bad("an empty line")) : Result<>{};
  return line[0] == '#' ? Comment(line) : Sample(line);
}

Result<> Parser::Comment(std::string_view line) {
  if (open_metrics_ && line == "# EOF") {
    ended_ = true;
    return {};
  }
  LineCursor cursor(line);
  std::string_view keyword;
  for (const std::string_view known : {"HELP", "TYPE", "UNIT"}) {
    if (line.starts_with("# " + std::string(known) + " ")) keyword = known;
  }
  if (keyword.empty() || (keyword == "UNIT" && !open_metrics_)) {
    return open_metrics_ ? Result<>(Bad("a comment")) : Result<>{};
  }
  cursor.Take("# ");
  cursor.Take(keyword);
  cursor.Take(" ");
  const std::string_view name = cursor.Until(" ");
  if (!IsName(name, true)) return Bad("bad family name " + InQuotes(name));
  if (!cursor.Take(" ")) return Bad(std::string(keyword) + " without a value");
  if (auto entered = Enter(name, keyword); !entered) return entered;
  if (keyword == "TYPE") return Type(cursor.Rest());
  if (keyword == "UNIT") return Unit(cursor.Rest());
  auto help = UnescapeHelp(cursor.Rest(), open_metrics_);
  if (!help) return Fail(std::move(help.error()));
  family().help = std::move(*help);
  return {};
}

// Metadata of the family at hand, or of a new one.
Result<> Parser::Enter(std::string_view name, std::string_view keyword) {
  const bool same = !exposition_.families.empty() && family().name == name;
  if (!same) {
    if (auto ended = EndFamily(); !ended) return ended;
    if (!names_.emplace(name).second) return Bad("family " + std::string(name) + " twice");
    exposition_.families.push_back({std::string(name), {}, {}, {}, {}});
    keywords_.clear();
  }
  if (!family().samples.empty()) return Bad("metadata behind the samples");
  if (!keywords_.emplace(keyword).second) return Bad("a second " + std::string(keyword));
  return {};
}

Result<> Parser::Type(std::string_view type) {
  const std::string_view unknown = open_metrics_ ? "unknown" : "untyped";
  const bool known = type == "counter" || type == "gauge" || type == "histogram" ||
                     type == "summary" || type == unknown || (open_metrics_ && type == "info");
  if (!known) return Bad("bad type " + InQuotes(type));
  family().type = type;
  return {};
}

Result<> Parser::Unit(std::string_view unit) {
  if (!IsName(unit, false) || !family().name.ends_with("_" + std::string(unit)) ||
      family().name.size() == unit.size() + 1) {
    return Bad("the name does not end with the unit " + InQuotes(unit));
  }
  family().unit = unit;
  return {};
}

Result<> Parser::Sample(std::string_view line) {
  ParsedSample sample;
  LineCursor cursor(line);
  sample.name = cursor.Until("{ ");
  if (!IsName(sample.name, true)) return Bad("bad sample name " + InQuotes(sample.name));
  if (cursor.Take("{")) {
    auto labels = cursor.Labels();
    if (!labels) return Fail(std::move(labels.error()));
    if (labels->empty()) return Bad("braces without a label");
    sample.labels = std::move(*labels);
  }
  if (!cursor.Take(" ")) return Bad("no space before the value");
  auto value = ParseValue(cursor.Until(" "));
  if (!value) return Fail(std::move(value.error()));
  sample.value = *value;
  if (cursor.Take(" # {")) {
    auto exemplar = Exemplar(cursor);
    if (!exemplar) return Fail(std::move(exemplar.error()));
    sample.exemplar = std::move(*exemplar);
  }
  if (!cursor.done()) return Bad("something behind the value");
  if (auto belongs = Belongs(sample); !belongs) return belongs;
  if (!series_.insert(Canonical(sample.name, sample.labels)).second) {
    return Bad("series " + Canonical(sample.name, sample.labels) + " twice");
  }
  family().samples.push_back(std::move(sample));
  return {};
}

Result<ParsedExemplar> Parser::Exemplar(LineCursor& cursor) {
  if (!open_metrics_) return Bad("an exemplar in the text format");
  auto labels = cursor.Labels();
  if (!labels) return Fail(std::move(labels.error()));
  ParsedExemplar exemplar{std::move(*labels), 0, {}};
  std::size_t characters = 0;
  for (const auto& [name, value] : exemplar.labels) characters += name.size() + Characters(value);
  if (characters > 128) return Bad("an exemplar of more than 128 characters");
  if (!cursor.Take(" ")) return Bad("no exemplar value");
  auto value = ParseValue(cursor.Until(" "));
  if (!value) return Fail(std::move(value.error()));
  exemplar.value = *value;
  if (!cursor.Take(" ")) return exemplar;
  const std::string_view time = cursor.Rest();
  auto seconds = ParseValue(time);
  if (!seconds) return Fail(std::move(seconds.error()));
  if (!(std::fabs(*seconds) < 9e15)) return Bad("exemplar time " + InQuotes(time));
  exemplar.time_ms = std::llround(*seconds * 1000);
  return exemplar;
}

// Whether the sample is one that its family's type has.
Result<> Parser::Belongs(const ParsedSample& sample) const {
  if (exposition_.families.empty() || family().type.empty()) return Bad("a sample without a TYPE");
  const std::string& type = family().type;
  if (!sample.name.starts_with(family().name)) return Bad(sample.name + " is of another family");
  const std::string_view suffix = std::string_view(sample.name).substr(family().name.size());
  const bool total = suffix == "_sum" || suffix == "_count";
  bool fits = suffix.empty();
  if (type == "histogram") fits = total || suffix == "_bucket";
  if (type == "summary") fits = total || suffix.empty();
  if (type == "counter" && open_metrics_) fits = suffix == "_total";
  if (type == "info") fits = suffix == "_info" && sample.value == 1;
  if (!fits) return Bad(sample.name + " is no sample of a " + type);
  if (sample.exemplar && suffix != "_bucket" && suffix != "_total") return Bad("exemplar here");
  if (!compound()) return {};
  const std::string_view key = type == "histogram" ? "le" : "quantile";
  const auto has = [&](const auto& label) { return label.first == key; };
  const bool keyed = std::any_of(sample.labels.begin(), sample.labels.end(), has);
  return keyed == !total ? Result<>{} : Result<>(Bad("label " + std::string(key)));
}

// Splits the samples of a histogram or summary by their labels; those of one set lie together.
Result<> Parser::EndFamily() {
  if (exposition_.families.empty()) return {};
  const ParsedFamily& ended = family();
  if (ended.type.empty()) return Bad(ended.name + " has no TYPE");
  if (ended.samples.empty()) return Bad(ended.name + " has no samples");
  if (ended.type == "info" && !ended.unit.empty()) return Bad("an info has no unit");
  if (!compound()) return {};
  const std::string_view key = ended.type == "histogram" ? "le" : "quantile";
  std::unordered_set<std::string> sets;
  for (std::size_t i = 0; i < ended.samples.size();) {
    const std::string set = Canonical("", ended.samples[i].labels, key);
    if (!sets.insert(set).second) return Bad(ended.name + ": samples of a row lie apart");
    std::size_t end = i;
    while (end < ended.samples.size() && Canonical("", ended.samples[end].labels, key) == set)
      ++end;
    const std::span samples(&ended.samples[i], end - i);
    auto checked = ended.type == "histogram" ? CheckHistogram(samples) : CheckSummary(samples);
    if (!checked) return checked;
    i = end;
  }
  return {};
}

Result<double> KeyOf(const ParsedSample& sample, std::string_view key) {
  for (const auto& [name, value] : sample.labels) {
    if (name != key) continue;
    if (value.find_first_of(".eI") == std::string::npos) return Bad(value + " is not a float");
    return ParseValue(value);
  }
  return Bad("no " + std::string(key));
}

Result<> Parser::CheckHistogram(std::span<const ParsedSample> samples) const {
  double bound = -kInf, count = 0;
  std::size_t sums = 0, counts = 0;
  for (const ParsedSample& sample : samples) {
    if (sample.name.ends_with("_sum")) ++sums;
    if (sample.name.ends_with("_count")) {
      ++counts;
      if (sample.value != count) return Bad("_count is not the last bucket");
    }
    if (!sample.name.ends_with("_bucket")) continue;
    if (sums + counts != 0) return Bad("a bucket behind _sum or _count");
    const auto le = KeyOf(sample, "le");
    if (!le) return Fail(le.error());
    if (!(*le > bound)) return Bad("le does not ascend");
    if (!(sample.value >= count)) return Bad("a bucket falls");
    if (sample.exemplar &&
        !(sample.exemplar->value <= *le && (sample.exemplar->value > bound || bound == -kInf))) {
      return Bad("an exemplar in another bucket");
    }
    bound = *le;
    count = sample.value;
  }
  if (bound != kInf) return Bad("no +Inf bucket");
  return sums == 1 && counts == 1 ? Result<>{} : Result<>(Bad("not one _sum and one _count"));
}

Result<> Parser::CheckSummary(std::span<const ParsedSample> samples) const {
  double last = -1;
  std::size_t totals = 0;
  for (const ParsedSample& sample : samples) {
    if (sample.name != family().name) {
      ++totals;
      continue;
    }
    const auto quantile = KeyOf(sample, "quantile");
    if (!quantile) return Fail(quantile.error());
    if (!(*quantile > last && *quantile >= 0 && *quantile <= 1)) return Bad("quantiles");
    last = *quantile;
  }
  return totals == 2 ? Result<>{} : Result<>(Bad("not one _sum and one _count"));
}

}  // namespace

const ParsedFamily* Exposition::Find(std::string_view name) const {
  const auto found = std::find_if(families.begin(), families.end(),
                                  [&](const ParsedFamily& family) { return family.name == name; });
  return found == families.end() ? nullptr : &*found;
}

std::set<std::string> Exposition::Series() const {
  std::set<std::string> series;
  for (const ParsedFamily& family : families) {
    for (const ParsedSample& sample : family.samples) {
      series.insert(Canonical(sample.name, sample.labels));
    }
  }
  return series;
}

Result<Exposition> ParseExposition(std::string_view text, Format format) {
  return Parser(format).Run(text);
}

}  // namespace sidecar
