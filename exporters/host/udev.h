#pragma once
// What udev found out about a block device: the properties in UDEV_DATA/bMAJOR:MINOR. Pure parse;
// the values are copies.
//
//   DiskProperties disk = ParseUdev(text);

#include <string>
#include <string_view>

namespace sidecar::host {

struct DiskProperties {
  std::string path{}, wwn{}, model{}, serial{}, revision{};
  std::string fs_type{}, fs_usage{}, fs_uuid{}, fs_version{};
  std::string dm_name{}, dm_uuid{}, dm_vg_name{}, dm_lv_name{}, dm_lv_layer{};
  bool ata = false;
  std::string ata_write_cache{}, ata_write_cache_enabled{}, ata_rotation_rate_rpm{};
};

// Lines "E:KEY=VALUE"; all others are left out, and no line is a fault: udev's file is no contract.
// The serial is the first known of SCSI_IDENT_SERIAL, ID_SERIAL_SHORT and ID_SERIAL.
DiskProperties ParseUdev(std::string_view text);

}  // namespace sidecar::host
