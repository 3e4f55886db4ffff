#pragma once
// What an SQLSTATE means to us. Pure.
//
//   Errc code = CodeOf("42501");  // kDenied

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sidecar::postgres {

// Empty or unknown: kInternal.
Errc CodeOf(std::string_view sqlstate);

// A login's failure. libpq keeps its SQLSTATE to itself except in the text that
// PQERRORS_VERBOSE makes: "... FATAL:  28P01: password authentication failed ...\nLOCATION: ...".
struct LoginFailure {
  std::string sqlstate;  // empty: the server said nothing, e.g. the connection was refused
  std::string message;   // without SQLSTATE and source location
  std::string function;  // of the server's source, which said it; in no language
};
LoginFailure ReadLoginFailure(std::string_view verbose);

// What a server says of the database that was named (there is none; it lets us or nobody in; it has
// enough connections), not of itself or of our role's or all connections.
bool IsAboutDatabase(const LoginFailure& failure);

}  // namespace sidecar::postgres
