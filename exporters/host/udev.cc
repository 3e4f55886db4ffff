#include "exporters/host/udev.h"

#include "common/base/parse.h"

namespace sidecar::host {
namespace {

struct Property {
  std::string_view key;
  std::string DiskProperties::*value;
};

constexpr Property kProperties[] = {
    {"ID_PATH", &DiskProperties::path},
    {"ID_WWN", &DiskProperties::wwn},
    {"ID_MODEL", &DiskProperties::model},
    {"ID_REVISION", &DiskProperties::revision},
    {"ID_FS_TYPE", &DiskProperties::fs_type},
    {"ID_FS_USAGE", &DiskProperties::fs_usage},
    {"ID_FS_UUID", &DiskProperties::fs_uuid},
    {"ID_FS_VERSION", &DiskProperties::fs_version},
    {"DM_NAME", &DiskProperties::dm_name},
    {"DM_UUID", &DiskProperties::dm_uuid},
    {"DM_VG_NAME", &DiskProperties::dm_vg_name},
    {"DM_LV_NAME", &DiskProperties::dm_lv_name},
    {"DM_LV_LAYER", &DiskProperties::dm_lv_layer},
    {"ID_ATA_WRITE_CACHE", &DiskProperties::ata_write_cache},
    {"ID_ATA_WRITE_CACHE_ENABLED", &DiskProperties::ata_write_cache_enabled},
    {"ID_ATA_ROTATION_RATE_RPM", &DiskProperties::ata_rotation_rate_rpm},
};

// The disk's own serial before the one that udev made of vendor, model and serial.
constexpr std::string_view kSerials[] = {"SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"};

}  // namespace

DiskProperties ParseUdev(std::string_view text) {
  DiskProperties disk;
  std::string_view serials[std::size(kSerials)];
  while (const auto line = NextLine(text)) {
    const std::size_t equals = line->find('=');
    if (!line->starts_with("E:") || equals == std::string_view::npos) continue;
    const std::string_view key = line->substr(2, equals - 2), value = line->substr(equals + 1);
    if (key == "ID_ATA") disk.ata = !value.empty();
    for (std::size_t i = 0; i < std::size(kSerials); ++i) {
      if (key == kSerials[i]) serials[i] = value;
    }
    for (const Property& property : kProperties) {
      if (key == property.key) disk.*property.value = value;
    }
  }
  for (const std::string_view serial : serials) {
    if (disk.serial.empty()) disk.serial = serial;
  }
  return disk;
}

}  // namespace sidecar::host
