#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "common/metrics/encoder.h"

namespace sidecar {
namespace {

bool IsTokenCharacter(char c) {
  const bool alphanumeric =
      (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return alphanumeric || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool Same(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

// One element of Accept. Qualities in thousandths, as fine as RFC 9110 has them.
struct Range {
  std::string_view type, subtype, version;
  int quality = 1000;
};

class AcceptReader {
 public:
  explicit AcceptReader(std::string_view text) : text_(text) {}

  // The next element; nothing at the end, or where the header is malformed.
  std::optional<Range> Next();
  bool malformed() const { return malformed_; }

 private:
  std::optional<Range> Malformed() {
    malformed_ = true;
    return {};
  }
  void SkipSpace() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\t')) text_.remove_prefix(1);
  }
  bool Take(char c) {
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::string_view Token() {
    const auto end = std::find_if_not(text_.begin(), text_.end(), IsTokenCharacter);
    const std::string_view token(text_.begin(), end);
    text_.remove_prefix(token.size());
    return token;
  }
  // A token or a quoted string; a version with an escape in it is none that we know.
  bool Value(std::string_view& value);
  bool Parameter(Range& range);

  std::string_view text_;
  bool malformed_ = false;
};

bool AcceptReader::Value(std::string_view& value) {
  if (!Take('"')) {
    value = Token();
    return !value.empty();
  }
  for (std::size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '\\') {
      ++i;
    } else if (text_[i] == '"') {
      value = text_.substr(0, i);
      text_.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

// 0.75 as 750: one digit, 0 or 1, and three more at most.
std::optional<int> Quality(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return {};
  if (text.size() > 1 && text[1] != '.') return {};
  int quality = (text[0] - '0') * 1000;
  int unit = 100;
  for (const char c : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (c < '0' || c > '9') return {};
    quality += (c - '0') * unit;
    unit /= 10;
  }
  if (quality > 1000) return {};
  return quality;
}

bool AcceptReader::Parameter(Range& range) {
  SkipSpace();
  const std::string_view name = Token();
  if (name.empty()) return text_.empty() || text_[0] == ';' || text_[0] == ',';  // RFC 9110: may be
  std::string_view value;
  if (!Take('=') || !Value(value)) return false;
  if (Same(name, "version")) range.version = value;
  if (Same(name, "q")) {
    const std::optional<int> quality = Quality(value);
    if (!quality) return false;
    range.quality = *quality;
  }
  return true;
}

std::optional<Range> AcceptReader::Next() {
  do {
    SkipSpace();
  } while (Take(','));  // a list may have empty elements
  if (text_.empty()) return {};
  Range range;
  range.type = Token();
  if (range.type.empty() || !Take('/')) return Malformed();
  range.subtype = Token();
  if (range.subtype.empty()) return Malformed();
  for (;;) {
    SkipSpace();
    if (text_.empty() || Take(',')) return range;
    if (!Take(';') || !Parameter(range)) return Malformed();
  }
}

// What the header says about our two formats.
struct Wishes {
  int text = 0, text_rank = -1;  // of the range that names text most closely
  int open_metrics = 0;
  std::string_view version;

  void Note(const Range& range) {
    // Wildcards mean text: curl and browsers send them, and did not ask for OpenMetrics.
    int rank = -1;
    if (Same(range.type, "text") && Same(range.subtype, "plain")) {
      rank = range.version == "0.0.4" ? 3 : range.version.empty() ? 2 : -1;
    } else if (Same(range.type, "text") && range.subtype == "*") {
      rank = 1;
    } else if (range.type == "*" && range.subtype == "*") {
      rank = 0;
    } else if (Same(range.type, "application") && Same(range.subtype, "openmetrics-text")) {
      NoteOpenMetrics(range);
    }
    if (rank > text_rank || (rank == text_rank && rank >= 0 && range.quality > text)) {
      text_rank = rank;
      text = range.quality;
    }
  }
  void NoteOpenMetrics(const Range& range) {
    const bool newest = range.version.empty() || range.version == "1.0.0";
    if (!newest && range.version != "0.0.1") return;
    const bool better = range.quality > open_metrics || (range.quality == open_metrics && newest);
    if (!better) return;
    open_metrics = range.quality;
    version = newest ? "1.0.0" : "0.0.1";
  }
};

}  // namespace

Negotiated Negotiate(std::string_view accept) {
  Negotiated text{Format::kText, "text/plain; version=0.0.4; charset=utf-8"};
  Wishes wishes;
  AcceptReader reader(accept);
  while (const std::optional<Range> range = reader.Next()) wishes.Note(*range);
  if (reader.malformed() || wishes.open_metrics == 0 || wishes.open_metrics < wishes.text) {
    return text;
  }
  return {Format::kOpenMetrics, "application/openmetrics-text; version=" +
                                    std::string(wishes.version) + "; charset=utf-8"};
}

}  // namespace sidecar
