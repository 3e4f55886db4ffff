#pragma once
// The label `container` of a control group: nobody in a pod tells an exporter what its neighbours
// are called, but their mounts, their commands and their groups' paths do. One thread.
//
//   CgroupNames names(CgroupNames::From::kAuto);
//   auto added = names.Add("cri-containerd-4fa6.*", "db");          // wins over all else
//   std::string name = names.Name("/../cri-containerd-4fa6c2...scope", comm, mountinfo);

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace re2 {
class RE2;
}

namespace sidecar::host {

// The name that the kubelet knows: the directory that it mounts at /dev/termination-log is called
// .../pods/UID/containers/NAME/RESTART.
std::optional<std::string> KubernetesName(std::string_view mountinfo);

// The last component of a group's path, without what a runtime puts around a container's id, which
// is cut to 12 digits: "/kubepods/cri-containerd-4fa6...c2.scope" is "4fa61234abcd".
std::string ShortName(std::string_view id);

class CgroupNames {
 public:
  enum class From : std::uint8_t {
    kAuto,  // the kubelet's, or POD for a pod's pause, or the path's
    kPath,
    kComm,  // the first process's command
  };
  explicit CgroupNames(From from);
  ~CgroupNames();
  CgroupNames(CgroupNames&&) noexcept;
  CgroupNames& operator=(CgroupNames&&) noexcept;

  // Groups whose path `id` matches (RE2, anywhere in it) are called `container`, in which \1 is the
  // first part in parentheses; the first that matches. kConfig.
  Result<> Add(std::string_view id, std::string container);

  std::string Name(std::string_view id, std::string_view comm, std::string_view mountinfo) const;

 private:
  struct Rule;
  From from_;
  std::vector<Rule> rules_;
};

}  // namespace sidecar::host
