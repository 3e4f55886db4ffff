#pragma once
// TOML text into a tree of our own, through toml11, which stays behind it together with its traps:
// text that would crash or stall it is refused before it sees it. Pure; the tree borrows `source`.
//
//   Result<Value> root = ParseToml(source);  // kConfig: one fault, rendered with line and caret

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/source_text.h"

namespace sidecar::config {

struct Value {
  enum class Kind : std::uint8_t { kBool, kInteger, kNumber, kString, kTime, kArray, kTable };

  Kind kind = Kind::kTable;
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;
  std::string text;
  std::vector<Value> array;
  std::map<std::string, Value, std::less<>> table;
  Place key;    // where its name stands: what is wrong with a name
  Place place;  // the value, or a table's header
};

Result<Value> ParseToml(const SourceText& source);

// Why toml11 must not see this text, if so: nested or dotted deeper than 64, lines beyond 64 KiB or
// 1000 values, not UTF-8.
struct Refusal {
  Place place;
  std::string why;
};
std::optional<Refusal> Refuse(const SourceText& source);

}  // namespace sidecar::config
