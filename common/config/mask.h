#pragma once
// The masks that keep credentials out of what is printed. Pure functions; in doubt they mask more.
//
//   MaskCredentials("postgres://u:p@h/d");  // "postgres://u:***@h/d"

#include <cstddef>
#include <string>
#include <string_view>

namespace sidecar::config {

// Offsets into a text; nothing where they are equal.
struct Range {
  std::size_t begin = 0, end = 0;
};

// Where in a line of TOML the value of a key that sounds like a secret begins, or what follows such
// a word in a value; or npos. Keys that end in _file or _env name a place and are none.
std::size_t FindSecretValue(std::string_view line);

// What stands in a line where a password does in "user:password@host", with a scheme before it or
// none; to the end of the line where its '@' is missing.
Range FindLoginPassword(std::string_view line);

// A value with its passwords as "***": "postgres://u:p@h" to the last '@', "password=p" as libpq
// ends it. Masking twice changes nothing.
std::string MaskCredentials(std::string_view value);

}  // namespace sidecar::config
