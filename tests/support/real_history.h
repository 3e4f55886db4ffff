#pragma once
// A history that a real server wrote, as a file of tests/fixtures/temporal/histories: its events as
// the exporter reads them. Throws where there is no such file or no history in it.
//
//   for (const HistoryEvent& event : ReadHistory(path)) join.Add(event);

#include <string>
#include <vector>

#include "exporters/temporal/visibility.h"

namespace sidecar::temporal {

// As the frontend would answer: in one page, newest first.
std::vector<HistoryEvent> ReadHistory(const std::string& path);

}  // namespace sidecar::temporal
