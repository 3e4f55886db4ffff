#pragma once
// Counts what this thread allocates while it lives, and refuses what is more than `most`. It
// replaces operator new of each program that uses it.
//
//   const Allocations counted;
//   ... work ...
//   EXPECT_EQ(counted.count(), 0U);

#include <cstddef>
#include <limits>

namespace sidecar {

class Allocations {
 public:
  explicit Allocations(std::size_t most = std::numeric_limits<std::size_t>::max());
  ~Allocations();
  Allocations(const Allocations&) = delete;
  Allocations& operator=(const Allocations&) = delete;
  std::size_t count() const;  // the refused ones too
};

}  // namespace sidecar
