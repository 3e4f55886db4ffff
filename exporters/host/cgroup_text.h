#pragma once
// Reads one group's files into a CgroupStats, with what both versions need for it. A file that is
// not there, or may not be read, leaves its values out; one that is no cgroup file becomes a fault.
// For the .cc files of ReadCgroup. One thread.
//
//   CgroupText text(directory, buffer, stats.faults);
//   if (const auto value = text.Value("memory.current")) stats.memory.usage = value->number();

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "exporters/host/cgroup_stats.h"

namespace sidecar::host {

class CgroupText {
 public:
  CgroupText(const CgroupDirectory& directory, std::string& buffer, std::vector<Error>& faults)
      : directory_(directory), buffer_(buffer), faults_(faults) {}

  // The file's text, parsed by `parse`; nothing when either is not to be had.
  template <class Parse>
  auto With(std::string_view file, Parse parse)
      -> std::optional<typename decltype(parse(std::string_view()))::value_type>;

  struct Limit {
    std::optional<std::uint64_t> value;  // none: "max"
    double OrZero() const { return static_cast<double>(value.value_or(0)); }
  };
  std::optional<Limit> Value(std::string_view file);
  // `per` of the kernel's units are one of ours: a division is exact where a product is not.
  // The file's number, or nothing for "max" and for no file.
  Stat Number(std::string_view file, double per = 1);

  struct Key {
    std::string_view name;
    Stat* stat;
    double per = 1;
  };
  // Whether the file could be read.
  bool Keys(std::string_view file, std::initializer_list<Key> keys);

 private:
  void Blame(std::string_view file, Error error);

  const CgroupDirectory& directory_;
  std::string& buffer_;
  std::vector<Error>& faults_;
};

template <class Parse>
auto CgroupText::With(std::string_view file, Parse parse)
    -> std::optional<typename decltype(parse(std::string_view()))::value_type> {
  const auto text = directory_.Read(file, buffer_);
  if (text.access == Access::kFailed) {
    Blame(file, {Errc::kUnavailable, "cannot be read, or is larger than 4 MiB"});
  }
  if (text.access != Access::kRead) return std::nullopt;
  auto parsed = parse(text.value);
  if (!parsed) {
    Blame(file, std::move(parsed.error()));
    return std::nullopt;
  }
  return std::move(*parsed);
}

void ReadCgroupV2(CgroupText& text, CgroupStats& stats);
void ReadCgroupV1(CgroupText& text, std::span<const std::string> controllers, CgroupStats& stats);

}  // namespace sidecar::host
