#include "exporters/host/exposition_reader.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <utility>

#include "common/base/parse.h"
#include "common/metrics/utf8.h"
#include "exporters/host/exposition_lexer.h"

namespace sidecar::host {
namespace {

constexpr std::size_t kNumberBytes = 24;  // of a value in the output, about

// What a sample is of its family.
enum class Part : std::uint8_t { kValue, kBucket, kQuantile, kSum, kCount };

// A histogram or summary while its samples come in.
struct Compound {
  std::uint32_t family, row;
  std::vector<std::pair<double, double>> points;
  std::optional<double> sum, count;
};

// What is known of a family beside what stays.
struct Building {
  bool typed = false;
  std::unordered_map<std::string, std::size_t> compounds;  // by labels
};

class Reader {
 public:
  Reader(ForeignMetrics& out, const ExpositionBounds& bounds) : out_(out), bounds_(bounds) {}

  Result<> Read() {
    std::string_view rest = out_.text;
    if (rest.find('\0') != std::string_view::npos) return Fail(Errc::kParse, "holds a NUL byte");
    if (!rest.empty() && rest.back() != '\n') {
      return Fail(Errc::kParse, "no newline at the end: not written to its end");
    }
    while (const auto line = NextLine(rest)) {
      ++line_;
      if (auto read = ReadLine(*line); !read) return AtLine(std::move(read.error()), line_);
    }
    return Finish();
  }

 private:
  static Result<> AtLine(Error error, std::size_t line) {
    return Fail(std::move(error).Wrap("line " + std::to_string(line)));
  }

  Result<> ReadLine(std::string_view line) {
    std::string_view rest = SkipBlanks(line);
    if (rest.empty()) return {};
    auto read = rest.front() == '#' ? ReadComment(rest.substr(1)) : ReadSample(rest);
    if (read) return {};
    Error error = std::move(read.error());
    error.message += " in " + Quoted(line);
    return Fail(std::move(error));
  }

  Result<> ReadComment(std::string_view rest) {
    const std::string_view keyword = NextField(rest);
    if (keyword != "HELP" && keyword != "TYPE") return {};
    const std::string_view name = NextField(rest);
    if (name.empty()) return {};
    if (auto valid = CheckName(name); !valid) return valid;
    rest = SkipBlanks(rest);
    if (rest.empty()) return {};
    const std::uint32_t index = Named(name);
    if (index >= bounds_.series) return Fail(Errc::kLimit, "more families than series may be");
    return keyword == "HELP" ? ReadHelp(out_.families[index], rest) : ReadType(index, rest);
  }

  Result<> ReadHelp(ForeignFamily& family, std::string_view text) {
    if (family.help) return Fail(Errc::kParse, "a second HELP");
    if (text.size() > bounds_.help_bytes) return Fail(Errc::kLimit, "a long HELP");
    auto help = Unescape(text, false, out_.unescaped);
    if (!help) return Fail(std::move(help.error()));
    family.help = *help;
    return {};
  }

  Result<> ReadType(std::uint32_t index, std::string_view text) {
    ForeignFamily& family = out_.families[index];
    if (building_[index].typed || !family.rows.empty()) {
      return Fail(Errc::kParse, "a second TYPE, or one after samples");
    }
    const auto kind = ParseKind(NextField(text));
    if (!kind || !SkipBlanks(text).empty()) return Fail(Errc::kParse, "not a type");
    family.kind = *kind;
    building_[index].typed = true;
    return {};
  }

  Result<> ReadSample(std::string_view rest) {
    const std::string_view name = TakeName(rest, true);
    if (auto valid = CheckName(name); !valid) return valid;
    if (rest.empty() || (!IsBlank(rest.front()) && rest.front() != '{')) {
      return Fail(Errc::kParse, "no blank after the name");
    }
    const auto [index, part] = Owner(name);
    if (auto read = ReadLabels(SkipBlanks(rest), rest); !read) return read;
    const std::string_view text = NextField(rest);
    const auto value = ParseValue(text);
    if (!value) return Fail(Errc::kParse, "not a number: " + Quoted(text) + ",");
    if (!NextField(rest).empty()) {
      return Fail(Errc::kParse, SkipBlanks(rest).empty() ? "a client's timestamp is not supported"
                                                         : "too many fields");
    }
    return out_.families[index].compound() ? AddPoint(index, part, *value) : AddRow(index, *value);
  }

