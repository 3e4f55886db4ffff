#pragma once
// The database of the DSN, where a session is at hand: what the rotation has begun there is kept
// fresh without a login, and so is the list of databases. What fails there is left to the rotation
// until it has succeeded again, so that the session's other users have it to themselves. One thread
// at a time, the lane's; `open` keeps alive what its session needs.
//
//   HomeDatabase home(open, runner, discovery);   // a Task of the lane of that session

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/collect/collector.h"
#include "exporters/postgres/database_runner.h"

namespace sidecar::postgres {

class HomeDatabase final : public Task {
 public:
  using Open = std::function<std::unique_ptr<Session>()>;

  // The list of databases is read every `discovery`.
  HomeDatabase(Open open, std::shared_ptr<const DatabaseRunner> runner, Millis discovery);

  Result<> Run(const Scrape& scrape) override;
  Mono NotBefore() const override;
  Mono PutOff() const override { return NotBefore(); }  // the rotation may have been there

 private:
  bool Ours(const QueryMember& member, const std::string& home) const;
  bool Fails(const std::string& home) const;

  const Open open_;
  const std::shared_ptr<const DatabaseRunner> runner_;
  const Millis discovery_;
};

}  // namespace sidecar::postgres
