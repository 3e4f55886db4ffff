#include "common/metrics/packed.h"

#include <utility>

namespace sidecar {

bool PackedTexts::AskedAgain() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(asked_, true);
}

std::shared_ptr<const Packed> PackedTexts::Find(std::size_t format, std::uint64_t shape) const {
  const std::scoped_lock lock(mutex_);
  const Text& text = texts_[format];
  return text.shape == shape ? text.packed : nullptr;
}

void PackedTexts::Keep(std::size_t format, std::uint64_t shape,
                       std::shared_ptr<const Packed> packed) {
  const std::scoped_lock lock(mutex_);
  texts_[format] = {shape, std::move(packed)};
}

void PackedTexts::Clear() {
  const std::scoped_lock lock(mutex_);
  asked_ = false;
  texts_ = {};
}

}  // namespace sidecar
