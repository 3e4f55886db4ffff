#pragma once
// Text that comes again, compressed once: what a batch was encoded to is kept with it, so that a
// scrape in which it has not changed neither encodes nor compresses it. The HTTP server knows how
// (Packer), the encoder when (a batch is packed the second time it is encoded: what changes with
// each scrape never is). PackedTexts is thread-safe; the rest is for one thread.
//
//   if (Packer* packer = write.packer()) packer->Add(*packed);

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sidecar {

// Fits into any stream of its packer's kind, wherever it stands there.
struct Packed {
  std::string bytes{};
  std::uint32_t checksum = 0;  // of the text
  std::size_t size = 0;        // of the text
  std::uint32_t shift = 0;     // what joins its checksum to that of what stands before it
};

// What compresses a body while it is written.
class Packer {
 public:
  virtual ~Packer() = default;
  virtual Packed Pack(std::string_view text) = 0;
  // The next bytes of the body are the text of `packed`. An error: the peer has left.
  virtual Result<> Add(const Packed& packed) = 0;
};

// What one batch was packed to. The shape is what else its text depends on: names and types that
// the batches beside it leave to it.
class PackedTexts {
 public:
  static constexpr std::size_t kFormats = 2;

  // Whether it was asked before.
  bool AskedAgain();
  std::shared_ptr<const Packed> Find(std::size_t format, std::uint64_t shape) const;
  void Keep(std::size_t format, std::uint64_t shape, std::shared_ptr<const Packed> packed);
  void Clear();

 private:
  struct Text {
    std::uint64_t shape = 0;
    std::shared_ptr<const Packed> packed{};
  };
  mutable std::mutex mutex_;
  bool asked_ = false;
  std::array<Text, kFormats> texts_{};
};

}  // namespace sidecar
