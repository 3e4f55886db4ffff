#pragma once
// A strict reader of foreign metrics in text format 0.0.4, as scripts write them for textfile: all
// types, rows in any order. What is not in order refuses the whole text, with its line: half of a
// file is never served. A family's rows may carry different labels; they are unified with empty
// values, as in node_exporter. What it holds borrows from the text it owns; immutable once read,
// so that threads may share it.
//
//   auto metrics = ReadExposition(std::move(text));     // or "line 5: not a number in 'x y'"
//   for (const ForeignFamily& family : (*metrics)->families)
//     (*metrics)->Put(family, help, {}, sink);

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/metrics/sink.h"

namespace sidecar::host {

struct ExpositionBounds {
  std::size_t series = Limits{}.series;
  std::size_t labels = 64;          // of one family
  std::size_t name_bytes = 256;     // of a metric or a label
  std::size_t help_bytes = 4'096;   // of one family
  std::size_t output = 16U << 20U;  // bytes that the series would be written in, about
};

struct ForeignRow {
  std::uint32_t labels, label_count;  // of ForeignMetrics::labels
  std::uint32_t numbers, keys;        // compound: keys, values (one more in a histogram)
  double value;                       // compound: the sum
  double count;                       // compound
  std::size_t line;
};
struct ForeignFamily {
  std::string_view name;
  std::optional<std::string_view> help;
  Kind kind = Kind::kUnknown;
  std::vector<std::string_view> labels;  // of all its rows, ascending
  std::vector<ForeignRow> rows;
  std::size_t line = 0;

  bool compound() const { return kind == Kind::kHistogram || kind == Kind::kSummary; }
};

struct ForeignMetrics {
  struct Label {
    std::uint32_t name;  // of ForeignFamily::labels
    std::string_view value;
  };
  std::string text;
  std::deque<std::string> unescaped;  // what does not stand in the text as it is
  std::vector<Label> labels;
  std::vector<double> numbers;
  std::vector<ForeignFamily> families;  // with rows only, in order of their first line
  std::size_t series = 0;               // a histogram of two bounds is five
  std::size_t output = 0;               // bytes, about

  ForeignMetrics() = default;
  ForeignMetrics(const ForeignMetrics&) = delete;
  ForeignMetrics& operator=(const ForeignMetrics&) = delete;

  // Name and labels, equal for rows that are one series to Prometheus: an empty label is none.
  std::string Identity(const ForeignFamily& family, const ForeignRow& row) const;
  // The rows whose place in the family is not in `without`, ascending.
  Result<> Put(const ForeignFamily& family, std::string_view help,
               std::span<const std::uint32_t> without, Sink& sink) const;
};

Result<std::shared_ptr<const ForeignMetrics>> ReadExposition(std::string text,
                                                             const ExpositionBounds& bounds = {});

// Which family owns a name that samples carry: a histogram h also owns h_bucket, h_sum and h_count.
class NameOwners {
 public:
  // Nothing, or why the family cannot be there beside those that were claimed.
  std::optional<std::string> Clash(const ForeignFamily& family) const;
  void Claim(const ForeignFamily& family);

 private:
  struct Owner {
    std::string family;
    Kind kind;
  };
  std::map<std::string, Owner, std::less<>> owners_;
};

}  // namespace sidecar::host
