// Traffic and errors of the network interfaces, from one rtnetlink dump or /proc/net/dev, and their
// addresses, under node_exporter's names (families: netdev_families.h).

#include "exporters/host/collectors/netdev.h"

#include <algorithm>
#include <bit>

#include "common/log/log.h"
#include "exporters/host/netdev_families.h"
#include "exporters/host/proc.h"
#include "exporters/host/proc_net_dev.h"

namespace sidecar::host {
namespace {

constexpr std::size_t kMaxAliasBytes = 4'096;

// One family as this collector's options want it.
struct Row {
  const NetFamily* family;
  NetSource source;
};

std::vector<Row> Rows(bool detailed) {
  std::vector<Row> rows;
  for (const NetFamily& family : kNetFamilies) {
    rows.push_back({&family, detailed ? family.detailed : family.folded});
  }
  return rows;
}

std::uint64_t Sum(const LinkStats& stats, std::uint32_t parts) {
  std::uint64_t sum = 0;
  for (; parts != 0; parts &= parts - 1) {
    sum += stats[static_cast<std::size_t>(std::countr_zero(parts))];
  }
  return sum;
}

// PROC/net is a link to self/net, the reader's own network namespace even under a host's procfs. So
// with a foreign root it is that of the host's first process; fixtures have PROC/net alone.
std::string HostNetDev(const HostEnv& env) {
  return env.roots().procfs == "/proc" ? env.Proc("net/dev") : env.Proc("1/net/dev");
}

class Netdev final : public Collector {
 public:
  Netdev(std::shared_ptr<HostEnv> env, const NetdevOptions& options, NameFilter filter,
         NetdevSources sources)
      : env_(std::move(env)),
        options_(options),
        filter_(std::move(filter)),
        sources_(std::move(sources)),
        rows_(Rows(options.detailed)),
        host_file_(HostNetDev(*env_), {.records = true, .optional = true}),
        file_(env_->Proc("net/dev"), {.records = true}) {}

  Result<> Collect(const Scrape& scrape, Sink& sink) override {
    bool proc = !options_.netlink;
    if (!proc || options_.address_info) {
      const auto dumped = sources_.links(scrape, links_);
      if (!dumped) {
        const bool refused =
            dumped.error().code == Errc::kUnsupported || dumped.error().code == Errc::kDenied;
        if (!refused) return Fail(dumped.error());
        links_.clear();
        SayRefused(dumped.error());
        proc = true;
      } else if (!*dumped) {
        sink.Warn({Errc::kUnavailable, "the links changed during every dump"});
      }
    }
    if (options_.address_info) AddAddresses(scrape, sink);
    if (proc) return AddFile(sink);
    for (const Link& link : links_) AddLink(link, sink);
    return {};
  }

 private:
  void SayRefused(const Error& error) {
    if (std::exchange(said_refused_, true)) return;
    env_->runtime().log.Info("netlink refused, reading /proc/net/dev",
                             {{"collector", "netdev"}, {"err", error.message}});
  }

  void AddLink(const Link& link, Sink& sink) {
    if (!link.has_stats || !filter_.Keeps(link.name)) return;
    for (const auto& [family, source] : rows_) {
      if (source.netlink != 0) {
        Add(*family, Sum(link.stats, source.netlink), link.name, link.alias, sink);
      }
    }
  }

  Result<> AddFile(Sink& sink) {
    auto text = Whole(host_file_.path(), host_file_.Read());
    if (!text && text.error().code == Errc::kNoData) text = Whole(file_.path(), file_.Read());
    if (!text) return Fail(text.error());
    std::string_view rest = *text;
    std::string alias;
    while (const auto line = NextLine(rest)) {
      if (IsNetDevHeading(*line)) continue;
      const auto device = ParseNetDev(*line);
      if (!device) return Fail(device.error());
      if (!filter_.Keeps(device->name)) continue;
      if (options_.label_ifalias) alias = Alias(device->name);
      for (const auto& [family, source] : rows_) {
        if (source.proc < 0) continue;
        Add(*family, device->values[static_cast<std::size_t>(source.proc)], device->name, alias,
            sink);
      }
    }
    return {};
  }

