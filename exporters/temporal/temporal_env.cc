#include "exporters/temporal/temporal_env.h"

#include <utility>

#include "exporters/temporal/frontend.h"
#include "exporters/temporal/namespace_reader.h"
#include "exporters/temporal/state_file.h"
#include "exporters/temporal/streams.h"

namespace sidecar::temporal {

TemporalEnv::TemporalEnv(TemporalOptions options, std::shared_ptr<Frontend> frontend,
                         std::shared_ptr<Namespaces> namespaces, Runtime runtime, Keep* keep)
    : options_(std::move(options)),
      frontend_(std::move(frontend)),
      namespaces_(std::move(namespaces)),
      runtime_(runtime),
      keep_(keep),
      queues_(Kept<QueueBook>("temporal/queues", [] { return std::make_shared<QueueBook>(); })),
      gates_(Kept<Gates>("temporal/gates", [] { return std::make_shared<Gates>(); })),
      streams_(Kept<Streams>("temporal/streams/" + options_.target,
                             [&] { return std::make_shared<Streams>(runtime_.log); })),
      state_file_(
          options_.state_file.empty()
              ? nullptr
              : Kept<StateFile>("temporal/state/" + options_.target + options_.state_file, [&] {
                  return std::make_shared<StateFile>(options_.state_file, options_.target,
                                                     runtime_.clock, runtime_.log);
                })) {}

std::shared_ptr<Visibility> TemporalEnv::visibility(const std::string& name_space) {
  return std::make_shared<NamespaceReader>(frontend_, name_space);
}

void TemporalEnv::Forget(const std::string& name_space) {
  queues_->Forget(name_space);
  gates_->Forget(name_space);
  frontend_->Forget(name_space);
}

std::shared_ptr<Histories> TemporalEnv::histories(const std::string& name_space) {
  return std::make_shared<NamespaceReader>(frontend_, name_space);
}

}  // namespace sidecar::temporal
