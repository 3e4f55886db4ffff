#pragma once
// What --config.check says of each collector on the server, when it can be reached: that it runs,
// how many series it gave, or why it does not. Runs each once: of scope database in the DSN's
// database, or in the first that it is for. Stateless; blocks for `patience` and the longest
// timeout of them at most.
//
//   std::string text = CheckMembers(*server, members, filter, Millis(20'000));

#include <memory>
#include <string>
#include <vector>

#include "exporters/postgres/discovery.h"
#include "exporters/postgres/query_member.h"
#include "exporters/postgres/server.h"

namespace sidecar::postgres {

std::string CheckMembers(Server& server,
                         const std::vector<std::shared_ptr<const QueryMember>>& members,
                         const DatabaseFilter& filter, Millis patience);

}  // namespace sidecar::postgres
