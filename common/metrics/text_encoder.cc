#include "common/metrics/dialect.h"

namespace sidecar {
namespace {

const char* TypeName(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return "counter";
    case Kind::kGauge:
    case Kind::kInfo:
      return "gauge";
    case Kind::kHistogram:
      return "histogram";
    case Kind::kSummary:
      return "summary";
    case Kind::kUnknown:
      break;
  }
  return "untyped";
}

class TextDialect final : public Dialect {
 public:
  explicit TextDialect(const FamilyGroups& all) : all_(all) {}

  void Begin(std::size_t group, Output& output) override {
    const FamilyInfo& info = all_.info(all_.groups()[group]);
    PutHelp(output, info.name, info.help, false);
    output.Append("# TYPE ");
    output.Append(info.name);
    output.Append(" ");
    output.Append(TypeName(info.kind));
    output.Append("\n");
  }
  void End(Output&) override {}
  bool exemplars() const override { return false; }
  std::uint64_t Shape(std::size_t) const override { return 0; }

 private:
  const FamilyGroups& all_;
};

}  // namespace

void PutHelp(Output& output, std::string_view name, std::string_view help, bool quotes) {
  if (help.empty()) return;
  output.Append("# HELP ");
  output.Append(name);
  output.Append(" ");
  output.Commit(PutEscaped(output.Reserve(2 * help.size()), help, quotes));
  output.Append("\n");
}

std::unique_ptr<Dialect> MakeText(const FamilyGroups& all) {
  return std::make_unique<TextDialect>(all);
}

}  // namespace sidecar
