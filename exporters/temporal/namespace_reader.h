#pragma once
// One namespace's visibility and histories over the frontend. Thread-safe.
//
//   std::shared_ptr<Visibility> reader = std::make_shared<NamespaceReader>(frontend, "default");

#include <memory>
#include <string>
#include <utility>

#include "exporters/temporal/frontend.h"
#include "exporters/temporal/visibility.h"

namespace sidecar::temporal {

class NamespaceReader final : public Visibility, public Histories {
 public:
  NamespaceReader(std::shared_ptr<Frontend> frontend, std::string name)
      : frontend_(std::move(frontend)), name_(std::move(name)) {}

  Result<Page> List(const Scrape& scrape, const std::string& query, int page_size,
                    const std::string& token) override {
    return frontend_->List(scrape, name_, query, page_size, token);
  }
  Result<std::int64_t> Count(const Scrape& scrape, const std::string& query) override {
    auto answer = frontend_->Count(scrape, name_, query);
    if (!answer) return Fail(std::move(answer.error()));
    return answer->count;
  }
  ServerTraits traits() override { return frontend_->traits(); }
  Result<HistoryPage> Read(const Scrape& scrape, const std::string& workflow_id,
                           const std::string& run_id, const std::string& token) override {
    return frontend_->History(scrape, name_, workflow_id, run_id, token);
  }

 private:
  const std::shared_ptr<Frontend> frontend_;
  const std::string name_;
};

}  // namespace sidecar::temporal
