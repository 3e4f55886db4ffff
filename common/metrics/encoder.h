#pragma once
// A snapshot as bytes, in 64 KiB pieces. Stateless, thread-safe. Every format carries the same
// series: exposition.md section 5 has the rules.
//
//   const Negotiated answer = Negotiate(request.header("Accept"));
//   Encode(snapshot, answer.format, write);

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/metrics/batch.h"
#include "common/metrics/packed.h"
#include "common/metrics/sink.h"

namespace sidecar {

class FamilyGroups;

// What a scrape gathered: no format yet; families and series unique over all parts.
struct Snapshot {
  std::vector<std::shared_ptr<const Batch>> parts{};
  std::vector<std::string> names{};  // families to write (name[]); empty: all
  // Of these parts, from who looked for duplicates and found none; else the encoder makes them.
  std::shared_ptr<const FamilyGroups> groups{};
};

// What the parts of one scrape share: a family of several parts becomes one; a row whose labels an
// earlier part has, or a family whose kind differs from an earlier part's, is left out of the later
// part. Returns how many rows each part lost.
std::vector<std::size_t> DropDuplicates(Snapshot& snapshot);

// Snapshots of several exporters on one port, as one (and unique again).
Snapshot Merge(std::span<const Snapshot> exporters);

enum class Format : std::uint8_t { kText, kOpenMetrics };
struct Negotiated {
  Format format;
  std::string content_type;
};
// Text 0.0.4 unless OpenMetrics 1.0.0 or 0.0.1 is accepted with a higher or equal quality. A
// malformed Accept is text.
Negotiated Negotiate(std::string_view accept);

// Where bytes go; an error ends the encoding: the peer has left. Where they are compressed on the
// way, parts that have not changed since they were last encoded are given packed, and come first.
class Write {
 public:
  // Null: what is written now is not compressed after all.
  using GetPacker = std::function<Packer*()>;

  template <std::invocable<std::string_view> F>
    requires(!std::same_as<F, Write>)
  Write(F write, GetPacker packer = {})  // NOLINT(google-explicit-constructor): any lambda is one
      : write_(std::move(write)), packer_(std::move(packer)) {}

  Result<> operator()(std::string_view piece) const { return write_(piece); }
  bool packs() const { return packer_ != nullptr; }
  Packer* packer() const { return packer_(); }

 private:
  std::function<Result<>(std::string_view)> write_;
  GetPacker packer_;
};
Result<> Encode(const Snapshot& snapshot, Format format, const Write& write);

}  // namespace sidecar
