#pragma once
// Rows whose columns are found by name, for collectors that read them in C++. One thread.
//
//   enum { kPid, kState };
//   class Sessions final : public NamedRows<2> {
//    public:
//     Sessions() : NamedRows({"pid", "state"}) {}
//     Result<> Read() override { return pids_.push_back(Text(kPid)), Result<>(); }
//   };

#include <array>
#include <string>

#include "common/base/parse.h"
#include "common/metrics/utf8.h"
#include "exporters/postgres/query_values.h"

namespace sidecar::postgres {

template <std::size_t N>
class NamedRows : public RowReader {
 public:
  explicit NamedRows(const std::array<std::string_view, N>& names) : names_(names) {}

  Result<> Begin(std::span<const Column> columns) override {
    for (std::size_t i = 0; i < N; ++i) {
      at_[i] = columns.size();
      for (std::size_t j = 0; j < columns.size(); ++j) {
        if (columns[j].name == names_[i]) at_[i] = j;
      }
    }
    return {};
  }
  Result<> Row(std::span<const Cell> cells) override {
    if (++rows_ > kMostRows) {
      return Fail(Errc::kLimit, "more than " + std::to_string(kMostRows) + " rows");
    }
    cells_ = cells;
    return Read();
  }

 protected:
  virtual Result<> Read() = 0;  // one row

  // NULL, also where the result has no such column: of a version that lacks it.
  Cell Get(std::size_t name) const {
    return at_[name] < cells_.size() ? cells_[at_[name]] : std::nullopt;
  }
  std::string_view Text(std::size_t name) const { return Get(name).value_or(std::string_view()); }
  std::string Label(std::size_t name) const { return EscapeInvalid(Text(name)); }
  // kParse: no number.
  Result<double> Number(std::size_t name) const {
    const Cell cell = Get(name);
    if (!cell) return Fail(Errc::kParse, "column " + Quoted(names_[name]) + " is NULL or missing");
    auto value = ParseValue(*cell, 0);
    if (!value) return Fail(std::move(value.error()).Wrap("column " + Quoted(names_[name])));
    return value;
  }

 private:
  static constexpr std::size_t kMostRows = 50'000;

  std::array<std::string_view, N> names_;
  std::array<std::size_t, N> at_{};
  std::span<const Cell> cells_;
  std::size_t rows_ = 0;
};

}  // namespace sidecar::postgres
