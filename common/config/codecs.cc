#include "common/config/codecs.h"

#include <limits>

#include "common/base/parse.h"
#include "common/config/mask.h"
#include "common/config/values.h"

namespace sidecar::config {
namespace {

constexpr std::string_view kDurationForm = "a duration like \"1m30s\" (d, h, m, s, ms)";

std::string MustBe(std::string_view what, const Value& value) {
  return "must be " + std::string(what) + ", not " + std::string(KindName(value));
}

std::string OutOfRange(const std::string& min, const std::string& max, const std::string& given) {
  if (max.empty()) return "must be at least " + min + ", not " + given;
  if (min.empty()) return "must be at most " + max + ", not " + given;
  return "must be between " + min + " and " + max + ", not " + given;
}

std::string CheckRange(std::int64_t value, std::int64_t min, std::int64_t max) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (value >= min && value <= max) return {};
  return OutOfRange(min == Limits::min() ? "" : std::to_string(min),
                    max == Limits::max() ? "" : std::to_string(max), std::to_string(value));
}

std::string Short(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  return {text, error == std::errc{} ? end : text};
}

// Also refuses what is not a number at all.
std::string CheckRange(double value, double min, double max) {
  if (value >= min && value <= max) return {};
  return OutOfRange(min == std::numeric_limits<double>::lowest() ? "" : Short(min),
                    max == std::numeric_limits<double>::max() ? "" : Short(max), Short(value));
}

std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> items;
  if (text.find_first_not_of(" \t") == std::string_view::npos) return items;
  for (;;) {
    const std::size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
    item = item.substr(0, item.find_last_not_of(" \t") + 1);
    items.emplace_back(item);
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

std::string ReadList(const Value& from, std::vector<std::string>& value) {
  constexpr std::string_view kWanted = "a list of strings";
  if (from.kind != Value::Kind::kArray) return MustBe(kWanted, from);
  std::vector<std::string> items;
  for (const Value& item : from.array) {
    if (item.kind != Value::Kind::kString) {
      return "must be a list of strings; it has " + std::string(KindName(item));
    }
    items.push_back(item.text);
  }
  value = std::move(items);
  return {};
}

std::string ReadNumbers(const Value& from, std::map<std::string, double>& value) {
  if (from.kind != Value::Kind::kTable) return MustBe("a table of numbers, {text = 1}", from);
  std::map<std::string, double> items;
  for (const auto& [key, item] : from.table) {
    if (item.kind == Value::Kind::kInteger) {
      items[key] = static_cast<double>(item.integer);
    } else if (item.kind == Value::Kind::kNumber) {
      items[key] = item.number;
    } else {
      return "must be a table of numbers; " + Quoted(key) + " is " + std::string(KindName(item));
    }
  }
  value = std::move(items);
  return {};
}

}  // namespace

std::string_view KindName(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kBool:
      return "a boolean";
    case Value::Kind::kInteger:
      return "an integer";
    case Value::Kind::kNumber:
      return "a number";
    case Value::Kind::kString:
      return "a string";
    case Value::Kind::kTime:
      return "a date or time";
    case Value::Kind::kArray:
      return "a list";
    case Value::Kind::kTable:
      return "a table";
  }
  return "something else";
}

Codec CodecOf(bool& value) {
  return {.type = "bool",
          .from_value = [&value](const Value& from) -> std::string {
            if (from.kind != Value::Kind::kBool) return MustBe("true or false", from);
            value = from.boolean;
            return {};
          },
          .from_text = [&value](std::string_view text) -> std::string {
            const auto parsed = ParseBool(text);
            if (!parsed) return "not a boolean: " + Quoted(text);
            value = *parsed;
            return {};
          },
          .from_texts = {},
          .print = [&value](Credentials) { return std::string(value ? "true" : "false"); }};
}

Codec CodecOf(std::int64_t& value, std::int64_t min, std::int64_t max) {
  const auto set = [&value, min, max](std::int64_t given) {
    std::string wrong = CheckRange(given, min, max);
    if (wrong.empty()) value = given;
    return wrong;
  };
  return {.type = "integer",
          .from_value =
              [set](const Value& from) {
                if (from.kind != Value::Kind::kInteger) return MustBe("an integer", from);
                return set(from.integer);
              },
          .from_text =
              [set](std::string_view text) {
                const auto parsed = ParseNumber<std::int64_t>(text);
                return parsed ? set(*parsed) : "not an integer: " + Quoted(text);
              },
          .from_texts = {},
          .print = [&value](Credentials) { return std::to_string(value); }};
}

