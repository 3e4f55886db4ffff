#include "exporters/postgres/query_values.h"

#include <cmath>

#include "common/base/parse.h"

namespace sidecar::postgres {
namespace {

Result<double> ParseLsn(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto part = [](std::string_view digits) -> std::optional<std::uint64_t> {
    std::uint32_t value = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stopped, error] = std::from_chars(digits.data(), end, value, 16);
    if (error != std::errc{} || stopped != end) return std::nullopt;
    return value;
  };
  if (slash != std::string_view::npos) {
    const auto high = part(text.substr(0, slash)), low = part(text.substr(slash + 1));
    if (high && low) return static_cast<double>((*high << 32U) + *low);
  }
  return Fail(Errc::kParse, "not a pg_lsn: " + Quoted(text));
}

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The text format of array_out: {a,"b \"c\"",NULL}.
class ArrayParser {
 public:
  explicit ArrayParser(std::string_view text) : text_(text) {}

  Result<std::vector<std::optional<std::string>>> Parse() {
    if (text_.size() < 2 || text_.front() != '{' || text_.back() != '}') return Wrong();
    std::vector<std::optional<std::string>> items;
    at_ = 1;
    const std::size_t end = text_.size() - 1;
    if (at_ == end) return items;
    for (;;) {
      if (!Item(end, items.emplace_back())) return Wrong();
      if (at_ == end) return items;
      if (text_[at_] != ',') return Wrong();
      ++at_;
    }
  }

 private:
  tl::unexpected<Error> Wrong() const {
    return Fail(Errc::kParse, "not an array of one dimension: " + Quoted(text_));
  }

  // False: no element.
  bool Item(std::size_t end, std::optional<std::string>& item) {
    std::string& text = item.emplace();
    if (at_ < end && text_[at_] == '"') return QuotedItem(end, text);
    for (; at_ < end && text_[at_] != ','; ++at_) {
      const char c = text_[at_];
      if (c == '{' || c == '}' || c == '"' || c == '\\' || IsBlank(c)) return false;
      text += c;
    }
    if (text == "NULL") {
      item.reset();
      return true;
    }
    return !text.empty();
  }

  bool QuotedItem(std::size_t end, std::string& text) {
    for (++at_; at_ < end; ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        return true;
      }
      if (text_[at_] == '\\' && ++at_ == end) return false;
      text += text_[at_];
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<double> ParseValue(std::string_view text, std::uint32_t type) {
  if (type == kBool) {
    if (text == "t" || text == "f") return text == "t" ? 1.0 : 0.0;
    return Fail(Errc::kParse, "not a boolean: " + Quoted(text));
  }
  if (type == kLsn) return ParseLsn(text);
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc::result_out_of_range && stopped == end) {
    // A numeric, which has no exponent: nearer to 0 than a double can say.
    const bool small = text.starts_with("0.") || text.starts_with("-0.");
    if (small && text.find_first_of("eE") == std::string_view::npos) return 0.0;
    return Fail(Errc::kParse, "out of a double's range: " + Quoted(text));
  }
  if (error != std::errc{} || stopped != end) {
    return Fail(Errc::kParse, "not a number: " + Quoted(text));
  }
  if (!std::isfinite(number)) return Fail(Errc::kParse, "not finite: " + Quoted(text));
  return number;
}

Result<std::vector<std::optional<std::string>>> ParseArray(std::string_view text) {
  return ArrayParser(text).Parse();
}

Result<std::vector<double>> ParseNumbers(std::string_view text) {
  const auto items = ParseArray(text);
  if (!items) return Fail(items.error());
  std::vector<double> numbers;
  numbers.reserve(items->size());
  for (const auto& item : *items) {
    if (!item) return Fail(Errc::kParse, "NULL in an array of numbers: " + Quoted(text));
    auto number = ParseValue(*item, 0);
    if (!number) return Fail(std::move(number.error()));
    numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace sidecar::postgres