  Result<> CheckName(std::string_view name) const {
    if (name.size() > bounds_.name_bytes) return Fail(Errc::kLimit, "a long name");
    if (!ValidName(name, true)) return Fail(Errc::kParse, "not a metric name");
    return {};
  }

  std::uint32_t Named(std::string_view name) {
    const auto [at, fresh] =
        by_name_.try_emplace(name, static_cast<std::uint32_t>(out_.families.size()));
    if (fresh) {
      out_.families.emplace_back();
      out_.families.back().name = name;
      out_.families.back().line = line_;
      building_.emplace_back();
    }
    return at->second;
  }

  // A family of the very name comes first, then the histogram or summary that it is a part of.
  std::pair<std::uint32_t, Part> Owner(std::string_view name) {
    if (const auto exact = by_name_.find(name); exact != by_name_.end()) {
      const Kind kind = out_.families[exact->second].kind;
      return {exact->second, kind == Kind::kSummary ? Part::kQuantile : Part::kValue};
    }
    constexpr std::pair<std::string_view, Part> kParts[] = {
        {"_bucket", Part::kBucket}, {"_sum", Part::kSum}, {"_count", Part::kCount}};
    for (const auto& [suffix, part] : kParts) {
      if (!name.ends_with(suffix)) continue;
      const auto base = by_name_.find(name.substr(0, name.size() - suffix.size()));
      if (base == by_name_.end()) continue;
      const Kind kind = out_.families[base->second].kind;
      if (kind == Kind::kHistogram || (kind == Kind::kSummary && part != Part::kBucket)) {
        return {base->second, part};
      }
    }
    return {Named(name), Part::kValue};
  }

  // Fills pairs_. `from` may be `rest` itself.
  Result<> ReadLabels(std::string_view from, std::string_view& rest) {
    pairs_.clear();
    rest = from;
    if (!rest.starts_with('{')) return {};
    rest.remove_prefix(1);
    for (rest = SkipBlanks(rest); !rest.starts_with('}'); rest = SkipBlanks(rest)) {
      if (auto read = ReadLabel(rest); !read) return read;
      rest = SkipBlanks(rest);
      if (rest.starts_with(',')) {
        rest.remove_prefix(1);
      } else if (!rest.starts_with('}')) {
        return Fail(Errc::kParse, "no , or } after a label");
      }
    }
    rest.remove_prefix(1);
    return {};
  }

  Result<> ReadLabel(std::string_view& rest) {
    const std::string_view name = TakeName(rest, false);
    if (!ValidName(name)) return Fail(Errc::kParse, "not a label name");
    if (name.starts_with("__")) return Fail(Errc::kParse, "label names with __ are reserved");
    if (name.size() > bounds_.name_bytes) return Fail(Errc::kLimit, "a long label name");
    rest = SkipBlanks(rest);
    if (!rest.starts_with('=')) return Fail(Errc::kParse, "no = after a label name");
    rest = SkipBlanks(rest.substr(1));
    auto quoted = TakeQuoted(rest);
    if (!quoted) return Fail(std::move(quoted.error()));
    auto value = Unescape(*quoted, true, out_.unescaped);
    if (!value) return Fail(std::move(value.error()));
    if (!IsUtf8(*value)) return Fail(Errc::kParse, "a label value that is not UTF-8");
    if (value->size() > Limits{}.label_bytes) return Fail(Errc::kLimit, "a long label value");
    if (std::ranges::find(pairs_, name, &LabelPair::first) != pairs_.end()) {
      return Fail(Errc::kParse, "a label twice");
    }
    if (pairs_.size() >= bounds_.labels) return Fail(Errc::kLimit, "too many labels");
    pairs_.emplace_back(name, *value);
    return {};
  }

