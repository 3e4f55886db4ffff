// The kernel's identity by uname(2), under node_exporter's names. In a container this is what the
// container's UTS namespace says: the node name is the pod's unless it has the host's.

#include <sys/utsname.h>

#include <cerrno>

#include "exporters/host/host_env.h"

namespace sidecar::host {
namespace {

constexpr auto kInfo = Gauge("node_uname_info", "What uname(2) says about the system; always 1.",
                             "sysname", "release", "version", "machine", "nodename", "domainname");
constexpr FamilyInfo kFamilies[] = {kInfo.info()};

class Uname final : public Collector {
 public:
  Result<> Collect(const Scrape&, Sink& sink) override {
    utsname name{};
    if (::uname(&name) != 0) return Fail(ErrnoError("uname", "", errno));
    sink.Add(kInfo, 1, name.sysname, name.release, name.version, name.machine, name.nodename,
             name.domainname);
    return {};
  }
};

}  // namespace

extern constinit const CollectorSpec<HostEnv> uname_collector{
    .name = "uname",
    .summary = "The kernel's identity.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader&) {},
    .make = [](const std::shared_ptr<HostEnv>&, TableReader&)
        -> Result<std::unique_ptr<Collector>> { return std::make_unique<Uname>(); }};

}  // namespace sidecar::host
