#pragma once
// Series that a definition's limit left out, in the family that the engine has for what it drops.
// Thread-safe.
//
//   CutCounter cuts(runtime.self);
//   cuts.Add("stat_user_tables", report.cut);

#include <cstddef>
#include <string_view>

namespace prometheus {
class Counter;
class Registry;
template <class T>
class Family;
}  // namespace prometheus

namespace sidecar::postgres {

class CutCounter {
 public:
  explicit CutCounter(prometheus::Registry& registry);
  void Add(std::string_view collector, std::size_t series) const;

 private:
  prometheus::Family<prometheus::Counter>& family_;
};

}  // namespace sidecar::postgres
