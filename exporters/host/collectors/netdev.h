#pragma once
// The netdev collector with its source of links injected. The spec in netdev.cc is what the
// exporter uses; tests give links of their own.
//
//   auto collector = MakeNetdev(env, options, filter, {.links = FixedLinks});

#include <functional>
#include <memory>
#include <vector>

#include "exporters/host/host_env.h"
#include "exporters/host/name_filter.h"
#include "exporters/host/netlink.h"

namespace sidecar::host {

struct NetdevOptions {
  FilterOptions devices{};
  bool netlink = true;
  bool detailed = false;
  bool address_info = false;
  bool label_ifalias = false;

  void Read(TableReader& table);
};

// As RouteSocket's, which the exporter uses.
struct NetdevSources {
  std::function<Result<bool>(const Scrape&, std::vector<Link>&)> links;
  std::function<Result<bool>(const Scrape&, std::vector<Address>&)> addresses;
};

std::unique_ptr<Collector> MakeNetdev(std::shared_ptr<HostEnv> env, const NetdevOptions& options,
                                      NameFilter filter, NetdevSources sources);

}  // namespace sidecar::host
