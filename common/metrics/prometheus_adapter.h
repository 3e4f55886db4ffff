#pragma once
// A prometheus::Collectable (the registry of our own counters and histograms) streamed into a sink,
// series sorted by labels so that the exposition is deterministic. Stateless, thread-safe as far as
// the collectable is.
//
//   CopyInto(registry, sink);

#include "common/metrics/sink.h"

namespace prometheus {
class Collectable;
}

namespace sidecar {

Result<> CopyInto(const prometheus::Collectable& collectable, Sink& sink);

}  // namespace sidecar
