#pragma once
// A session whose answers a test wrote: what a real server cannot be made to say on demand. One
// thread.
//
//   ScriptedSession session;
//   session.Answer({{"n", 20}}, {{"5"}, {std::nullopt}});

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "exporters/postgres/session.h"

namespace sidecar::postgres::testing {

using ScriptedRow = std::vector<std::optional<std::string>>;

class ScriptedSession final : public Session {
 public:
  ScriptedSession() {
    facts_.version_num = 150018;
    facts_.database = "orders";
    facts_.pg_monitor = true;
  }

  // To the next query and those after it, until there is another.
  void Answer(std::vector<std::pair<std::string, std::uint32_t>> columns,
              std::vector<ScriptedRow> rows, std::size_t repeat = 1) {
    columns_ = std::move(columns);
    rows_ = std::move(rows);
    repeat_ = repeat;
  }
  void Break(Error error) { error_ = std::move(error); }  // after the rows

  Result<> Query(const Scrape&, const Statement& statement, RowReader& reader) override {
    statements_.push_back(std::string(statement.sql));
    last_ = statement;
    rows_read_ = 0;
    std::vector<Column> columns;
    columns.reserve(columns_.size());
    for (const auto& [name, type] : columns_) columns.push_back({name, type});
    if (auto begun = reader.Begin(columns); !begun) return begun;
    for (std::size_t i = 0; i < repeat_; ++i) {
      for (const ScriptedRow& row : rows_) {
        const std::vector<Cell> cells(row.begin(), row.end());
        ++rows_read_;
        if (auto read = reader.Row(cells); !read) return read;
      }
    }
    if (error_) return Fail(*error_);
    return {};
  }
  const Facts& facts() const override { return facts_; }

  Facts& facts() { return facts_; }
  const Statement& last() const { return last_; }
  const std::vector<std::string>& statements() const { return statements_; }
  std::size_t rows_read() const { return rows_read_; }

 private:
  Facts facts_;
  std::vector<std::pair<std::string, std::uint32_t>> columns_;
  std::vector<ScriptedRow> rows_;
  std::size_t repeat_ = 1, rows_read_ = 0;
  std::optional<Error> error_;
  Statement last_{};
  std::vector<std::string> statements_;
};

}  // namespace sidecar::postgres::testing
