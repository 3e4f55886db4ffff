#include "exporters/temporal/series_table.h"

#include "common/metrics/utf8.h"

namespace sidecar::temporal {

std::string BoundedLabel(std::string_view name) {
  constexpr std::size_t kMost = 200;
  std::string text = IsUtf8(name) ? std::string(name) : ToUtf8(name);
  if (text.size() <= kMost) return text;
  std::size_t end = kMost;
  while (end > 0 && (static_cast<std::uint8_t>(text[end]) & 0xc0U) == 0x80) --end;
  text.resize(end);
  return text;
}

}  // namespace sidecar::temporal
