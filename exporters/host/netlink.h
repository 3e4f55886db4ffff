#pragma once
// Links and addresses of this network namespace over rtnetlink (rtnetlink(7)): one dump instead of
// 29 files an interface. The parse is a pure function over bytes; RouteSocket keeps its socket. One
// thread.
//
//   RouteSocket socket;
//   std::vector<Link> links;
//   auto dumped = socket.DumpLinks(scrape, links);
//   if (!dumped && dumped.error().code == Errc::kUnsupported) ...  // no such socket here

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/unique_fd.h"
#include "common/collect/scrape.h"

namespace sidecar::host {

// In the kernel's order: struct rtnl_link_stats64, of which older kernels have less.
enum LinkStat : std::size_t {
  kRxPackets,
  kTxPackets,
  kRxBytes,
  kTxBytes,
  kRxErrors,
  kTxErrors,
  kRxDropped,
  kTxDropped,
  kMulticast,
  kCollisions,
  kRxLengthErrors,
  kRxOverErrors,
  kRxCrcErrors,
  kRxFrameErrors,
  kRxFifoErrors,
  kRxMissedErrors,
  kTxAbortedErrors,
  kTxCarrierErrors,
  kTxFifoErrors,
  kTxHeartbeatErrors,
  kTxWindowErrors,
  kRxCompressed,
  kTxCompressed,
  kRxNohandler,  // since 4.6
  kLinkStats
};
using LinkStats = std::array<std::uint64_t, kLinkStats>;

struct Link {
  std::int32_t index = 0;
  std::string name{}, alias{};
  bool has_stats = false;
  LinkStats stats{};
};

struct Address {
  std::int32_t link = 0;
  unsigned prefix = 0;
  std::string text{};        // "192.0.2.2", "fe80::1"
  std::string_view scope{};  // by its bits: "global", "link-local", "interface-local" or ""
};

struct DumpState {
  bool done = false;
  bool interrupted = false;  // the set changed meanwhile: entries may be missing or doubled
};

// One datagram of the dump that `sequence` asked for; messages of other sequences are left out.
// kParse: lengths that lie. Else what the kernel refused, by its errno.
Result<DumpState> ParseLinks(std::string_view datagram, std::uint32_t sequence,
                             std::vector<Link>& links);
Result<DumpState> ParseAddresses(std::string_view datagram, std::uint32_t sequence,
                                 std::vector<Address>& addresses);

class RouteSocket {
 public:
  // Until the scrape's end at most; the entries replace what the vector held. False: the set
  // changed during every try, so entries may be missing. kUnsupported: there is no such socket here
  // (seccomp, a kernel without netlink), so ask elsewhere. After an error the socket is opened
  // anew.
  Result<bool> DumpLinks(const Scrape& scrape, std::vector<Link>& links);
  Result<bool> DumpAddresses(const Scrape& scrape, std::vector<Address>& addresses);

 private:
  template <class Entry>
  using Parse = Result<DumpState> (*)(std::string_view, std::uint32_t, std::vector<Entry>&);
  template <class Entry>
  Result<bool> Dump(const Scrape& scrape, std::uint16_t type, Parse<Entry> parse,
                    std::vector<Entry>& entries);
  template <class Entry>
  Result<DumpState> Once(const Scrape& scrape, std::uint16_t type, Parse<Entry> parse,
                         std::vector<Entry>& entries);

  Result<> Ask(std::uint16_t type);
  Result<std::string_view> Receive(const Scrape& scrape);

  UniqueFd fd_;
  std::string buffer_;
  std::uint32_t sequence_ = 0;
};

}  // namespace sidecar::host
