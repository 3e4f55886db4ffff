#include "exporters/postgres/query_versions.h"

#include <algorithm>

#include "common/base/parse.h"
#include "exporters/postgres/sql_tokens.h"

namespace sidecar::postgres {
namespace {

constexpr int kScale = 1'000;
constexpr int kMostMajor = Versions::kMost / kScale;

struct Number {
  int version = 0;
  bool minor = false;  // it was given
};

std::optional<Number> ParseNumberPair(std::string_view text) {
  const std::size_t point = text.find('.');
  const auto major = ParseNumber<std::uint32_t>(text.substr(0, point));
  if (!major || *major > kMostMajor) return std::nullopt;
  Number number{static_cast<int>(*major) * kScale, point != std::string_view::npos};
  if (!number.minor) return number;
  std::string_view rest = text.substr(point + 1);
  const auto minor = ParseNumber<std::uint32_t>(rest.substr(0, rest.find('.')));
  if (!minor || *minor >= kScale) return std::nullopt;
  number.version += static_cast<int>(*minor);
  return number;
}

int Last(const Number& number) { return number.version + (number.minor ? 0 : kScale - 1); }

// A piece of the text and the versions it is part of.
struct Piece {
  std::string_view text;
  Versions versions;
};

Result<Piece> ReadComment(std::string_view inside) {
  const std::size_t end = std::min(inside.find_first_of(kSqlBlanks), inside.size());
  const auto versions = ParseVersions(inside.substr(0, end));
  if (!versions) {
    return Fail(Errc::kConfig,
                "a version comment is /*!13+ ... */, /*!-12 ... */ or "
                "/*!13-16 ... */; this one begins with " +
                    Quoted(inside.substr(0, end)));
  }
  return Piece{inside.substr(end), *versions};
}

Result<std::vector<Piece>> Split(std::string_view sql) {
  std::vector<Piece> pieces;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < sql.size();) {
    if (!sql.substr(at).starts_with("/*!")) {
      at = SkipToken(sql, at);
      continue;
    }
    const std::size_t end = PastComment(sql, at);
    if (end == std::string_view::npos) {
      return Fail(Errc::kConfig, "a version comment does not end: */ is missing");
    }
    auto piece = ReadComment(sql.substr(at + 3, end - at - 5));
    if (!piece) return Fail(std::move(piece.error()));
    pieces.push_back({sql.substr(begin, at - begin), {}});
    pieces.push_back(*piece);
    at = begin = end;
  }
  pieces.push_back({sql.substr(begin), {}});
  return pieces;
}

// No statement: blanks, semicolons and comments.
bool IsVoid(std::string_view sql) {
  for (std::size_t at = 0; at < sql.size(); at = SkipToken(sql, at)) {
    const std::string_view rest = sql.substr(at);
    if (kSqlBlanks.find(sql[at]) != std::string_view::npos || sql[at] == ';') continue;
    if (!rest.starts_with("--") && !rest.starts_with("/*")) return false;
  }
  return true;
}

// Without blanks at both ends and what somebody who pasted from psql has behind the statement.
std::string_view Trim(std::string_view text) {
  if (IsVoid(text)) return {};
  text = text.substr(text.find_first_not_of(kSqlBlanks));
  for (std::size_t at = 0; at < text.size(); at = SkipToken(text, at)) {
    if (text[at] == ';' && IsVoid(text.substr(at))) text = text.substr(0, at);
  }
  return text.substr(0, text.find_last_not_of(kSqlBlanks) + 1);
}

// Behind a pooler a second statement would run outside the read-only transaction.
bool HasTwoStatements(std::string_view sql) {
  for (std::size_t at = 0; at < sql.size(); at = SkipToken(sql, at)) {
    if (sql[at] == ';') return true;
  }
  return false;
}

std::string Join(const std::vector<Piece>& pieces, int version) {
  std::string text;
  for (const Piece& piece : pieces) {
    if (piece.versions.Has(version)) text += piece.text;
  }
  return std::string(Trim(text));
}

}  // namespace

std::optional<int> ParseVersion(std::string_view text) {
  const auto number = ParseNumberPair(text);
  return number ? std::optional(number->version) : std::nullopt;
}

std::string FormatVersion(int version) {
  std::string text = std::to_string(version / kScale);
  const int minor = version % kScale;
  if (minor != 0 && minor != kScale - 1) text += "." + std::to_string(minor);
  return text;
}

bool HasMinors(const Versions& versions) {
  return versions.from % kScale != 0 ||
         (versions.to != Versions::kMost && versions.to % kScale != kScale - 1);
}

std::optional<Versions> ParseVersions(std::string_view text) {
  if (text.ends_with('+')) {
    const auto from = ParseNumberPair(text.substr(0, text.size() - 1));
    if (!from) return std::nullopt;
    return Versions{from->version, Versions::kMost};
  }
  const std::size_t dash = text.find('-');
  const auto last = ParseNumberPair(dash == std::string_view::npos ? text : text.substr(dash + 1));
  if (!last) return std::nullopt;
  if (dash == 0) return Versions{0, Last(*last)};
  if (dash == std::string_view::npos) return Versions{last->version, Last(*last)};
  const auto first = ParseNumberPair(text.substr(0, dash));
  if (!first || first->version > Last(*last)) return std::nullopt;
  return Versions{first->version, Last(*last)};
}

Result<std::vector<VersionText>> ExpandVersions(std::string_view sql, Versions within) {
  const auto pieces = Split(sql);
  if (!pieces) return Fail(pieces.error());
  std::vector<int> starts{within.from};
  for (const Piece& piece : *pieces) {
    for (const int start : {piece.versions.from, piece.versions.to + 1}) {
      if (start > within.from && start <= within.to) starts.push_back(start);
    }
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  std::vector<VersionText> texts;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const int end = i + 1 < starts.size() ? starts[i + 1] - 1 : within.to;
    std::string text = Join(*pieces, starts[i]);
    if (text.empty()) continue;
    if (HasTwoStatements(text)) {
      return Fail(Errc::kConfig, "one statement only: ';' stands in its middle");
    }
    if (!texts.empty() && texts.back().text == text && texts.back().versions.to + 1 == starts[i]) {
      texts.back().versions.to = end;
    } else {
      texts.push_back({{starts[i], end}, std::move(text)});
    }
  }
  if (texts.empty()) return Fail(Errc::kConfig, "no statement is left for any version");
  return texts;
}

}  // namespace sidecar::postgres
