#pragma once
// The families of the netdev collector: which of the kernel's counters each one adds up, by where
// they come from (netlink, /proc/net/dev) and by which names are wanted: those of /proc/net/dev,
// which fold several counters into one, or the kernel's own. Constant data.
//
//   for (const NetFamily& family : kNetFamilies) {
//     if (family.folded.netlink != 0) ...

#include <cstdint>

#include "common/metrics/family.h"
#include "exporters/host/netlink.h"

namespace sidecar::host {

struct NetSource {
  std::uint32_t netlink = 0;  // bit i: LinkStat i is a part
  int proc = -1;              // the column of /proc/net/dev
};
struct NetFamily {
  Family<Kind::kCounter, 1> plain;    // {device}
  Family<Kind::kCounter, 2> aliased;  // {device,ifalias}
  NetSource folded, detailed;         // nothing set: not among these names
};

consteval NetFamily Net(const char* name, const char* help, NetSource folded, NetSource detailed) {
  return {Counter(name, help, "device"), Counter(name, help, "device", "ifalias"), folded,
          detailed};
}
template <class... Stats>
consteval std::uint32_t Bits(Stats... stats) {
  return (... | (std::uint32_t{1} << stats));
}

inline constexpr NetFamily kNetFamilies[] = {
    Net("node_network_receive_bytes_total", "Bytes received.",
        {.netlink = Bits(kRxBytes), .proc = 0}, {.netlink = Bits(kRxBytes), .proc = 0}),
    Net("node_network_receive_packets_total", "Packets received.",
        {.netlink = Bits(kRxPackets), .proc = 1}, {.netlink = Bits(kRxPackets), .proc = 1}),
    Net("node_network_receive_errs_total", "Packets received with an error of any kind.",
        {.netlink = Bits(kRxErrors), .proc = 2}, {}),
    Net("node_network_receive_errors_total", "Packets received with an error of any kind.", {},
        {.netlink = Bits(kRxErrors), .proc = 2}),
    Net("node_network_receive_drop_total",
        "Packets received and dropped: no room for them, or nobody took them.",
        {.netlink = Bits(kRxDropped, kRxMissedErrors), .proc = 3}, {}),
    Net("node_network_receive_dropped_total", "Packets received and dropped by the kernel.", {},
        {.netlink = Bits(kRxDropped), .proc = 3}),
    Net("node_network_receive_missed_errors_total", "Packets that the host had no room for.", {},
        {.netlink = Bits(kRxMissedErrors)}),
    Net("node_network_receive_fifo_total", "Overruns of the receive queue.",
        {.netlink = Bits(kRxFifoErrors), .proc = 4}, {.proc = 4}),
    Net("node_network_receive_fifo_errors_total", "Overruns of the receive queue.", {},
        {.netlink = Bits(kRxFifoErrors)}),
    Net("node_network_receive_frame_total",
        "Packets received with a wrong length, checksum or frame.",
        {.netlink = Bits(kRxFrameErrors, kRxLengthErrors, kRxOverErrors, kRxCrcErrors), .proc = 5},
        {.proc = 5}),
    Net("node_network_receive_frame_errors_total", "Packets received with a misaligned frame.", {},
        {.netlink = Bits(kRxFrameErrors)}),
    Net("node_network_receive_length_errors_total", "Packets received with a wrong length.", {},
        {.netlink = Bits(kRxLengthErrors)}),
    Net("node_network_receive_over_errors_total", "Packets received that the ring had no room for.",
        {}, {.netlink = Bits(kRxOverErrors)}),
    Net("node_network_receive_crc_errors_total", "Packets received with a wrong checksum.", {},
        {.netlink = Bits(kRxCrcErrors)}),
    Net("node_network_receive_compressed_total", "Compressed packets received.",
        {.netlink = Bits(kRxCompressed), .proc = 6}, {.netlink = Bits(kRxCompressed), .proc = 6}),
    Net("node_network_receive_multicast_total", "Multicast packets received.",
        {.netlink = Bits(kMulticast), .proc = 7}, {.proc = 7}),
    Net("node_network_multicast_total", "Multicast packets received.", {},
        {.netlink = Bits(kMulticast)}),
    Net("node_network_receive_nohandler_total", "Packets received that no protocol wanted.",
        {.netlink = Bits(kRxNohandler)}, {.netlink = Bits(kRxNohandler)}),
    Net("node_network_transmit_bytes_total", "Bytes sent.", {.netlink = Bits(kTxBytes), .proc = 8},
        {.netlink = Bits(kTxBytes), .proc = 8}),
    Net("node_network_transmit_packets_total", "Packets sent.",
        {.netlink = Bits(kTxPackets), .proc = 9}, {.netlink = Bits(kTxPackets), .proc = 9}),
    Net("node_network_transmit_errs_total", "Packets not sent because of an error of any kind.",
        {.netlink = Bits(kTxErrors), .proc = 10}, {}),
    Net("node_network_transmit_errors_total", "Packets not sent because of an error of any kind.",
        {}, {.netlink = Bits(kTxErrors), .proc = 10}),
    Net("node_network_transmit_drop_total", "Packets dropped on their way out.",
        {.netlink = Bits(kTxDropped), .proc = 11}, {}),
    Net("node_network_transmit_dropped_total", "Packets dropped on their way out.", {},
        {.netlink = Bits(kTxDropped), .proc = 11}),
    Net("node_network_transmit_fifo_total", "Underruns of the send queue.",
        {.netlink = Bits(kTxFifoErrors), .proc = 12}, {.proc = 12}),
    Net("node_network_transmit_fifo_errors_total", "Underruns of the send queue.", {},
        {.netlink = Bits(kTxFifoErrors)}),
    Net("node_network_transmit_colls_total", "Collisions while sending.",
        {.netlink = Bits(kCollisions), .proc = 13}, {.proc = 13}),
    Net("node_network_collisions_total", "Collisions while sending.", {},
        {.netlink = Bits(kCollisions)}),
    Net("node_network_transmit_carrier_total",
        "Packets not sent: no carrier, aborted, no heartbeat, or too late.",
        {.netlink = Bits(kTxCarrierErrors, kTxAbortedErrors, kTxHeartbeatErrors, kTxWindowErrors),
         .proc = 14},
        {.proc = 14}),
    Net("node_network_transmit_carrier_errors_total",
        "Packets not sent because the carrier was lost.", {}, {.netlink = Bits(kTxCarrierErrors)}),
    Net("node_network_transmit_aborted_errors_total", "Packets whose sending was aborted.", {},
        {.netlink = Bits(kTxAbortedErrors)}),
    Net("node_network_transmit_heartbeat_errors_total",
        "Packets sent without a heartbeat on half-duplex Ethernet.", {},
        {.netlink = Bits(kTxHeartbeatErrors)}),
    Net("node_network_transmit_window_errors_total",
        "Packets not sent because of a late collision.", {}, {.netlink = Bits(kTxWindowErrors)}),
    Net("node_network_transmit_compressed_total", "Compressed packets sent.",
        {.netlink = Bits(kTxCompressed), .proc = 15}, {.netlink = Bits(kTxCompressed), .proc = 15}),
};

inline constexpr auto kNetAddress =
    Gauge("node_network_address_info", "An address of the interface; always 1.", "device",
          "address", "netmask", "scope");

inline constexpr auto kNetFamilyInfos = [] {
  std::array<FamilyInfo, std::size(kNetFamilies) + 1> all{};
  for (std::size_t i = 0; i < std::size(kNetFamilies); ++i) all[i] = kNetFamilies[i].plain.info();
  all.back() = kNetAddress.info();
  return all;
}();

}  // namespace sidecar::host
