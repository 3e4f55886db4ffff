#pragma once
// What the tests of this folder share: batches and snapshots as text.

#include <memory>
#include <string>
#include <utility>

#include "common/metrics/encoder.h"

namespace sidecar {

inline std::string Encoded(const Snapshot& snapshot, Format format = Format::kText) {
  std::string text;
  const auto encoded = Encode(snapshot, format, [&](std::string_view piece) {
    text += piece;
    return Result<>{};
  });
  return encoded ? text : "failed: " + encoded.error().message;
}

inline Snapshot SnapshotOf(Batch batch) {
  Snapshot snapshot;
  snapshot.parts.push_back(std::make_shared<const Batch>(std::move(batch)));
  return snapshot;
}

// The batch stays the caller's.
inline std::string Encoded(const Batch& batch, Format format = Format::kText) {
  Snapshot snapshot;
  snapshot.parts.emplace_back(&batch, [](const Batch*) {});
  return Encoded(snapshot, format);
}

}  // namespace sidecar
