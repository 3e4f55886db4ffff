#pragma once
// Flags of node_exporter 1.12.1 that do not exist here (yet): refused by name, so that nobody takes
// a misspelling for a missing feature. A flag that comes to exist wins over its line here.
//
//   for (std::string_view flag : PeerFlags()) ...

#include <span>
#include <string_view>

namespace sidecar::host {

std::span<const std::string_view> PeerFlags();

}  // namespace sidecar::host
