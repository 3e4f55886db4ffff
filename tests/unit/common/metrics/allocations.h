#pragma once
// Counts what this thread allocates while it lives. The program's operator new is replaced in
// allocations_test.cc.
//
//   const Allocations counted;
//   ... work ...
//   EXPECT_EQ(counted.count(), 0U);

#include <cstddef>

namespace sidecar {

class Allocations {
 public:
  Allocations();
  ~Allocations();
  Allocations(const Allocations&) = delete;
  Allocations& operator=(const Allocations&) = delete;
  std::size_t count() const;
};

}  // namespace sidecar
