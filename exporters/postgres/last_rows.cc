#include "exporters/postgres/last_rows.h"

#include <cstring>
#include <limits>
#include <utility>

namespace sidecar::postgres {
namespace {

constexpr std::uint32_t kNull = std::numeric_limits<std::uint32_t>::max();

void PutNumber(std::string& out, std::uint32_t number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}
void PutText(std::string& out, std::string_view text) {
  PutNumber(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

std::uint32_t TakeNumber(std::string_view& rest) {
  std::uint32_t number = 0;
  std::memcpy(&number, rest.data(), sizeof number);
  rest.remove_prefix(sizeof number);
  return number;
}

}  // namespace

void LastRows::Start(std::string_view context, RowReader& next) {
  next_ = &next;
  through_ = same_ = false;
  now_.clear();
  PutText(now_, context);
}

Result<> LastRows::Begin(std::span<const Column> columns) {
  names_.clear();
  columns_.clear();
  PutNumber(now_, static_cast<std::uint32_t>(columns.size()));
  for (const Column& column : columns) {
    PutNumber(now_, column.type);
    PutText(now_, column.name);
    names_.emplace_back(column.name);
  }
  for (std::size_t i = 0; i < columns.size(); ++i) {
    columns_.push_back({names_[i], columns[i].type});
  }
  rows_at_ = now_.size();
  // Rows of no columns take no room, however many there are.
  return columns.empty() ? HandOn() : Result<>();
}

Result<> LastRows::Row(std::span<const Cell> cells) {
  if (through_) return next_->Row(cells);
  std::size_t size = now_.size();
  for (const Cell& cell : cells) size += sizeof(std::uint32_t) + (cell ? cell->size() : 0);
  if (size > kMostBytes) {  // what is kept stays small, however large a row is
    if (auto handed = HandOn(); !handed) return handed;
    return next_->Row(cells);
  }
  for (const Cell& cell : cells) {
    if (cell) {
      PutText(now_, *cell);
    } else {
      PutNumber(now_, kNull);
    }
  }
  return {};
}

Result<> LastRows::HandOn() {
  through_ = true;
  if (auto begun = next_->Begin(columns_); !begun) return begun;
  for (std::string_view rest = std::string_view(now_).substr(rows_at_); !rest.empty();) {
    cells_.clear();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::uint32_t size = TakeNumber(rest);
      if (size == kNull) {
        cells_.emplace_back();
        continue;
      }
      cells_.emplace_back(rest.substr(0, size));
      rest.remove_prefix(size);
    }
    if (auto read = next_->Row(cells_); !read) return read;
  }
  return {};
}

Result<> LastRows::Finish() {
  if (through_) {
    Forget();
    return {};
  }
  same_ = known_ && now_ == before_;
  if (same_) return {};
  auto handed = HandOn();
  known_ = handed.has_value();
  std::swap(before_, now_);
  return handed;
}

void LastRows::Know(std::string state) {
  known_ = !state.empty();
  before_ = std::move(state);
}

void LastRows::Forget() {
  known_ = false;
  before_ = {};
}

}  // namespace sidecar::postgres
