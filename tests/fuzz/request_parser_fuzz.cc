// A connection's bytes: the first byte says in what pieces they arrive. However they are cut, the
// outcome is the same, and bounded.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/http/request_parser.h"

namespace {

constexpr std::size_t kMaxHeader = 1'024;

struct End {
  int status = 0;
  bool done = false;
  std::string method, target;
  std::size_t fields = 0;
  bool operator==(const End&) const = default;
};

End Feed(std::string_view text, std::size_t piece) {
  sidecar::http::RequestParser parser(kMaxHeader, 64);
  sidecar::http::RequestParser::Step step;
  std::string buffer;
  while (!text.empty() && step.status == 0 && !step.done) {
    buffer += text.substr(0, piece);
    text.remove_prefix(std::min(piece, text.size()));
    step = parser.Put(buffer);
    if (step.used > buffer.size()) std::abort();
    buffer.erase(0, step.used);
  }
  if (!step.done) return {step.status, false, {}, {}, 0};
  const auto& head = parser.head();
  if (head.target.size() + head.method.size() > kMaxHeader) std::abort();
  return {0, true, head.method, head.target, head.fields.size()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const End whole = Feed(text, text.size());
  const End pieces = Feed(text, data[0] % 32U + 1U);
  // Near the limit, bytes between the fields count only when they arrive apart.
  if (whole.done && pieces.status != 431 && !(whole == pieces)) std::abort();
  return 0;
}
