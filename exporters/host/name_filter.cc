#include "exporters/host/name_filter.h"

#include <re2/re2.h>

namespace sidecar::host {
namespace {

// More names than a large host has; past it the devices come and go, and the old ones are garbage.
constexpr std::size_t kMaxVerdicts = 8'192;

Result<std::unique_ptr<re2::RE2>> CompileOne(std::string_view pattern) {
  if (pattern.empty()) return std::unique_ptr<re2::RE2>();
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto compiled =
      std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!compiled->ok()) return Fail(Errc::kConfig, compiled->error());
  return compiled;
}

}  // namespace

NameFilter::NameFilter() = default;
NameFilter::~NameFilter() = default;
NameFilter::NameFilter(NameFilter&&) noexcept = default;
NameFilter& NameFilter::operator=(NameFilter&&) noexcept = default;

bool NameFilter::Match(std::string_view name) const {
  const re2::StringPiece text(name.data(), name.size());
  if (exclude_ && re2::RE2::PartialMatch(text, *exclude_)) return false;
  return !include_ || re2::RE2::PartialMatch(text, *include_);
}

bool NameFilter::Keeps(std::string_view name) {
  if (!include_ && !exclude_) return true;
  if (const auto found = verdicts_.find(name); found != verdicts_.end()) return found->second;
  if (verdicts_.size() >= kMaxVerdicts) verdicts_.clear();
  return verdicts_.emplace(name, Match(name)).first->second;
}

void FilterOptions::Read(TableReader& table, Names its_names) {
  names = std::move(its_names);
  const std::string include_key = names.key + "_include", exclude_key = names.key + "_exclude";
  table.Field(include_key, include, "Regular expression: only these " + names.noun + ".")
      .Flag(names.flag + "-include");
  if (!names.old_include.empty()) table.Flag(names.old_include);
  table.Field(exclude_key, exclude, "Regular expression: all but these " + names.noun + ".")
      .Flag(names.flag + "-exclude");
  if (!names.old_exclude.empty()) table.Flag(names.old_exclude);
  if (include.empty() || exclude.empty()) return;
  if (table.Has(exclude_key)) {
    table.Reject(exclude_key, "either " + include_key + " or " + exclude_key + ", not both");
  } else {
    exclude.clear();  // only the default
  }
}

NameFilter FilterOptions::Compile(TableReader& table) const {
  NameFilter filter;
  auto included = CompileOne(include);
  auto excluded = CompileOne(exclude);
  if (!included) table.Reject(names.key + "_include", included.error().message);
  if (!excluded) table.Reject(names.key + "_exclude", excluded.error().message);
  if (included) filter.include_ = std::move(*included);
  if (excluded) filter.exclude_ = std::move(*excluded);
  return filter;
}

}  // namespace sidecar::host
