#include "common/http/target.h"

#include <algorithm>

#include "common/http/token.h"

namespace sidecar::http {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte of the escape that `text` begins with, or -1.
int Escaped(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return -1;
  const int high = HexDigit(text[1]);
  const int low = HexDigit(text[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::optional<std::string> DecodePath(std::string_view text) {
  std::string path;
  path.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      path += text[i];
      continue;
    }
    const int byte = Escaped(text.substr(i));
    if (byte < 0) return std::nullopt;
    path += static_cast<char>(byte);
    i += 2;
  }
  return path;
}

std::string DecodeQuery(std::string_view text) {
  std::string value;
  value.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = Escaped(text.substr(i));
    if (byte >= 0) {
      value += static_cast<char>(byte);
      i += 2;
    } else {
      value += text[i] == '+' ? ' ' : text[i];
    }
  }
  return value;
}

}  // namespace

std::optional<Target> ParseTarget(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!EqualsIgnoreCase(text.substr(0, scheme.size()), scheme)) continue;
    text.remove_prefix(scheme.size());
    const std::size_t authority = std::min(text.find_first_of("/?"), text.size());
    if (authority == 0) return std::nullopt;
    text.remove_prefix(authority);
    if (text.empty()) return Target{"/", ""};
    if (text[0] == '?') return Target{"/", std::string(text.substr(1))};
    break;
  }
  if (!text.starts_with('/')) return std::nullopt;
  const std::size_t mark = text.find('?');
  auto path = DecodePath(text.substr(0, mark));
  if (!path) return std::nullopt;
  return Target{std::move(*path),
                std::string(mark == std::string_view::npos ? "" : text.substr(mark + 1))};
}

std::vector<std::string> QueryValues(std::string_view query, std::string_view key) {
  std::vector<std::string> values;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    const std::size_t equals = pair.find('=');
    if (DecodeQuery(pair.substr(0, equals)) != key) continue;
    values.push_back(equals == std::string_view::npos ? "" : DecodeQuery(pair.substr(equals + 1)));
  }
  return values;
}

}  // namespace sidecar::http