  Result<> AddRow(std::uint32_t index, double value) {
    auto row = NewRow(out_.families[index]);
    if (!row) return Fail(std::move(row.error()));
    row->value = value;
    out_.families[index].rows.push_back(*row);
    return {};
  }

  // A row with the labels of pairs_.
  Result<ForeignRow> NewRow(ForeignFamily& family) {
    if (auto counted = Count(1); !counted) return Fail(std::move(counted.error()));
    ForeignRow row{};
    row.line = line_;
    row.labels = static_cast<std::uint32_t>(out_.labels.size());
    row.label_count = static_cast<std::uint32_t>(pairs_.size());
    for (const auto& [name, value] : pairs_) {
      const auto at = std::ranges::find(family.labels, name);
      const auto place = static_cast<std::uint32_t>(at - family.labels.begin());
      if (at == family.labels.end()) {
        if (place >= bounds_.labels) return Fail(Errc::kLimit, "too many labels in a family");
        family.labels.push_back(name);
      }
      out_.labels.push_back({place, value});
    }
    return row;
  }

  Result<> Count(std::size_t series) {
    out_.series += series;
    if (out_.series <= bounds_.series) return {};
    return Fail(Errc::kLimit, "more than " + std::to_string(bounds_.series) + " series");
  }

  Result<> AddPoint(std::uint32_t index, Part part, double value) {
    std::optional<double> key;
    const auto is_special = [](const LabelPair& label) {
      return label.first == "le" || label.first == "quantile";
    };
    const auto special = std::ranges::find_if(pairs_, is_special);
    if (special != pairs_.end()) {
      if (part != (special->first == "le" ? Part::kBucket : Part::kQuantile)) {
        return Fail(Errc::kParse, "a label that does not belong to this type");
      }
      key = ParseValue(special->second);
      if (!key || std::isnan(*key)) return Fail(Errc::kParse, "le or quantile is not a number");
      pairs_.erase(special);
      if (std::ranges::any_of(pairs_, is_special)) {
        return Fail(Errc::kParse, "a label that does not belong to this type");
      }
    }
    if (!key && part != Part::kSum && part != Part::kCount) {
      return Fail(Errc::kParse, "a sample that does not belong to its type");
    }
    auto compound = CompoundOf(index);
    if (!compound) return Fail(std::move(compound.error()));
    return Set(**compound, part, key.value_or(0), value);
  }

  Result<> Set(Compound& compound, Part part, double key, double value) {
    if (part == Part::kSum || part == Part::kCount) {
      std::optional<double>& total = part == Part::kSum ? compound.sum : compound.count;
      if (total) return Fail(Errc::kParse, "a sample twice");
      total = value;
      return {};
    }
    compound.points.emplace_back(key, value);
    return Count(1);
  }

  // The histogram or summary with the labels of pairs_.
  Result<Compound*> CompoundOf(std::uint32_t index) {
    std::ranges::sort(pairs_);
    std::string key;
    for (const auto& [name, value] : pairs_) {
      if (value.empty()) continue;
      key.append(name).append(1, '\0').append(value).append(1, '\0');
    }
    const auto [at, fresh] =
        building_[index].compounds.try_emplace(std::move(key), compounds_.size());
    if (fresh) {
      ForeignFamily& family = out_.families[index];
      auto row = NewRow(family);
      if (!row) return Fail(std::move(row.error()));
      if (auto counted = Count(1); !counted) return Fail(std::move(counted.error()));  // _count
      compounds_.push_back({index, static_cast<std::uint32_t>(family.rows.size()), {}, {}, {}});
      family.rows.push_back(*row);
    }
    return &compounds_[at->second];
  }

  Result<> Finish() {
    for (Compound& compound : compounds_) {
      ForeignFamily& family = out_.families[compound.family];
      ForeignRow& row = family.rows[compound.row];
      if (const char* fault = Close(family.kind, compound, row)) {
        return AtLine({Errc::kParse, std::string(family.name) + ": " + fault}, row.line);
      }
    }
    std::erase_if(out_.families, [](const ForeignFamily& family) { return family.rows.empty(); });
    NameOwners owners;
    for (ForeignFamily& family : out_.families) {
      if (auto clash = owners.Clash(family)) {
        return AtLine({Errc::kParse, std::move(*clash)}, family.line);
      }
      owners.Claim(family);
      SortLabels(family);
      Measure(family);
    }
    if (out_.output > bounds_.output) {
      return Fail(Errc::kLimit, "series of more than " + std::to_string(bounds_.output) + " bytes");
    }
    return {};
  }

