#include "common/config/parse_toml.h"

#include <cmath>
#include <sstream>
#include <toml.hpp>

#include "common/base/parse.h"
#include "common/config/values.h"

namespace sidecar::config {
namespace {

bool IsBare(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '-';
}

class Converter {
 public:
  explicit Converter(const SourceText& source) : source_(source) {}

  Value Convert(const toml::value& from) {
    Value value;
    value.place = PlaceOf(from);
    switch (from.type()) {
      case toml::value_t::boolean:
        value.kind = Value::Kind::kBool;
        value.boolean = from.as_boolean();
        break;
      case toml::value_t::integer:
        value.kind = Value::Kind::kInteger;
        value.integer = Integer(from, value.place);
        break;
      case toml::value_t::floating:
        value.kind = Value::Kind::kNumber;
        value.number = Number(from, value.place);
        break;
      case toml::value_t::string:
        value.kind = Value::Kind::kString;
        value.text = from.as_string().str;
        break;
      case toml::value_t::array:
        value.kind = Value::Kind::kArray;
        for (const auto& item : from.as_array()) value.array.push_back(Convert(item));
        break;
      case toml::value_t::table:
        value.kind = Value::Kind::kTable;
        for (const auto& [key, item] : from.as_table()) {
          Value& child = value.table[key] = Convert(item);
          child.key = FindKey(key, child);
        }
        break;
      default:
        value.kind = Value::Kind::kTime;
        break;
    }
    return value;
  }

  // The first value that is TOML but cannot be held.
  const std::optional<Refusal>& fault() const { return fault_; }

 private:
  void Refuse(Place place, std::string why) {
    if (!fault_) fault_ = {place, std::move(why)};
  }

  std::string_view Text(Place place) const {
    return std::string_view(source_.text()).substr(place.offset, place.size);
  }

  // location() would count the lines up to each value; the region knows its offset. It is in
  // toml11's detail namespace: as of 3.7.1.
  Place PlaceOf(const toml::value& value) const {
    const auto* region = dynamic_cast<const toml::detail::region*>(toml::detail::get_region(value));
    if (region == nullptr) return {&source_, 0, 0};
    return {&source_, static_cast<std::size_t>(region->first() - region->begin()), region->size()};
  }

  // toml11 3.7.1 reads an integer beyond 64 bits as the largest one: read it again.
  std::int64_t Integer(const toml::value& value, Place place) {
    std::string digits;
    for (const char c : Text(place)) {
      if (c != '_' && c != '+') digits += c;
    }
    const std::size_t sign = digits.starts_with('-') ? 1 : 0;
    int base = 10;
    if (digits.size() > sign + 2 && digits[sign] == '0') {
      if (digits[sign + 1] == 'x') base = 16;
      if (digits[sign + 1] == 'o') base = 8;
      if (digits[sign + 1] == 'b') base = 2;
      if (base != 10) digits.erase(0, 2);
    }
    std::int64_t read = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stopped, error] = std::from_chars(digits.data(), end, read, base);
    if (error != std::errc{} || stopped != end || read != value.as_integer()) {
      Refuse(place, "this number does not fit into 64 bits");
    }
    return read;
  }

  // And a number beyond a double as the largest one.
  double Number(const toml::value& value, Place place) {
    if (!std::isfinite(value.as_floating())) return value.as_floating();  // inf, nan
    std::string digits(Text(place));
    std::erase(digits, '_');
    if (digits.starts_with('+')) digits.erase(0, 1);
    const auto read = ParseNumber<double>(digits);
    if (!read) Refuse(place, "this number does not fit into 64 bits");
    return read.value_or(0);
  }

  // toml11 keeps no places of keys. A key stands in its table's header or before its value on the
  // same line.
  Place FindKey(std::string_view key, const Value& child) const {
    const std::size_t line = source_.Line(child.place.offset);
    const std::size_t begin = source_.LineBegin(line);
    const std::string_view text = source_.LineText(line);
    const std::size_t column = child.place.offset - begin;
    const bool headed = child.kind == Value::Kind::kTable || child.kind == Value::Kind::kArray;
    if (headed && column < text.size()) {
      const std::string_view header = text.substr(column, child.place.size);
      if (!header.starts_with('{') && (!header.starts_with('[') || column == FirstOf(text))) {
        const std::size_t found = FindToken(header, key, false);
        if (found != std::string_view::npos) return {&source_, begin + column + found, key.size()};
      }
    }
    const std::size_t found = FindToken(text.substr(0, column), key, true);
    if (found == std::string_view::npos) return child.place;
    return {&source_, begin + found, key.size()};
  }

  static std::size_t FirstOf(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    return first == std::string_view::npos ? 0 : first;
  }

