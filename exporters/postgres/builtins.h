#pragma once
// The built-in collectors, compiled from collectors/*.toml at build time, in the order of their
// names. Constant, thread-safe.
//
//   for (const QueryDef& def : Builtins()) ...

#include <span>

#include "exporters/postgres/query_def.h"

namespace sidecar::postgres {

std::span<const QueryDef> Builtins();

}  // namespace sidecar::postgres
