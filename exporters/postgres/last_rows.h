#pragma once
// The rows that a query gave last, so that the same rows again need not become samples again: most
// of what a server says of itself does not change from scrape to scrape. Stands between a session
// and the reader of its rows, and hands them on once the last one is there, unless all of them are
// as before. Longer results than kMostBytes are handed on as they come. One thread; the reader
// outlives the run.
//
//   last.Start(context, rows);
//   auto done = session.Query(scrape, statement, last);
//   if (done) done = last.Finish();
//   if (done && last.same()) ...          // rows was told of nothing

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/postgres/rows.h"

namespace sidecar::postgres {

class LastRows final : public RowReader {
 public:
  static constexpr std::size_t kMostBytes = 64U << 10U;

  // `context`: what else the samples depend on.
  void Start(std::string_view context, RowReader& next);
  Result<> Begin(std::span<const Column> columns) override;
  Result<> Row(std::span<const Cell> cells) override;
  Result<> Finish();
  // Of the run that finished: its rows are those of the one before it.
  bool same() const { return same_; }
  void Forget();  // what the rows became is gone

  // Of rows that were not read through it: what they depend on (Native::State).
  bool AreOf(std::string_view state) const { return known_ && !state.empty() && before_ == state; }
  void Know(std::string state);

 private:
  // What comes next of this run. It is written down from where it differs from the run before.
  void Put(std::uint32_t number, std::string_view text = {});
  std::size_t size() const { return differs_ ? now_.size() : alike_; }
  Result<> HandOn();

  RowReader* next_ = nullptr;
  std::string before_, now_;  // context, columns and rows
  bool known_ = false;        // before_ is of a run that finished
  bool differs_ = false;
  std::size_t alike_ = 0;  // bytes of before_, until it differs
  bool through_ = false;   // what is held was handed on, and so is what comes
  bool same_ = false;
  std::size_t columns_at_ = 0;
  std::vector<Column> columns_;
  std::vector<Cell> cells_;
};

}  // namespace sidecar::postgres
