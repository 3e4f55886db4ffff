#pragma once
// The little that is to be known of a statement's text without PostgreSQL's parser: where strings
// and comments end, whether it is a query, whether it may change its session. Pure functions.
//
//   for (std::size_t at = 0; at < sql.size(); at = SkipToken(sql, at)) ...   // sql[at] is code
//   IsQuery("(SELECT 1)");                                                  // true; SET x = 1:
//   false

#include <string_view>

namespace sidecar::postgres {

constexpr std::string_view kSqlBlanks = " \t\r\n\f\v";

// Past a string, a quoted identifier or a comment that begins at `at`; `at` + 1 if none does. A
// version comment (/*!13+ ... */) is none.
std::size_t SkipToken(std::string_view sql, std::size_t at);
// Past the comment that begins at `at`, and those in it; npos if it does not end.
std::size_t PastComment(std::string_view sql, std::size_t at);

// It begins as what gives rows does: SELECT, WITH, VALUES, TABLE, SHOW, EXPLAIN.
bool IsQuery(std::string_view sql);
// It calls set_config. A function of the user's may do so too: that is said in the README.
bool MaySet(std::string_view sql);

}  // namespace sidecar::postgres