  std::string Alias(std::string_view device) const {
    if (device.find('/') != std::string_view::npos) return {};  // no name of the kernel's
    const auto text = ReadFile(env_->Sys("class/net/" + std::string(device) + "/ifalias"),
                               {.max_bytes = kMaxAliasBytes, .optional = true});
    return text ? text->substr(0, text->find('\n')) : std::string();
  }

  void Add(const NetFamily& family, std::uint64_t value, std::string_view device,
           std::string_view alias, Sink& sink) const {
    if (options_.label_ifalias) {
      sink.Add(family.aliased, value, device, alias);
    } else {
      sink.Add(family.plain, value, device);
    }
  }

  void AddAddresses(const Scrape& scrape, Sink& sink) {
    const auto dumped = sources_.addresses(scrape, addresses_);
    if (!dumped) {
      sink.Warn(Error(dumped.error()).Wrap("addresses"));
      return;
    }
    if (!*dumped) sink.Warn({Errc::kUnavailable, "the addresses changed during every dump"});
    for (const Address& address : addresses_) {
      const auto link = std::ranges::find(links_, address.link, &Link::index);
      if (link == links_.end() || !filter_.Keeps(link->name)) continue;
      sink.Add(kNetAddress, 1, link->name, address.text, std::to_string(address.prefix),
               address.scope);
    }
  }

  std::shared_ptr<HostEnv> env_;
  NetdevOptions options_;
  NameFilter filter_;
  NetdevSources sources_;
  std::vector<Row> rows_;
  std::vector<Link> links_;  // reused
  std::vector<Address> addresses_;
  KeptFile host_file_, file_;
  bool said_refused_ = false;
};

}  // namespace

void NetdevOptions::Read(TableReader& table) {
  devices.Read(table, {.key = "device",
                       .flag = "collector.netdev.device",
                       .noun = "interfaces",
                       .old_include = "collector.netdev.device-whitelist",
                       .old_exclude = "collector.netdev.device-blacklist"});
  table.Field("address_info", address_info, "Adds node_network_address_info.")
      .Flag("collector.netdev.address-info");
  table
      .Field("enable_detailed_metrics", detailed,
             "The kernel's own counters instead of the sums of /proc/net/dev; other names.")
      .Flag("collector.netdev.enable-detailed-metrics");
  table.Field("netlink", netlink, "Asks netlink; /proc/net/dev otherwise.")
      .Flag("collector.netdev.netlink");
  table.Field("label_ifalias", label_ifalias, "Adds the label ifalias.")
      .Flag("collector.netdev.label-ifalias");
}

std::unique_ptr<Collector> MakeNetdev(std::shared_ptr<HostEnv> env, const NetdevOptions& options,
                                      NameFilter filter, NetdevSources sources) {
  return std::make_unique<Netdev>(std::move(env), options, std::move(filter), std::move(sources));
}

extern constinit const CollectorSpec<HostEnv> netdev_collector{
    .name = "netdev",
    .summary = "Network interfaces' traffic and errors.",
    .on_by_default = true,
    .families = kNetFamilyInfos,
    .describe = [](TableReader& table) { NetdevOptions{}.Read(table); },
    .make = [](const std::shared_ptr<HostEnv>& env,
               TableReader& table) -> Result<std::unique_ptr<Collector>> {
      NetdevOptions options;
      options.Read(table);
      auto socket = std::make_shared<RouteSocket>();  // shared by the two that follow
      return MakeNetdev(
          env, options, options.devices.Compile(table),
          {.links = [socket](const Scrape& scrape,
                             auto& links) { return socket->DumpLinks(scrape, links); },
           .addresses = [socket](
                            const Scrape& scrape,
                            auto& addresses) { return socket->DumpAddresses(scrape, addresses); }});
    }};

}  // namespace sidecar::host
