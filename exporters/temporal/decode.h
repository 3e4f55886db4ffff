#pragma once
// The frontend's messages as plain values. What a message says is not trusted: times before 1970
// and negative durations become "absent", numbers of unknown enums are kept. Pure.
//
//   const Page page = Decode(response);

#include "exporters/temporal/frontend.h"

namespace temporal::api::workflowservice::v1 {
class CountWorkflowExecutionsResponse;
class DescribeNamespaceResponse;
class DescribeTaskQueueResponse;
class GetClusterInfoResponse;
class GetSystemInfoResponse;
class GetWorkflowExecutionHistoryReverseResponse;
class ListWorkflowExecutionsResponse;
}  // namespace temporal::api::workflowservice::v1
namespace temporal::api::history::v1 {
class HistoryEvent;
}

namespace sidecar::temporal {

ServerInfo Decode(const ::temporal::api::workflowservice::v1::GetSystemInfoResponse& system,
                  const ::temporal::api::workflowservice::v1::GetClusterInfoResponse* cluster);
Namespace Decode(const ::temporal::api::workflowservice::v1::DescribeNamespaceResponse& message);
CountAnswer Decode(
    const ::temporal::api::workflowservice::v1::CountWorkflowExecutionsResponse& message);
Page Decode(const ::temporal::api::workflowservice::v1::ListWorkflowExecutionsResponse& message);
HistoryPage Decode(
    const ::temporal::api::workflowservice::v1::GetWorkflowExecutionHistoryReverseResponse&
        message);
QueueAnswer Decode(const ::temporal::api::workflowservice::v1::DescribeTaskQueueResponse& message,
                   QueueType type);
HistoryEvent Decode(const ::temporal::api::history::v1::HistoryEvent& message);

}  // namespace sidecar::temporal
