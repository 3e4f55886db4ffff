#pragma once
// Pages for a person: / and /status. Pure functions of what they show.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/collect/engine.h"

namespace sidecar {

struct ExporterStatus {
  std::string name, metrics_path;
  std::vector<MemberStatus> members;
};

std::string EscapeHtml(std::string_view text);
std::string LandingPage(std::string_view name, std::span<const ExporterStatus> exporters);
std::string StatusPage(std::string_view name, std::span<const ExporterStatus> exporters);

}  // namespace sidecar
