#include "common/config/mask.h"

#include <algorithm>
#include <array>

#include "common/base/parse.h"

namespace sidecar::config {
namespace {

constexpr std::size_t kNone = std::string_view::npos;
constexpr std::string_view kBlank = " \t\n\v\f\r";  // libpq's isspace()
constexpr std::string_view kScheme = "://";
constexpr std::size_t kLongestKey = 128;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool IsBare(char c) {
  return IsDigit(c) || (Lower(c) >= 'a' && Lower(c) <= 'z') || c == '_' || c == '-';
}

std::string Lowered(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), Lower);
  return lowered;
}

bool NamesAPlace(std::string_view key) { return key.ends_with("_file") || key.ends_with("_env"); }

// libpq decodes the keys of a URI, too: "%70assword".
std::string WithoutPercents(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const std::string_view digits = text.substr(std::min(i + 1, text.size()), 2);
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), byte, 16);
    const bool escape = text[i] == '%' && digits.size() == 2 && end == digits.end();
    decoded += escape && error == std::errc{} ? static_cast<char>(byte) : text[i];
    if (escape) i += 2;
  }
  return decoded;
}

// Whether the '=' at `equals` ends a key whose value is a secret.
bool AssignsSecret(std::string_view text, std::size_t equals) {
  constexpr std::array<std::string_view, 7> kWords = {
      "password", "passwd", "pwd", "secret", "token", "client_key", "server_key"};
  const std::size_t last = text.substr(0, equals).find_last_not_of(kBlank);
  if (last == kNone) return false;
  std::size_t begin = last + 1;
  while (begin > 0 && last + 1 - begin < kLongestKey &&
         (IsBare(text[begin - 1]) || text[begin - 1] == '%')) {
    --begin;
  }
  const std::string key = Lowered(WithoutPercents(text.substr(begin, last + 1 - begin)));
  if (NamesAPlace(key)) return false;
  return key.ends_with("pass") || std::ranges::any_of(kWords, [&](std::string_view word) {
           return key.find(word) != std::string::npos;
         });
}

std::size_t SkipBlanks(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(kBlank, at), text.size());
}

// Where a value ends that goes on at `at`. Among keywords it may be quoted, a backslash takes the
// next byte, and what follows a closing quote at once is no less a part of a password; in a URI it
// ends at '&', whatever else it holds.
std::size_t EndOfValue(std::string_view text, std::size_t at, bool uri, bool quoted) {
  if (uri) return std::min(text.find('&', at), text.size());
  for (; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (quoted) {
      quoted = text[at] != '\'';
    } else if (kBlank.find(text[at]) != kNone) {
      break;
    }
  }
  return std::min(at, text.size());
}

// The value after the '=' at `equals`.
Range Assigned(std::string_view text, std::size_t equals, bool uri) {
  if (uri) return {equals + 1, EndOfValue(text, equals + 1, uri, false)};
  const std::size_t begin = SkipBlanks(text, equals + 1);
  const bool quoted = begin < text.size() && text[begin] == '\'';
  return {begin, EndOfValue(text, begin + (quoted ? 1 : 0), uri, quoted)};
}

// `range` and the secrets that are assigned between `at` and its end, which may go on behind it.
Range WithAssigned(std::string_view text, std::size_t at, Range range, bool uri) {
  for (; at < range.end; ++at) {
    if (text[at] != '=' || !AssignsSecret(text, at)) continue;
    const Range value = Assigned(text, at, uri);
    range = {std::min(range.begin, value.begin), std::max(range.end, value.end)};
  }
  return range;
}

// Of "://user:password@host" at `at`, up to the last '@', at `host`: libpq ends it at the first
// one, and who wrote the second meant otherwise.
Range UrlPassword(std::string_view text, std::size_t at, std::size_t host, bool uri) {
  const std::size_t colon = text.find(':', at + kScheme.size());
  if (host == kNone || colon >= host) return {};
  Range range = WithAssigned(text, at, {colon + 1, host}, uri);
  if (range.begin <= colon) range.end = EndOfValue(text, range.end, uri, false);
  return range;
}

bool IsUri(std::string_view text) {
  const std::size_t scheme = text.find(kScheme);
  return scheme != kNone && scheme > 0 && std::ranges::all_of(text.substr(0, scheme), IsBare);
}

// Of "host:5432/db": the number.
bool BeginsWithPort(std::string_view text) {
  const std::size_t digits =
      static_cast<std::size_t>(std::ranges::find_if_not(text, IsDigit) - text.begin());
  return digits > 0 &&
         (digits == text.size() || std::string_view("/?,\"' \t\r").find(text[digits]) != kNone);
}

// Where the value of the word from `at` to `end` of a line begins. In a value, its '=' may lack.
std::size_t BehindWord(std::string_view line, std::size_t at, std::size_t end) {
  const std::size_t next = line.find_first_not_of(" \t\"'", end);
  if (next != kNone && line[next] == '=') return next + 1;
  if (line.substr(0, at).find('=') != kNone) return end;
  const std::size_t equals = line.find('=', end);
  return equals == kNone ? kNone : equals + 1;
}

}  // namespace

std::size_t FindSecretValue(std::string_view line) {
  constexpr std::array<std::string_view, 10> kWords = {"pass",    "pwd",     "secret",  "token",
                                                       "credent", "api_key", "api-key", "apikey",
                                                       "private", "scram"};
  const std::string lowered = Lowered(line);
  std::size_t found = kNone;
  for (const std::string_view word : kWords) {
    for (std::size_t at = lowered.find(word); at != kNone; at = lowered.find(word, at + 1)) {
      std::size_t end = at;
      while (end < lowered.size() && IsBare(lowered[end])) ++end;
      if (NamesAPlace(std::string_view(lowered).substr(at, end - at))) continue;
      found = std::min(found, BehindWord(line, at, end));
      break;
    }
  }
  for (std::size_t at = line.find('='); at < found; at = line.find('=', at + 1)) {
    if (AssignsSecret(line, at)) return at + 1;
  }
  return found;
}

Range FindLoginPassword(std::string_view line) {
  const std::size_t host = line.rfind('@');
  const std::size_t scheme = line.find(kScheme);
  const std::size_t inner = scheme == kNone ? kNone : line.find(':', scheme + kScheme.size());
  // Also of "postgres:/u:p@h" and "u:p@h", which are no URIs.
  const std::size_t first = line.find(':') == scheme ? inner : line.find(':');
  if (host != kNone && first < host) return {first + 1, host};
  const bool whole = inner == kNone || (host != kNone && host > scheme);
  if (whole || BeginsWithPort(line.substr(inner + 1))) return {};
  return {inner + 1, line.size()};
}

std::string MaskCredentials(std::string_view value) {
  const bool uri = IsUri(value);
  const std::size_t host = value.rfind('@');
  std::string masked;
  for (std::size_t i = 0; i < value.size();) {
    Range secret;
    if (value.substr(i).starts_with(kScheme)) secret = UrlPassword(value, i, host, uri);
    if (value[i] == '=' && AssignsSecret(value, i)) {
      secret = WithAssigned(value, i + 1, Assigned(value, i, uri), uri);
    }
    if (secret.end > secret.begin) {
      masked.append(value.substr(i, secret.begin - i)).append("***");
      i = secret.end;
    } else {
      masked += value[i++];
    }
  }
  return masked;
}

}  // namespace sidecar::config
