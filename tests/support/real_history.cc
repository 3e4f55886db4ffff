#include "tests/support/real_history.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "exporters/temporal/decode.h"
#include "temporal/api/workflowservice/v1/request_response.pb.h"

namespace sidecar::temporal {

std::vector<HistoryEvent> ReadHistory(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  ::temporal::api::workflowservice::v1::GetWorkflowExecutionHistoryReverseResponse response;
  if (bytes.empty() || !response.mutable_history()->ParseFromString(bytes)) {
    throw std::runtime_error("no history: " + path);
  }
  auto* const events = response.mutable_history()->mutable_events();
  std::reverse(events->pointer_begin(), events->pointer_end());
  return Decode(response).events;
}

}  // namespace sidecar::temporal
