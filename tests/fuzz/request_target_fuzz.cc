// What a peer, or an operator, writes into our own parsers: request target, query, Accept-Encoding,
// listen address. Each must stay within its input and agree with itself.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/http/gzip.h"
#include "common/http/listener.h"
#include "common/http/target.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto target = sidecar::http::ParseTarget(text)) {
    Require(target->path.starts_with('/'));
    Require(target->path.size() + target->query.size() <= size + 1);
    std::size_t total = 0;
    for (const auto& value : sidecar::http::QueryValues(target->query, "collect[]")) {
      total += value.size();
    }
    Require(total <= target->query.size());
  }
  Require(sidecar::http::QueryValues(text, "a").size() <= size);
  if (const auto address = sidecar::http::ParseListenAddress(text)) {
    Require(address->host.size() + 2 <= size);
  }
  static_cast<void>(sidecar::http::AcceptsGzip(text));
  return 0;
}
