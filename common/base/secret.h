#pragma once
// Where a credential lives (a file, an environment variable), never its value: rotation needs no
// reload, and no page or log can print it. Immutable, thread-safe.
//
//   if (options.password) {
//     Result<std::string> password = options.password.Read();
//   }

#include <iosfwd>
#include <string>

#include "common/base/result.h"

namespace sidecar {

class Secret {
 public:
  Secret() = default;  // nowhere
  static Secret File(std::string path);
  static Secret Environment(std::string variable);

  explicit operator bool() const { return kind_ != Kind::kNone; }
  // Read anew at every use, without the newline an editor left at its end; 64 KiB at most. kDenied,
  // kUnavailable (also: nowhere), kLimit.
  Result<std::string> Read() const;
  std::string Describe() const;  // "file /run/secrets/pg", "environment PGPASSWORD", "not set"

  // For who prints the configuration: "" when it is not such a place.
  std::string_view file() const { return kind_ == Kind::kFile ? place_ : std::string_view(); }
  std::string_view environment() const {
    return kind_ == Kind::kEnvironment ? place_ : std::string_view();
  }
  friend std::ostream& operator<<(std::ostream&, const Secret&) = delete;

 private:
  enum class Kind : std::uint8_t { kNone, kFile, kEnvironment };
  Secret(Kind kind, std::string place) : kind_(kind), place_(std::move(place)) {}

  Kind kind_ = Kind::kNone;
  std::string place_;
};

}  // namespace sidecar
