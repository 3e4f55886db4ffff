#pragma once
// Counters and histograms by labels, bounded: past the limits the first label becomes "__other__",
// then every label that comes from outside. Cells are kept until the process ends, as counters must
// be. The rows whose every label from outside is "__other__" are beyond the limits and take nothing
// of the budget: there is always room for them, and whoever shows the table allows for them.
//
// What scrapes see is a snapshot, made by Publish, of rows that no longer change (a row is copied
// when it is written to after that). A new row is shown as zero until a scrape has had it and a
// Publish has followed, since Prometheus takes the first value of a series for nothing gained. Any
// reader is such a scrape: of several, those that come later may miss the zero.
//
// One thread, except that a snapshot may be read by any, while later ones are made.
//
//   SeriesTable<Counts, 2> table({.unbounded = 2, .cost = 7}, budget);
//   ++table.At({type, queue}).started;
//   auto rows = table.Publish();

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sidecar::temporal {

constexpr std::string_view kOther = "__other__";

// A name from outside as a label: UTF-8, of at most 200 bytes.
std::string BoundedLabel(std::string_view name);

// How many series there may be, in all tables that share it. Thread-safe.
class SeriesBudget {
 public:
  explicit SeriesBudget(std::int64_t most) : most_(most) {}
  bool Take(std::int64_t series) {
    if (used_.fetch_add(series) + series <= most_) return true;
    used_ -= series;
    return false;
  }
  void Return(std::int64_t series) { used_ -= series; }
  void Limit(std::int64_t most) { most_ = most; }
  std::int64_t used() const { return used_; }

 private:
  std::atomic<std::int64_t> most_, used_ = 0;
};

template <class Cell, std::size_t N>
class SeriesTable {
 public:
  using Labels = std::array<std::string, N>;
  struct Row {
    Labels labels;
    Cell cell{};
    bool shown = false;  // else zero is what is shown
    std::shared_ptr<std::atomic<bool>> scraped = std::make_shared<std::atomic<bool>>(false);
  };
  using Rows = std::vector<std::shared_ptr<const Row>>;  // by labels
  struct Shape {
    std::ptrdiff_t unbounded = N;  // the first labels; the others have few values
    std::int64_t cost = 1;         // series of a row
  };

  SeriesTable(Shape shape, std::shared_ptr<SeriesBudget> budget)
      : shape_(shape), budget_(std::move(budget)) {}
  ~SeriesTable() {
    if (budget_) budget_->Return(taken_);
  }
  SeriesTable(SeriesTable&&) noexcept = default;
  SeriesTable& operator=(SeriesTable&&) = delete;
  SeriesTable(const SeriesTable&) = delete;
  SeriesTable& operator=(const SeriesTable&) = delete;

  void Limit(std::int64_t series) { most_ = series; }

  // The cell to write to, until the next Publish. Labels must be bounded.
  Cell& At(Labels labels) {
    auto found = rows_.find(labels);
    if (found == rows_.end()) {
      if (!Room(labels)) {
        ++overflow_;
        Fold(labels);
      }
      found = rows_.try_emplace(labels).first;
    }
    Slot& slot = found->second;
    if (!slot.fresh) {
      slot.row = slot.row ? std::make_shared<Row>(*slot.row) : std::make_shared<Row>();
      slot.row->labels = found->first;
      slot.fresh = changed_ = true;
    }
    return slot.row->cell;
  }

  std::shared_ptr<const Rows> Publish() {
    if (!changed_ && hidden_ == 0) return published_;
    auto rows = std::make_shared<Rows>();
    rows->reserve(rows_.size());
    hidden_ = 0;
    for (auto& [labels, slot] : rows_) {
      if (!slot.row->shown && slot.row->scraped->load()) {
        if (!slot.fresh) slot.row = std::make_shared<Row>(*slot.row);
        slot.row->shown = true;
      }
      hidden_ += slot.row->shown ? 0 : 1;
      slot.fresh = false;
      rows->push_back(slot.row);
    }
    changed_ = false;
    published_ = std::move(rows);
    return published_;
  }

  // Of rows that were published before: a restart does not begin them anew.
  void ShowAll() {
    for (auto& [labels, slot] : rows_) {
      if (slot.row && slot.fresh) slot.row->shown = true;
    }
  }

  template <class Visit>  // (labels, cell), the current ones
  void ForEach(Visit visit) const {
    for (const auto& [labels, slot] : rows_) visit(labels, slot.row->cell);
  }
  std::size_t size() const { return rows_.size(); }
  std::uint64_t overflow() const { return overflow_; }  // writes that found no room

 private:
  static constexpr std::int64_t kOthers = 50;  // rows past the limit, that keep the other labels
  struct Slot {
    std::shared_ptr<Row> row{};
    bool fresh = false;  // not in a snapshot: may be written to
  };

  // Whether there may be a row of these labels. Rows of "__other__" have bounds of their own, so
  // that what is restored finds the room that it had.
  bool Room(const Labels& labels) {
    const bool other = labels[0] == kOther;
    if (other && AllOther(labels)) return true;
    if (other ? others_ >= kOthers : named_ + shape_.cost > most_) return false;
    if (!budget_->Take(shape_.cost)) return false;
    taken_ += shape_.cost;
    (other ? others_ : named_) += other ? 1 : shape_.cost;
    return true;
  }
  bool AllOther(const Labels& labels) const {
    return std::all_of(labels.begin(), labels.begin() + shape_.unbounded,
                       [](const std::string& label) { return label == kOther; });
  }
  // To the row that counts what found no room.
  void Fold(Labels& labels) {
    labels[0] = kOther;
    if (rows_.contains(labels) || Room(labels)) return;
    std::fill_n(labels.begin(), shape_.unbounded, std::string(kOther));
  }

  Shape shape_;
  std::shared_ptr<SeriesBudget> budget_;       // shared with the tables of other namespaces
  std::int64_t most_ = INT64_MAX, named_ = 0;  // series of this table
  std::int64_t others_ = 0;                    // rows
  std::int64_t taken_ = 0;                     // of the budget
  std::map<Labels, Slot> rows_;
  std::size_t hidden_ = 0;
  std::uint64_t overflow_ = 0;
  bool changed_ = true;
  std::shared_ptr<const Rows> published_ = std::make_shared<const Rows>();
};

}  // namespace sidecar::temporal
