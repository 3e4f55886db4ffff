#include "common/config/source_text.h"

#include <algorithm>

#include "common/config/mask.h"
#include "common/config/values.h"

namespace sidecar::config {
namespace {

constexpr std::size_t kWidth = 120;  // of a line that is shown, in bytes

bool Continues(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

struct Excerpt {
  std::string text;
  std::size_t begin = 0, end = 0;  // of what the caret marks, in `text`
};

// Leaves out what may be a credential, and all from `cut` on; what the caret marked of it is "***".
Excerpt WithoutSecrets(std::string_view line, std::size_t begin, std::size_t end, std::size_t cut) {
  cut = std::min({cut, FindSecretValue(line), line.find("\\u"), line.find("\\U")});
  const Range login = FindLoginPassword(line);
  const std::string_view kept = line.substr(0, cut);
  Excerpt excerpt{std::string(kept), begin, end};
  const bool masked = login.begin < std::min(login.end, kept.size());
  if (masked) {
    const std::string_view rest = kept.substr(std::min(login.end, kept.size()));
    excerpt.text = std::string(kept.substr(0, login.begin)) + "***" + std::string(rest);
  }
  const auto moved = [&](std::size_t at) {
    if (masked && at > login.begin) {
      at = at < login.end ? login.begin : at - (login.end - login.begin) + 3;
    }
    return std::min(at, excerpt.text.size());
  };
  if (cut != std::string_view::npos && !(masked && login.end >= cut)) excerpt.text += " ***";
  excerpt.begin = moved(begin);
  excerpt.end = moved(end);
  return excerpt;
}

// Offset behind the string that the quote at `at` begins; a short one ends with its line.
std::size_t EndOfString(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string triple(3, quote);
  const bool is_long = text.substr(at).starts_with(triple);
  for (at += is_long ? 3 : 1; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (is_long ? text.substr(at).starts_with(triple) : text[at] == quote) {
      at += is_long ? 3 : 1;
      while (is_long && at < text.size() && text[at] == quote) ++at;  // two may belong to it
      return at;
    } else if (!is_long && text[at] == '\n') {
      return at;
    }
  }
  return text.size();
}

std::vector<Range> FindLongStrings(std::string_view text) {
  std::vector<Range> strings;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '#') at = std::min(text.find('\n', at), text.size());
    if (at == text.size() || (text[at] != '"' && text[at] != '\'')) continue;
    const std::size_t end = EndOfString(text, at);
    if (text.substr(at, end - at).find('\n') != std::string_view::npos) {
      strings.push_back({std::min(at + 3, end), end});
    }
    at = end - 1;
  }
  return strings;
}

// The part of a long line around the caret.
Excerpt Narrowed(Excerpt excerpt) {
  if (excerpt.text.size() <= kWidth) return excerpt;
  std::size_t from = excerpt.begin > kWidth / 2 ? excerpt.begin - kWidth / 2 : 0;
  while (from > 0 && Continues(excerpt.text[from])) --from;
  std::size_t to = std::min(excerpt.text.size(), from + kWidth);
  while (to < excerpt.text.size() && Continues(excerpt.text[to])) ++to;
  const std::string before = from > 0 ? "..." : "";
  const std::string after = to < excerpt.text.size() ? "..." : "";
  Excerpt part;
  part.text = before + excerpt.text.substr(from, to - from) + after;
  part.begin = excerpt.begin - from + before.size();
  part.end = std::min(excerpt.end, to) - from + before.size();
  return part;
}

std::string Caret(const Excerpt& excerpt) {
  std::string caret;
  for (std::size_t i = 0; i < excerpt.begin && i < excerpt.text.size(); ++i) {
    if (!Continues(excerpt.text[i])) caret += excerpt.text[i] == '\t' ? '\t' : ' ';
  }
  caret += '^';
  for (std::size_t i = excerpt.begin + 1; i < excerpt.end && i < excerpt.text.size(); ++i) {
    if (!Continues(excerpt.text[i])) caret += '~';
  }
  return caret;
}

}  // namespace

SourceText::SourceText(const std::string& name, std::string text, std::size_t order)
    : name_(Printable(name)), text_(std::move(text)), order_(order) {
  if (text_.starts_with("\xEF\xBB\xBF")) text_.erase(0, 3);
  if (!text_.ends_with('\n')) text_ += '\n';
  lines_.push_back(0);
  for (std::size_t i = 0; i + 1 < text_.size(); ++i) {
    if (text_[i] == '\n') lines_.push_back(i + 1);
  }
  long_strings_ = FindLongStrings(text_);
}

// Where a string of several lines comes into the line at `begin`, from it, or npos: a part of a
// password looks like nothing.
std::size_t SourceText::LongStringIn(std::size_t begin, std::size_t size) const {
  const auto after = std::ranges::upper_bound(long_strings_, begin, {}, &Range::end);
  if (after == long_strings_.end() || after->begin >= begin + size) return std::string::npos;
  return std::max(after->begin, begin) - begin;
}

std::size_t SourceText::Line(std::size_t offset) const {
  return static_cast<std::size_t>(std::upper_bound(lines_.begin(), lines_.end(), offset) -
                                  lines_.begin());
}

std::size_t SourceText::LineBegin(std::size_t line) const {
  return line > 0 && line <= lines_.size() ? lines_[line - 1] : text_.size();
}

std::string_view SourceText::LineText(std::size_t line) const {
  const std::size_t begin = LineBegin(line);
  if (begin >= text_.size()) return {};
  std::string_view text = std::string_view(text_).substr(begin, text_.find('\n', begin) - begin);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

std::string SourceText::At(std::size_t offset) const {
  return name_ + ":" + std::to_string(Line(offset));
}

std::string SourceText::Render(Place place, std::string_view message) const {
  const std::size_t line = Line(place.offset);
  const std::string_view text = LineText(line);
  const std::size_t begin = std::min(place.offset - LineBegin(line), text.size());
  const std::size_t end = std::min(begin + place.size, text.size());
  const std::size_t cut = LongStringIn(LineBegin(line), text.size());
  const Excerpt excerpt = Narrowed(WithoutSecrets(text, begin, std::max(begin, end), cut));
  const std::string number = "    " + std::to_string(line);
  std::string rendered = At(place.offset) + ": " + std::string(message) + "\n";
  rendered += number + " | " + Printable(excerpt.text) + "\n";
  return rendered + std::string(number.size(), ' ') + " | " + Caret(excerpt);
}

}  // namespace sidecar::config
