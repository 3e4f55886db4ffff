// Any bytes as a datagram of a link or address dump, whose lengths may lie. The first four bytes
// are the sequence that is waited for.

#include <arpa/inet.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "exporters/host/netlink.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sidecar::host;
  std::uint32_t sequence = 0;
  if (size < sizeof(sequence)) return 0;
  std::memcpy(&sequence, data, sizeof(sequence));
  const std::string_view datagram(reinterpret_cast<const char*>(data) + sizeof(sequence),
                                  size - sizeof(sequence));
  std::vector<Link> links;
  (void)ParseLinks(datagram, sequence, links);
  for (const Link& link : links) {
    if (link.name.empty() || link.name.find('\0') != std::string::npos) std::abort();
  }
  std::vector<Address> addresses;
  (void)ParseAddresses(datagram, sequence, addresses);
  for (const Address& address : addresses) {
    unsigned char bytes[16];
    const bool known = ::inet_pton(AF_INET, address.text.c_str(), bytes) == 1 ||
                       ::inet_pton(AF_INET6, address.text.c_str(), bytes) == 1;
    if (!known) std::abort();
  }
  return 0;
}
