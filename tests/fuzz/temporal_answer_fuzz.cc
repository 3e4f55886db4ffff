// Any bytes as an answer of the frontend; the first byte says to which call, or that they are the
// details of an error. Times are never negative, runs of numbers never overflow (UBSan).

#include <cstdint>
#include <cstdlib>
#include <string>

#include "exporters/temporal/decode.h"
#include "exporters/temporal/rpc_error.h"
#include "google/protobuf/stubs/logging.h"
#include "temporal/api/workflowservice/v1/request_response.pb.h"

namespace {

namespace ws = temporal::api::workflowservice::v1;
using namespace sidecar::temporal;

void Expect(bool holds) {
  if (!holds) std::abort();
}

template <class Message>
Message Parsed(const std::string& bytes) {
  Message message;
  if (!message.ParseFromString(bytes)) message.Clear();
  return message;
}

void CheckRows(const std::string& bytes) {
  for (const Execution& run : Decode(Parsed<ws::ListWorkflowExecutionsResponse>(bytes)).rows) {
    Expect(run.start_ns >= 0 && run.execution_ns >= 0 && run.close_ns >= 0);
    Expect(run.duration_ns >= -1 && run.history_length >= 0 && !Name(run.status).empty());
  }
}

void CheckQueue(const std::string& bytes) {
  const auto message = Parsed<ws::DescribeTaskQueueResponse>(bytes);
  for (const QueueType type : {QueueType::kWorkflow, QueueType::kActivity}) {
    const QueueAnswer answer = Decode(message, type);
    Expect(!answer.stats || (answer.stats->backlog >= 0 && answer.stats->add_rate >= 0 &&
                             answer.stats->backlog_age_seconds >= 0));
    for (const Poller& poller : answer.pollers) Expect(poller.last_access_ns >= 0);
  }
}

void CheckHistory(const std::string& bytes) {
  const auto page = Decode(Parsed<ws::GetWorkflowExecutionHistoryReverseResponse>(bytes));
  for (const HistoryEvent& event : page.events) Expect(event.time_ns >= 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  google::protobuf::SetLogHandler(nullptr);
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      CheckRows(bytes);
      break;
    case 1:
      Expect(Decode(Parsed<ws::CountWorkflowExecutionsResponse>(bytes)).count >= 0);
      break;
    case 2:
      CheckQueue(bytes);
      break;
    case 3:
      CheckHistory(bytes);
      break;
    case 4: {
      const auto cluster = Parsed<ws::GetClusterInfoResponse>(bytes);
      const ServerTraits traits =
          TraitsOf(Decode(Parsed<ws::GetSystemInfoResponse>(bytes), &cluster));
      Expect(traits.major >= 0 && traits.minor >= 0);
      break;
    }
    case 5:
      Expect(Decode(Parsed<ws::DescribeNamespaceResponse>(bytes)).described);
      break;
    case 6:
      Expect(!Explain({.code = Code::kResourceExhausted, .message = {}, .details = bytes})
                  .cause.empty());
      break;
    default:
      Expect(Explain({.code = Code::kPermissionDenied, .message = {}, .details = bytes})
                 .error.message.size() < 4'096);
  }
  return 0;
}
