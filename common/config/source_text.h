#pragma once
// One configuration file's text, and how a fault in it is shown: file, line, the line itself with a
// caret, credentials left out. Places borrow it. Immutable, thread-safe.
//
//   sidecar.toml:12: unknown key 'enabeld' in [host.collectors.cpu]; did you mean 'enabled'?
//       12 | enabeld = true
//          | ^~~~~~~

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/mask.h"

namespace sidecar::config {

class SourceText;

struct Place {
  const SourceText* source = nullptr;  // null: not from a file
  std::size_t offset = 0;
  std::size_t size = 0;
};

class SourceText {
 public:
  // `order` ranks the files of one configuration. A byte order mark is dropped, the text ends in a
  // newline.
  SourceText(const std::string& name, std::string text, std::size_t order);
  SourceText(const SourceText&) = delete;
  SourceText& operator=(const SourceText&) = delete;

  const std::string& name() const { return name_; }
  const std::string& text() const { return text_; }
  std::size_t order() const { return order_; }
  std::size_t Line(std::size_t offset) const;         // from 1
  std::size_t LineBegin(std::size_t line) const;      // offset; the end past the last line
  std::string_view LineText(std::size_t line) const;  // without its newline
  std::string At(std::size_t offset) const;           // "sidecar.toml:12"
  std::string Render(Place place, std::string_view message) const;

 private:
  std::size_t LongStringIn(std::size_t begin, std::size_t size) const;

  std::string name_;
  std::string text_;
  std::size_t order_;
  std::vector<std::size_t> lines_;
  std::vector<Range> long_strings_;  // that go on in another line; from behind their quotes on
};

}  // namespace sidecar::config
