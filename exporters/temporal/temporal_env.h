#pragma once
// What the Temporal exporter lends its collectors and tasks: the connection, the namespaces, and of
// each namespace its visibility and histories. One per generation; what is behind it outlives a
// reload. Thread-safe.
//
//   const auto known = env->namespaces().Get(scrape);
//   for (const Namespace& one : (*known)->watched) {
//     const auto page = env->visibility(one.name)->List(scrape, query, 1'000, "");
//   }

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "common/base/runtime.h"
#include "common/collect/collector.h"
#include "common/collect/keep.h"
#include "exporters/temporal/gate.h"
#include "exporters/temporal/namespaces.h"
#include "exporters/temporal/queue_book.h"
#include "exporters/temporal/visibility.h"

namespace sidecar::temporal {

class Frontend;
class StateFile;
class Streams;

struct TemporalOptions {
  std::string target{};                    // which frontend the counters are of: its address
  std::string state_file{};                // of the streams; empty: none
  std::vector<std::string> task_queues{};  // configured: "queue" (every namespace) or "ns/queue"
};

class TemporalEnv {
 public:
  // `keep` (none in tests) lives as long as the exporter and is used only while a plan is built.
  TemporalEnv(TemporalOptions options, std::shared_ptr<Frontend> frontend,
              std::shared_ptr<Namespaces> namespaces, Runtime runtime, Keep* keep = nullptr);

  const TemporalOptions& options() const { return options_; }
  const Runtime& runtime() const { return runtime_; }
  Frontend& frontend() const { return *frontend_; }
  Namespaces& namespaces() const { return *namespaces_; }
  std::shared_ptr<Visibility> visibility(const std::string& name_space);
  std::shared_ptr<Histories> histories(const std::string& name_space);
  // Streams and histories say which queues they saw: the collector task_queues asks for those.
  QueueBook& queues() const { return *queues_; }
  Streams& streams() const { return *streams_; }
  StateFile* state_file() const { return state_file_.get(); }  // null: none
  // Which collector is off in which namespace.
  Gates& gates() const { return *gates_; }

  // Of a namespace that is no longer watched, all that was learned.
  void Forget(const std::string& name_space);

  // State that outlives a reload. Only while the plan is built.
  template <class T, class Make>
  std::shared_ptr<T> Kept(const std::string& key, Make make) const {
    return keep_ == nullptr ? make() : keep_->Get<T>(key, make);
  }

 private:
  const TemporalOptions options_;
  const std::shared_ptr<Frontend> frontend_;
  const std::shared_ptr<Namespaces> namespaces_;
  const Runtime runtime_;
  Keep* const keep_;
  const std::shared_ptr<QueueBook> queues_;
  const std::shared_ptr<Gates> gates_;
  const std::shared_ptr<Streams> streams_;
  const std::shared_ptr<StateFile> state_file_;
};

// The exporter's collectors, in the order of its CMakeLists.txt (generated).
std::span<const CollectorSpec<TemporalEnv>* const> Collectors();

}  // namespace sidecar::temporal
