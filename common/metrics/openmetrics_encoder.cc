#include <algorithm>

#include "common/metrics/dialect.h"

namespace sidecar {
namespace {

// Prometheus drops a scrape whose UNIT is not the last word of the family's name, so it is taken
// from there.
constexpr std::string_view kUnits[] = {"seconds", "bytes",  "ratio", "celsius", "volts",
                                       "amperes", "joules", "grams", "meters",  "hertz"};

std::string_view UnitOf(std::string_view name) {
  for (const std::string_view unit : kUnits) {
    if (name.size() > unit.size() + 1 && name.ends_with(unit) &&
        name[name.size() - unit.size() - 1] == '_') {
      return unit;
    }
  }
  return {};
}

// The name without the suffix; empty if it has none, or is no more than that.
std::string_view Strip(std::string_view name, std::string_view suffix) {
  const bool there = name.size() > suffix.size() && name.ends_with(suffix);
  return there ? name.substr(0, name.size() - suffix.size()) : std::string_view{};
}

class OpenMetricsDialect final : public Dialect {
 public:
  explicit OpenMetricsDialect(const FamilyGroups& all);

  void Begin(std::size_t group, Output& output) override {
    const std::string_view name = NameOf(group), type = types_[group].type;
    PutHelp(output, name, all_.info(all_.groups()[group]).help, true);
    output.Append("# TYPE ");
    output.Append(name);
    output.Append(" ");
    output.Append(type);
    output.Append("\n");
    const std::string_view unit = UnitOf(name);
    if (unit.empty() || type == "info") return;  // an info has none
    output.Append("# UNIT ");
    output.Append(name);
    output.Append(" ");
    output.Append(unit);
    output.Append("\n");
  }
  void End(Output& output) override { output.Append("# EOF\n"); }
  bool exemplars() const override { return true; }
  std::uint64_t Shape(std::size_t group) const override {
    return types_[group].stripped * 256 + static_cast<unsigned char>(types_[group].type.front());
  }

 private:
  struct Type {
    std::string_view type;
    std::size_t stripped = 0;  // of the end of the name
  };
  std::string_view NameOf(std::size_t group) const {
    const std::string_view name = all_.info(all_.groups()[group]).name;
    return name.substr(0, name.size() - types_[group].stripped);
  }
  // A counter is named without _total and an info without _info, as far as they have that suffix
  // and no other family has the short name; else their samples stay and the type gives way.
  Type TypeOf(const FamilyGroups::Group& group);
  bool Take(std::string_view short_name);
  bool AllOnes(const FamilyGroups::Group& group) const;

  const FamilyGroups& all_;
  IndexTable taken_;  // of types_, by the short names given so far
  std::vector<Type> types_;
};

OpenMetricsDialect::OpenMetricsDialect(const FamilyGroups& all) : all_(all) {
  types_.reserve(all.groups().size());
  for (const FamilyGroups::Group& group : all.groups()) types_.push_back(TypeOf(group));
}

bool OpenMetricsDialect::Take(std::string_view short_name) {
  const std::uint64_t hash = HashText(short_name);
  const auto named = [&](std::uint32_t group) { return NameOf(group) == short_name; };
  if (all_.Has(short_name) || taken_.Find(hash, named) != kNone) return false;
  taken_.Insert(hash, static_cast<std::uint32_t>(types_.size()));
  return true;
}

OpenMetricsDialect::Type OpenMetricsDialect::TypeOf(const FamilyGroups::Group& group) {
  switch (group.kind) {
    case Kind::kCounter: {
      constexpr std::string_view kSuffix = "_total";
      const std::string_view stripped = Strip(all_.info(group).name, kSuffix);
      if (stripped.empty() || !Take(stripped)) return {"unknown"};
      return {"counter", kSuffix.size()};
    }
    case Kind::kInfo: {
      constexpr std::string_view kSuffix = "_info";
      const std::string_view stripped = Strip(all_.info(group).name, kSuffix);
      if (stripped.empty() || !AllOnes(group) || !Take(stripped)) return {"gauge"};
      return {"info", kSuffix.size()};
    }
    case Kind::kGauge:
      return {"gauge"};
    case Kind::kHistogram:
      return {"histogram"};
    case Kind::kSummary:
      return {"summary"};
    case Kind::kUnknown:
      break;
  }
  return {"unknown"};
}

bool OpenMetricsDialect::AllOnes(const FamilyGroups::Group& group) const {
  for (std::uint32_t at = group.first; at != kNone; at = all_.members()[at].next) {
    const FamilyRows& family = all_.rows(all_.members()[at]);
    const auto one = [](const Row& row) { return row.value == 1; };
    if (!std::all_of(family.rows.begin(), family.rows.end(), one)) return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<Dialect> MakeOpenMetrics(const FamilyGroups& all) {
  return std::make_unique<OpenMetricsDialect>(all);
}

}  // namespace sidecar