  static std::size_t FindToken(std::string_view text, std::string_view token, bool last) {
    if (token.empty()) return std::string_view::npos;
    std::size_t found = std::string_view::npos;
    for (std::size_t at = text.find(token); at != std::string_view::npos;
         at = text.find(token, at + 1)) {
      const std::size_t end = at + token.size();
      const bool whole =
          (at == 0 || !IsBare(text[at - 1])) && (end == text.size() || !IsBare(text[end]));
      if (!whole) continue;
      found = at;
      if (!last) break;
    }
    return found;
  }

  const SourceText& source_;
  std::optional<Refusal> fault_;
};

// What toml11 says is a report of several lines; ours is made of its first line and of its last
// marked place: "[error] toml::parse_x: headline", then "3 | source" and "  | ^--- comment".
struct Report {
  std::string headline, comment;
  std::size_t first_line = 0, line = 0, column = 0;
};

Report ReadReport(std::string_view what) {
  Report report;
  std::string_view headline = NextLine(what).value_or("");
  if (headline.starts_with("[error] ")) headline.remove_prefix(8);
  if (headline.starts_with("toml::")) {
    const std::size_t colon = headline.find(": ", 6);
    headline = colon == std::string_view::npos ? std::string_view() : headline.substr(colon + 2);
  }
  report.headline = std::string(headline.substr(0, headline.find_last_not_of(". \r") + 1));
  std::size_t line = 0;
  while (const auto next = NextLine(what)) {
    const std::size_t bar = next->find(" | ");
    if (bar == std::string_view::npos) continue;
    std::string_view number = next->substr(0, bar);
    number.remove_prefix(std::min(number.find_first_not_of(' '), number.size()));
    if (const auto parsed = ParseNumber<std::size_t>(number)) {
      line = *parsed;
      continue;
    }
    const std::size_t mark = next->find_first_not_of(' ', bar + 3);
    if (!number.empty() || mark == std::string_view::npos) continue;
    if ((*next)[mark] != '^' && (*next)[mark] != '~') continue;
    const std::size_t comment = next->find_first_not_of("^~- ", mark);
    if (report.line != 0 && report.first_line == 0) report.first_line = report.line;
    report.line = line;
    report.column = mark - bar - 3;
    report.comment = comment == std::string_view::npos ? "" : std::string(next->substr(comment));
  }
  return report;
}

constexpr std::string_view kTwice = "\") already exists";

std::string Explain(const Report& report) {
  const std::size_t open = report.headline.find("(\"");
  const std::size_t close = report.headline.find(kTwice);
  if (open != std::string::npos && close != std::string::npos && close > open) {
    std::string why =
        Quoted(report.headline.substr(open + 2, close - open - 2)) + " is defined twice";
    if (report.first_line != 0) why += ", first in line " + std::to_string(report.first_line);
    return why;
  }
  if (report.headline == "an invalid key appeared") {  // also for a header without its bracket
    return "syntax error: not a valid key or table header";
  }
  std::string why = "syntax error";
  if (!report.headline.empty()) why += ": " + report.headline;
  if (!report.comment.empty() && report.comment != "here") why += ": " + report.comment;
  while (why.ends_with('.')) why.pop_back();
  return Printable(why);
}

std::string RenderReport(const SourceText& source, const toml::exception& error) {
  const Report report = ReadReport(error.what());
  const std::size_t line = report.line != 0 ? report.line : error.location().line();
  const std::size_t begin = std::min(source.LineBegin(line), source.text().size() - 1);
  const std::size_t column = std::min(report.column, source.LineText(line).size());
  Place place{&source, begin + column, 1};
  if (report.headline.find(kTwice) != std::string::npos) {  // the whole line, from its key on
    const std::string_view text = source.LineText(line);
    const std::size_t first = std::min(text.find_first_not_of(" \t"), text.size());
    place = {&source, begin + first, text.size() - first};
  }
  return source.Render(place, Explain(report));
}

}  // namespace

Result<Value> ParseToml(const SourceText& source) {
  if (const auto refusal = Refuse(source)) {
    return Fail(Errc::kConfig, source.At(refusal->place.offset) + ": " + refusal->why);
  }
  try {
    std::istringstream in(source.text());
    Converter converter(source);
    Value root = converter.Convert(toml::parse(in, source.name()));
    if (const auto& fault = converter.fault()) {
      return Fail(Errc::kConfig, source.Render(fault->place, fault->why));
    }
    return root;
  } catch (const toml::exception& error) {
    return Fail(Errc::kConfig, RenderReport(source, error));
  } catch (const std::exception& error) {  // also std::out_of_range and the like: 3.7.1
    return Fail(Errc::kConfig,
                source.name() + ": not TOML: " + Printable(std::string_view(error.what())));
  }
}

}  // namespace sidecar::config
