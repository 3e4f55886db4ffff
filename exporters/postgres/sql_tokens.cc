#include "exporters/postgres/sql_tokens.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace sidecar::postgres {
namespace {

bool IsWord(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// Past E'it\'s', which begins with the quote at `at`.
std::size_t SkipEscapes(std::string_view sql, std::size_t at) {
  for (++at; at < sql.size(); ++at) {
    if (sql[at] == '\\') {
      ++at;
    } else if (sql[at] == '\'') {
      return at + 1;
    }
  }
  return sql.size();
}

// The $tag$ that begins at `at`; empty if none does ($1, a$b).
std::string_view DollarTag(std::string_view sql, std::size_t at) {
  if (at > 0 && (IsWord(sql[at - 1]) || sql[at - 1] == '$')) return {};
  std::size_t end = at + 1;
  while (end < sql.size() && IsWord(sql[end])) ++end;
  if (end == sql.size() || sql[end] != '$') return {};
  if (sql[at + 1] >= '0' && sql[at + 1] <= '9') return {};
  return sql.substr(at, end + 1 - at);
}

char Lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

}  // namespace

std::size_t PastComment(std::string_view sql, std::size_t at) {
  for (int depth = 0; at + 1 < sql.size();) {
    const std::string_view two = sql.substr(at, 2);
    if (two == "/*") ++depth;
    if (two == "*/") --depth;
    at += two == "/*" || two == "*/" ? 2 : 1;
    if (depth == 0) return at;
  }
  return std::string_view::npos;
}

std::size_t SkipToken(std::string_view sql, std::size_t at) {
  const auto past = [&](std::string_view end, std::size_t from) {
    const std::size_t found = sql.find(end, from);
    return found == std::string_view::npos ? sql.size() : found + end.size();
  };
  const std::string_view rest = sql.substr(at);
  if (rest.starts_with('\'')) {
    const bool escapes =
        at > 0 && (sql[at - 1] == 'E' || sql[at - 1] == 'e') && (at == 1 || !IsWord(sql[at - 2]));
    return escapes ? SkipEscapes(sql, at) : past("'", at + 1);
  }
  if (rest.starts_with('$')) {
    const std::string_view tag = DollarTag(sql, at);
    return tag.empty() ? at + 1 : past(tag, at + tag.size());
  }
  if (rest.starts_with('"')) return past("\"", at + 1);
  if (rest.starts_with("--")) return past("\n", at + 2);
  if (rest.starts_with("/*") && !rest.starts_with("/*!")) {
    return std::min(PastComment(sql, at), sql.size());
  }
  return at + 1;
}

bool IsQuery(std::string_view sql) {
  constexpr std::array<std::string_view, 6> kQueries = {"select", "with", "values",
                                                        "table",  "show", "explain"};
  std::size_t at = 0;
  while (at < sql.size()) {
    const std::string_view rest = sql.substr(at);
    const bool comment = rest.starts_with("--") || rest.starts_with("/*");
    if (!comment && sql[at] != '(' && kSqlBlanks.find(sql[at]) == std::string_view::npos) break;
    at = SkipToken(sql, at);
  }
  std::size_t end = at;
  while (end < sql.size() && IsWord(sql[end])) ++end;
  const std::string_view word = sql.substr(at, end - at);
  return std::ranges::any_of(kQueries, [word](std::string_view query) {
    return std::ranges::equal(word, query, {}, Lower);
  });
}

bool MaySet(std::string_view sql) {
  constexpr std::string_view kSetConfig = "set_config";
  return !std::ranges::search(sql, kSetConfig, {}, Lower).empty();
}

}  // namespace sidecar::postgres