  const char* Close(Kind kind, Compound& compound, ForeignRow& row) {
    if (!compound.sum || !compound.count) return "no _sum or no _count";
    auto& points = compound.points;
    std::ranges::sort(points, {}, &std::pair<double, double>::first);
    const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
    if (std::ranges::adjacent_find(points, same) != points.end()) return "le or quantile twice";
    row.value = *compound.sum;
    row.count = *compound.count;
    row.numbers = static_cast<std::uint32_t>(out_.numbers.size());
    row.keys = static_cast<std::uint32_t>(points.size());
    if (!(row.count >= 0 && std::isfinite(row.count))) return "_count is no count";
    if (kind == Kind::kHistogram) {
      if (const char* fault = CheckBuckets(points, row.count)) return fault;
      --row.keys;  // +Inf is none
    } else if (!points.empty() && !(points.front().first >= 0 && points.back().first <= 1)) {
      return "a quantile outside 0 to 1";
    }
    for (std::size_t i = 0; i < row.keys; ++i) out_.numbers.push_back(points[i].first);
    for (const auto& [key, value] : points) out_.numbers.push_back(value);
    return nullptr;
  }

  static const char* CheckBuckets(std::span<const std::pair<double, double>> points, double count) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (points.empty() || points.back().first != kInfinity) return "no bucket with le=\"+Inf\"";
    if (points.front().first == -kInfinity) return "a bucket with le=\"-Inf\"";
    if (points.back().second != count) return "_count is not the count of the last bucket";
    double before = 0;
    for (const auto& [bound, cumulative] : points) {
      if (!(cumulative >= before)) return "a bucket holds less than the one before";
      before = cumulative;
    }
    return nullptr;
  }

  // The family's label names ascending, and the rows' indices into them.
  void SortLabels(ForeignFamily& family) {
    std::vector<std::string_view> sorted = family.labels;
    std::ranges::sort(sorted);
    for (const ForeignRow& row : family.rows) {
      for (auto& label : std::span(out_.labels).subspan(row.labels, row.label_count)) {
        const auto at = std::ranges::lower_bound(sorted, family.labels[label.name]);
        label.name = static_cast<std::uint32_t>(at - sorted.begin());
      }
    }
    family.labels = std::move(sorted);
  }

  void Measure(const ForeignFamily& family) {
    std::size_t fixed = family.name.size() + kNumberBytes;
    for (const std::string_view label : family.labels) fixed += label.size() + 4;
    for (const ForeignRow& row : family.rows) {
      std::size_t bytes = fixed;
      for (const auto& label : std::span(out_.labels).subspan(row.labels, row.label_count)) {
        bytes += label.value.size();
      }
      out_.output += bytes * (family.compound() ? row.keys + std::size_t{3} : 1);
    }
    out_.output += 2 * family.name.size() + (family.help ? family.help->size() : 0);
  }

  ForeignMetrics& out_;
  const ExpositionBounds bounds_;
  std::size_t line_ = 0;
  std::unordered_map<std::string_view, std::uint32_t> by_name_;
  std::vector<Building> building_;  // one a family
  std::vector<Compound> compounds_;
  std::vector<LabelPair> pairs_;  // of the sample at hand
};

}  // namespace

Result<std::shared_ptr<const ForeignMetrics>> ReadExposition(std::string text,
                                                             const ExpositionBounds& bounds) {
  const auto metrics = std::make_shared<ForeignMetrics>();
  metrics->text = std::move(text);
  if (auto read = Reader(*metrics, bounds).Read(); !read) return Fail(std::move(read.error()));
  return metrics;
}

}  // namespace sidecar::host
