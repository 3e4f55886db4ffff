#pragma once
// Which devices, mount points or file system types a collector shows: a peer's pair of regular
// expressions (RE2, unanchored), of which one may be given. Verdicts are remembered by name, so
// that steady state matches nothing. One thread.
//
//   FilterOptions devices{.exclude = "^lo$"};
//   devices.Read(table, {.key = "device", .flag = "collector.netdev.device"});
//   NameFilter filter = devices.Compile(table);   // faults are rejected at their key
//   if (filter.Keeps("eth0")) ...

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/config/table_reader.h"

namespace re2 {
class RE2;
}

namespace sidecar::host {

class NameFilter {
 public:
  NameFilter();  // keeps everything
  ~NameFilter();
  NameFilter(NameFilter&&) noexcept;
  NameFilter& operator=(NameFilter&&) noexcept;

  bool Keeps(std::string_view name);

 private:
  friend struct FilterOptions;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  bool Match(std::string_view name) const;

  std::unique_ptr<re2::RE2> include_, exclude_;
  std::unordered_map<std::string, bool, Hash, std::equal_to<>> verdicts_;  // bounded: see Keeps
};

struct FilterOptions {
  std::string include{};
  std::string exclude{};  // the default gives way to an include

  // Keys KEY_include and KEY_exclude; flags FLAG-include and FLAG-exclude and the peer's older
  // ones.
  struct Names {
    std::string key, flag, noun;  // noun: "disks"
    std::string old_include{}, old_exclude{};
  };
  void Read(TableReader& table, Names its_names);
  // An empty expression is none; RE2's message is rejected at the key.
  NameFilter Compile(TableReader& table) const;

  Names names{};  // of the last Read
};

}  // namespace sidecar::host
