#include "common/config/source_text.h"

#include <algorithm>

#include "common/config/values.h"

namespace sidecar::config {
namespace {

constexpr std::size_t kWidth = 120;  // of a line that is shown, in bytes

bool Continues(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

struct Excerpt {
  std::string text;
  std::size_t begin = 0, end = 0;  // of what the caret marks, in `text`
};

// Leaves out what may be a credential; the caret then ends before it.
Excerpt WithoutSecrets(std::string_view line, std::size_t begin, std::size_t end) {
  Excerpt excerpt{std::string(line), begin, end};
  if (const std::size_t secret = FindSecretValue(line); secret != std::string_view::npos) {
    excerpt.text = std::string(line.substr(0, secret)) + " ***";
  } else {
    excerpt.text = MaskCredentials(line);
  }
  if (excerpt.text != line) {
    excerpt.begin = std::min(excerpt.begin, excerpt.text.size());
    excerpt.end = std::min(excerpt.end, excerpt.text.size());
  }
  return excerpt;
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
  const Excerpt excerpt = Narrowed(WithoutSecrets(text, begin, std::max(begin, end)));
  const std::string number = "    " + std::to_string(line);
  std::string rendered = At(place.offset) + ": " + std::string(message) + "\n";
  rendered += number + " | " + Printable(excerpt.text) + "\n";
  return rendered + std::string(number.size(), ' ') + " | " + Caret(excerpt);
}

}  // namespace sidecar::config
