#pragma once
// What was built, filled in by CMake. Constant.

#include <string_view>

namespace sidecar {

std::string_view Version();   // "0.1.0"
std::string_view Revision();  // a git commit, or "unknown"
std::string_view Compiler();  // "g++ 12.2.0"

}  // namespace sidecar
