#include "exporters/postgres/last_rows.h"

#include <cstring>
#include <limits>
#include <utility>

namespace sidecar::postgres {
namespace {

constexpr std::uint32_t kNull = std::numeric_limits<std::uint32_t>::max();

std::string_view Bytes(const std::uint32_t& number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

std::uint32_t TakeNumber(std::string_view& rest) {
  std::uint32_t number = 0;
  std::memcpy(&number, rest.data(), sizeof number);
  rest.remove_prefix(sizeof number);
  return number;
}

Cell TakeCell(std::string_view& rest) {
  const std::uint32_t size = TakeNumber(rest);
  if (size == kNull) return std::nullopt;
  const std::string_view text = rest.substr(0, size);
  rest.remove_prefix(size);
  return text;
}

std::uint32_t SizeOf(std::string_view text) { return static_cast<std::uint32_t>(text.size()); }

}  // namespace

void LastRows::Start(std::string_view context, RowReader& next) {
  next_ = &next;
  through_ = same_ = false;
  now_.clear();
  alike_ = 0;
  differs_ = !known_;
  Put(SizeOf(context), context);
}

void LastRows::Put(std::uint32_t number, std::string_view text) {
  const std::size_t size = sizeof number + text.size();
  if (!differs_) {
    const std::string_view there = std::string_view(before_).substr(alike_);
    if (there.size() >= size && there.starts_with(Bytes(number)) &&
        there.substr(sizeof number, text.size()) == text) {
      alike_ += size;
      return;
    }
    differs_ = true;
    now_.assign(before_, 0, alike_);
  }
  now_.append(Bytes(number));
  now_.append(text);
}

Result<> LastRows::Begin(std::span<const Column> columns) {
  columns_at_ = size();
  Put(static_cast<std::uint32_t>(columns.size()));
  for (const Column& column : columns) {
    Put(column.type);
    Put(SizeOf(column.name), column.name);
  }
  // Rows of no columns take no room, however many there are.
  return columns.empty() ? HandOn() : Result<>();
}

Result<> LastRows::Row(std::span<const Cell> cells) {
  if (through_) return next_->Row(cells);
  std::size_t whole = size();
  for (const Cell& cell : cells) whole += sizeof(std::uint32_t) + (cell ? cell->size() : 0);
  if (whole > kMostBytes) {  // what is kept stays small, however large a row is
    if (auto handed = HandOn(); !handed) return handed;
    return next_->Row(cells);
  }
  for (const Cell& cell : cells) {
    if (cell) {
      Put(SizeOf(*cell), *cell);
    } else {
      Put(kNull);
    }
  }
  return {};
}

Result<> LastRows::HandOn() {
  through_ = true;
  if (!differs_) now_.assign(before_, 0, alike_);
  std::string_view rest = std::string_view(now_).substr(columns_at_);
  columns_.clear();
  for (std::uint32_t left = TakeNumber(rest); left > 0; --left) {
    const std::uint32_t type = TakeNumber(rest);
    columns_.push_back({*TakeCell(rest), type});
  }
  if (auto begun = next_->Begin(columns_); !begun) return begun;
  while (!rest.empty()) {
    cells_.clear();
    for (std::size_t i = 0; i < columns_.size(); ++i) cells_.push_back(TakeCell(rest));
    if (auto read = next_->Row(cells_); !read) return read;
  }
  return {};
}

Result<> LastRows::Finish() {
  if (through_) {
    Forget();
    return {};
  }
  same_ = !differs_ && alike_ == before_.size();
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
