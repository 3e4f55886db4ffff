#pragma once
// Families named after the keys of a file (meminfo, vmstat): rendered when a key is first seen, so
// that a scrape of an unchanged file allocates nothing. Owned by one collector; one thread.
//
//   const KeyFamily& family = families_.At(line, key, [&](KeyFamily& fresh) {
//     fresh.name = "node_vmstat_" + MetricWord(key);
//   });

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sidecar::host {

struct KeyFamily {
  std::string key, name, help;
  bool wanted = true;
};

// A key as a part of a metric's name: each character that a name cannot have becomes '_', a closing
// parenthesis nothing: "Active(anon)" is "Active_anon".
inline std::string MetricWord(std::string_view key) {
  std::string word;
  for (const char c : key) {
    if (c == ')') continue;
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    word += plain ? c : '_';
  }
  return word;
}

class KeyFamilies {
 public:
  // The family of the key in line `line` (lines are asked for in order); `render` fills a new one.
  template <class Render>
  const KeyFamily& At(std::size_t line, std::string_view key, Render render) {
    if (line < families_.size() && families_[line].key == key) return families_[line];
    families_.resize(line);  // the file has changed from here on
    KeyFamily& fresh = families_.emplace_back();
    fresh.key = key;
    render(fresh);
    return fresh;
  }

 private:
  std::vector<KeyFamily> families_;
};

}  // namespace sidecar::host
