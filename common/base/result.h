#pragma once
// Errors as values. Every fallible function returns Result; nothing of ours throws.
// Plain data, free to move between threads.
//
//   Result<double> load = ParseDouble(text);
//   if (!load) return Fail(std::move(load.error()).Wrap("loadavg"));

#include <cstdint>
#include <source_location>
#include <string>
#include <tl/expected.hpp>  // the one third-party header that public headers include (ADR)

namespace sidecar {

// Also the label `reason` of sidecar_collector_errors_total.
enum class Errc : std::uint8_t {
  kNoData,       // nothing of the kind here; success 0, not counted as an error
  kUnavailable,  // the watched system does not answer
  kTimeout,
  kDenied,
  kParse,
  kUnsupported,
  kLimit,  // more than the configured bound
  kConfig,
  kInternal,
};

struct Error {
  Errc code;
  std::string message;
  std::source_location where = std::source_location::current();

  // Says once per layer what was being done: "loadavg: not a number: 'x'".
  Error Wrap(const std::string& doing) && {
    message.insert(0, doing + ": ");
    return std::move(*this);
  }
};

// A class, because an alias of tl::expected would not be [[nodiscard]].
template <class T = void>
class [[nodiscard]] Result : public tl::expected<T, Error> {
  using tl::expected<T, Error>::expected;
};

inline auto Fail(Errc code, std::string message,
                 std::source_location where = std::source_location::current()) {
  return tl::unexpected<Error>(Error{code, std::move(message), where});
}
inline auto Fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace sidecar
