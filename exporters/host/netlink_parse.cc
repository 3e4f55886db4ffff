#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "common/base/file.h"
#include "exporters/host/netlink.h"

namespace sidecar::host {
namespace {

constexpr std::size_t Align(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

auto Lie(const char* what) { return Fail(Errc::kParse, std::string("netlink: ") + what); }

// A copy, because the bytes need not be aligned.
template <class T>
std::optional<T> Take(std::string_view bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

// Strings carry their NUL, at least those of the kernel.
std::string_view Text(std::string_view value) { return value.substr(0, value.find('\0')); }

// Calls use(type, value) for each attribute; false when a length lies.
template <class Use>
bool EachAttribute(std::string_view bytes, const Use& use) {
  while (bytes.size() >= sizeof(rtattr)) {
    const auto header = *Take<rtattr>(bytes);
    if (header.rta_len < sizeof(rtattr) || header.rta_len > bytes.size()) return false;
    use(header.rta_type & NLA_TYPE_MASK,
        bytes.substr(sizeof(rtattr), header.rta_len - sizeof(rtattr)));
    bytes.remove_prefix(std::min(bytes.size(), Align(header.rta_len)));
  }
  return true;
}

template <class Number>
void CopyStats(std::string_view value, Link& link) {
  const std::size_t count = std::min(value.size() / sizeof(Number), std::size_t{kLinkStats});
  for (std::size_t i = 0; i < count; ++i) {
    link.stats[i] = *Take<Number>(value.substr(i * sizeof(Number)));
  }
  link.has_stats = true;
}

Result<> AddLink(std::string_view payload, std::vector<Link>& links) {
  const auto info = Take<ifinfomsg>(payload);
  if (!info) return Lie("a link without its header");
  Link link{.index = info->ifi_index};
  bool wide = false;
  const bool whole =
      EachAttribute(payload.substr(std::min(payload.size(), Align(sizeof(ifinfomsg)))),
                    [&](int type, std::string_view value) {
                      if (type == IFLA_IFNAME) link.name = Text(value);
                      if (type == IFLA_IFALIAS) link.alias = Text(value);
                      if (type == IFLA_STATS64) {
                        CopyStats<std::uint64_t>(value, link);
                        wide = true;
                      }
                      if (type == IFLA_STATS && !wide)
                        CopyStats<std::uint32_t>(value, link);  // wraps at 4 GiB
                    });
  if (!whole) return Lie("an attribute's length is wrong");
  if (!link.name.empty()) links.push_back(std::move(link));
  return {};
}

std::string_view ScopeOfV4(std::string_view ip) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(ip[i]); };
  if (byte(0) == 127 || (byte(0) == 169 && byte(1) == 254)) return "link-local";
  if (byte(0) == 224 && byte(1) == 0 && byte(2) == 0) return "link-local";
  const bool none = ip == std::string_view("\0\0\0\0", 4) || ip == "\xff\xff\xff\xff";
  return none || (byte(0) & 0xf0U) == 0xe0U ? "" : "global";
}

std::string_view ScopeOfV6(std::string_view ip) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(ip[i]); };
  if (byte(0) == 0xff) {
    if ((byte(1) & 0x0fU) == 1) return "interface-local";
    return (byte(1) & 0x0fU) == 2 ? "link-local" : "";
  }
  if (byte(0) == 0xfe && (byte(1) & 0xc0U) == 0x80U) return "link-local";
  const bool leading = ip.substr(0, 15) == std::string_view("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 15);
  if (leading && byte(15) == 1) return "link-local";
  return leading && byte(15) == 0 ? "" : "global";
}

Result<> AddAddress(std::string_view payload, std::vector<Address>& addresses) {
  const auto info = Take<ifaddrmsg>(payload);
  if (!info) return Lie("an address without its header");
  std::string_view local, other;
  const bool whole =
      EachAttribute(payload.substr(std::min(payload.size(), Align(sizeof(ifaddrmsg)))),
                    [&](int type, std::string_view value) {
                      if (type == IFA_LOCAL) local = value;
                      if (type == IFA_ADDRESS) other = value;  // the peer's, if IFA_LOCAL is there
                    });
  if (!whole) return Lie("an attribute's length is wrong");
  const std::string_view ip = local.empty() ? other : local;
  const bool v4 = info->ifa_family == AF_INET && ip.size() == sizeof(in_addr);
  const bool v6 = info->ifa_family == AF_INET6 && ip.size() == sizeof(in6_addr);
  if (!v4 && !v6) return {};
  char text[INET6_ADDRSTRLEN];
  if (::inet_ntop(info->ifa_family, ip.data(), text, sizeof(text)) == nullptr) return {};
  addresses.push_back({.link = static_cast<std::int32_t>(info->ifa_index),
                       .prefix = info->ifa_prefixlen,
                       .text = text,
                       .scope = v4 ? ScopeOfV4(ip) : ScopeOfV6(ip)});
  return {};
}

template <class Add>
Result<DumpState> ParseDump(std::string_view datagram, std::uint32_t sequence, std::uint16_t type,
                            const Add& add) {
  DumpState state;
  while (!datagram.empty()) {
    const auto header = Take<nlmsghdr>(datagram);
    if (!header || header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > datagram.size()) {
      return Lie("a message's length is wrong");
    }
    const std::string_view payload =
        datagram.substr(sizeof(nlmsghdr), header->nlmsg_len - sizeof(nlmsghdr));
    datagram.remove_prefix(std::min(datagram.size(), Align(header->nlmsg_len)));
    if (header->nlmsg_seq != sequence) continue;  // the rest of a dump that was given up
    if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) state.interrupted = true;
    if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE) {
      const int error = Take<int>(payload).value_or(0);  // an old kernel's DONE has none
      if (error == -EINTR) state.interrupted = true;
      if (error < 0 && error != -EINTR) {
        return Fail(ErrnoError("netlink", "dump", error == INT_MIN ? EIO : -error));
      }
      state.done = true;
      return state;
    }
    if (header->nlmsg_type != type) continue;
    if (auto added = add(payload); !added) return Fail(std::move(added.error()));
  }
  return state;
}

}  // namespace

Result<DumpState> ParseLinks(std::string_view datagram, std::uint32_t sequence,
                             std::vector<Link>& links) {
  return ParseDump(datagram, sequence, RTM_NEWLINK,
                   [&](std::string_view payload) { return AddLink(payload, links); });
}

Result<DumpState> ParseAddresses(std::string_view datagram, std::uint32_t sequence,
                                 std::vector<Address>& addresses) {
  return ParseDump(datagram, sequence, RTM_NEWADDR,
                   [&](std::string_view payload) { return AddAddress(payload, addresses); });
}

}  // namespace sidecar::host
