#include <algorithm>
#include <string_view>

#include "common/config/parse_toml.h"
#include "common/config/values.h"

namespace sidecar::config {
namespace {

constexpr std::size_t kDeepest = 64;
constexpr std::size_t kLongestLine = 64U << 10U;
constexpr std::size_t kMostValues = 1'000;

// Follows strings, comments and brackets, no more of the grammar: what is wrong otherwise is
// toml11's to say. Every bracket and every dot of a key is a level, because toml11 3.7.1 recurses
// over values and over the tables that dotted keys make. It also looks for the beginning of the
// line at every value: 1 MiB of long lines full of values took it a minute.
class Scanner {
 public:
  explicit Scanner(const SourceText& source) : source_(source), text_(source.text()) {}

  std::optional<Refusal> Scan() {
    while (at_ < text_.size()) {
      const std::size_t begin = at_;
      const char c = text_[at_++];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"' || c == '\'') {
        SkipString(c);
      } else {
        Follow(c);
      }
      if (open_ + dots_ + value_dots_ > kDeepest) {
        return Refusal{{&source_, begin, 1}, "nested more than 64 deep"};
      }
      if (values_ > kMostValues) {
        return Refusal{{&source_, begin, 1}, "more than 1000 values in a line"};
      }
    }
    return std::nullopt;
  }

 private:
  void Follow(char c) {
    values_ = c == '\n' ? 0 : values_ + (c == ',' || c == '[' || c == '{' ? 1 : 0);
    switch (c) {
      case '.':
        ++dots_;
        break;
      case '=':  // the value hangs below the key's dots
        value_dots_ = dots_;
        dots_ = 0;
        break;
      case '[':
      case '{':
        levels_.push_back(1 + dots_ + value_dots_);
        open_ += levels_.back();
        dots_ = value_dots_ = 0;
        break;
      case ']':
      case '}':
        if (!levels_.empty()) {
          open_ -= levels_.back();
          levels_.pop_back();
        }
        [[fallthrough]];
      case ',':
      case '\n':
        dots_ = value_dots_ = 0;
        break;
      default:
        break;
    }
  }

  void SkipString(char quote) {
    const std::string triple(3, quote);
    const bool long_string = text_.substr(at_ - 1).starts_with(triple);
    if (long_string) at_ += 2;
    while (at_ < text_.size()) {
      if (quote == '"' && text_[at_] == '\\') {
        at_ = std::min(at_ + 2, text_.size());
      } else if (long_string && text_.substr(at_).starts_with(triple)) {
        at_ += 3;
        while (at_ < text_.size() && text_[at_] == quote) ++at_;  // up to two belong to the string
        return;
      } else if (!long_string && (text_[at_] == quote || text_[at_] == '\n')) {
        at_ += text_[at_] == quote ? 1 : 0;
        return;
      } else {
        ++at_;
      }
    }
  }

  const SourceText& source_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t values_ = 0;  // in this line
  std::vector<std::size_t> levels_;
  std::size_t open_ = 0, dots_ = 0, value_dots_ = 0;
};

}  // namespace

std::optional<Refusal> Refuse(const SourceText& source) {
  const std::string_view text = source.text();
  if (const std::size_t at = FindInvalidUtf8(text); at != std::string_view::npos) {
    return Refusal{{&source, at, 1}, "not valid UTF-8"};
  }
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end - begin > kLongestLine) {
      return Refusal{{&source, begin, 1}, "a line of more than 64 KiB"};
    }
    begin = end + 1;
  }
  return Scanner(source).Scan();
}

}  // namespace sidecar::config