Codec CodecOf(double& value, double min, double max) {
  const auto set = [&value, min, max](double given) {
    std::string wrong = CheckRange(given, min, max);
    if (wrong.empty()) value = given;
    return wrong;
  };
  return {.type = "number",
          .from_value =
              [set](const Value& from) {
                if (from.kind == Value::Kind::kNumber) return set(from.number);
                // People write 5 for 5.0.
                if (from.kind == Value::Kind::kInteger) {
                  return set(static_cast<double>(from.integer));
                }
                return MustBe("a number", from);
              },
          .from_text =
              [set](std::string_view text) {
                const auto parsed = ParseNumber<double>(text);
                return parsed ? set(*parsed) : "not a number: " + Quoted(text);
              },
          .from_texts = {},
          .print = [&value](Credentials) { return TomlNumber(value); }};
}

Codec CodecOf(std::string& value) {
  return {
      .type = "string",
      .from_value = [&value](const Value& from) -> std::string {
        if (from.kind != Value::Kind::kString) return MustBe("a string", from);
        value = from.text;
        return {};
      },
      .from_text = [&value](std::string_view text) -> std::string {
        value = std::string(text);
        return {};
      },
      .from_texts = {},
      .print =
          [&value](Credentials credentials) {
            return TomlString(credentials == Credentials::kShown ? value : MaskCredentials(value));
          }};
}

Codec CodecOf(std::vector<std::string>& value) {
  return {.type = "strings",
          .from_value = [&value](const Value& from) { return ReadList(from, value); },
          .from_text = [&value](std::string_view text) -> std::string {
            value = SplitAtCommas(text);
            return {};
          },
          .from_texts = [&value](std::span<const std::string> texts) -> std::string {
            value.assign(texts.begin(), texts.end());
            return {};
          },
          .print =
              [&value](Credentials credentials) {
                std::string list = "[";
                for (const std::string& item : value) {
                  if (list.size() > 1) list += ", ";
                  list +=
                      TomlString(credentials == Credentials::kShown ? item : MaskCredentials(item));
                }
                return list + "]";
              }};
}

Codec CodecOf(std::map<std::string, double>& value) {
  return {.type = "numbers",
          .from_value = [&value](const Value& from) { return ReadNumbers(from, value); },
          .from_text = [](std::string_view) { return std::string("can be set in a file only"); },
          .from_texts = {},
          .print =
              [&value](Credentials) {
                std::string table = "{";
                for (const auto& [key, number] : value) {
                  if (table.size() > 1) table += ", ";
                  table += TomlKey(key) + " = " + TomlNumber(number);
                }
                return table + "}";
              }};
}

Codec CodecOf(std::chrono::milliseconds& value) {
  const auto set = [&value](std::string_view text) -> std::string {
    const auto parsed = ParseDuration(text);
    if (!parsed) return "not " + std::string(kDurationForm) + ": " + Quoted(text);
    value = *parsed;
    return {};
  };
  return {.type = "duration",
          .from_value = [set](const Value& from) -> std::string {
            if (from.kind == Value::Kind::kInteger && from.integer >= 0) {
              return "must be a duration with a unit: \"" + std::to_string(from.integer) +
                     "s\" for seconds, \"" + std::to_string(from.integer) + "ms\" for milliseconds";
            }
            if (from.kind != Value::Kind::kString) return MustBe(kDurationForm, from);
            return set(from.text).empty()
                       ? std::string()
                       : "must be " + std::string(kDurationForm) + ", not " + Quoted(from.text);
          },
          .from_text = set,
          .from_texts = {},
          .print = [&value](Credentials) { return TomlString(FormatDuration(value)); }};
}

Codec CodecOf(Secret& value) {
  return {.type = "secret",
          .from_value = {},
          .from_text = [&value](std::string_view text) -> std::string {
            if (text.empty()) return "needs the path of a file";
            value = Secret::File(std::string(text));
            return {};
          },
          .from_texts = {},
          .print = [&value](Credentials credentials) -> std::string {
            if (credentials == Credentials::kMasked) return value.Describe();
            if (!value) return {};
            return TomlString(value.file().empty() ? value.environment() : value.file());
          }};
}

}  // namespace sidecar::config
