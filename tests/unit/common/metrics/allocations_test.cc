#include "tests/unit/common/metrics/allocations.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <new>

namespace {

thread_local bool counting = false;
thread_local std::size_t allocations = 0;

}  // namespace

// Not inlined: GCC 12 would see the malloc on one side only and warn. The sanitizer has an operator
// for arrays of its own, which does not call the plain one.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (counting) ++allocations;
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace sidecar {

Allocations::Allocations() {
  allocations = 0;
  counting = true;
}
Allocations::~Allocations() { counting = false; }
std::size_t Allocations::count() const { return allocations; }

namespace {

TEST(Allocations, AreCountedWhileTheCounterLives) {
  const auto before = std::make_unique<int>(0);
  const Allocations counted;
  EXPECT_EQ(counted.count(), 0U);
  const auto one = std::make_unique<int>(1);
  const auto more = std::make_unique<char[]>(10);
  EXPECT_EQ(counted.count(), 2U);
}

}  // namespace
}  // namespace sidecar
