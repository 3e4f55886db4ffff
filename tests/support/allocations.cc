#include "tests/support/allocations.h"

#include <cstdlib>
#include <new>

namespace {

thread_local bool counting = false;
thread_local std::size_t allocations = 0, allowed = 0;

}  // namespace

// Not inlined: GCC 12 would see the malloc on one side only and warn. The sanitizer has an operator
// for arrays of its own, which does not call the plain one.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (counting && ++allocations > allowed) throw std::bad_alloc();
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  if (counting && ++allocations > allowed) return nullptr;
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace sidecar {

Allocations::Allocations(std::size_t most) {
  allocations = 0;
  allowed = most;
  counting = true;
}
Allocations::~Allocations() { counting = false; }
std::size_t Allocations::count() const { return allocations; }

}  // namespace sidecar
