#pragma once
// Both formats are UTF-8, and a peer that finds anything else drops the whole scrape. Stateless,
// thread-safe.
//
//   if (!IsUtf8(value)) fixed = ToUtf8(value);

#include <string>
#include <string_view>

namespace sidecar {

bool IsUtf8(std::string_view text);
// Each run of invalid bytes becomes one U+FFFD, as in node_exporter (Go's strings.ToValidUTF8).
std::string ToUtf8(std::string_view text);
// Each invalid byte becomes \xHH, so that texts that differ stay apart.
std::string EscapeInvalid(std::string_view text);
std::size_t CodePoints(std::string_view utf8);

}  // namespace sidecar
