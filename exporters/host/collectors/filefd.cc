// Open file handles of the system from /proc/sys/fs/file-nr (proc(5)), under node_exporter's names.

#include "exporters/host/host_env.h"
#include "exporters/host/proc.h"

namespace sidecar::host {
namespace {

constexpr auto kAllocated = Gauge("node_filefd_allocated", "File handles in use.");
constexpr auto kMaximum = Gauge("node_filefd_maximum", "File handles that may be in use at most.");
constexpr FamilyInfo kFamilies[] = {kAllocated.info(), kMaximum.info()};

class Filefd final : public Collector {
 public:
  explicit Filefd(const HostEnv& env) : file_(env.Proc("sys/fs/file-nr"), {.max_bytes = 256}) {}

  Result<> Collect(const Scrape&, Sink& sink) override {
    const auto text = Whole(file_.path(), file_.Read());
    if (!text) return Fail(text.error());
    auto handles = ParseFileHandles(*text);
    if (!handles) return Fail(std::move(handles.error()).Wrap(file_.path()));
    sink.Add(kAllocated, handles->allocated);
    sink.Add(kMaximum, handles->maximum);
    return {};
  }

 private:
  KeptFile file_;
};

}  // namespace

extern constinit const CollectorSpec<HostEnv> filefd_collector{
    .name = "filefd",
    .summary = "Open file handles of the system.",
    .on_by_default = true,
    .families = kFamilies,
    .describe = [](TableReader&) {},
    .make = [](const std::shared_ptr<HostEnv>& env, TableReader&)
        -> Result<std::unique_ptr<Collector>> { return std::make_unique<Filefd>(*env); }};

}  // namespace sidecar::host
