// expect: error: ignoring return(ed)? value of
#include "common/metrics/sink.h"

namespace sidecar {

Result<> Collect(Sink& sink);

void Run(Sink& sink) { Collect(sink); }

}  // namespace sidecar
