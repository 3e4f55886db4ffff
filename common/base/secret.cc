#include "common/base/secret.h"

#include <cstdlib>

#include "common/base/file.h"

namespace sidecar {
namespace {

constexpr std::size_t kMaxBytes = 64U << 10U;

std::string WithoutNewline(std::string text) {
  if (text.ends_with('\n')) text.resize(text.size() - (text.ends_with("\r\n") ? 2 : 1));
  return text;
}

}  // namespace

Secret Secret::File(std::string path) { return {Kind::kFile, std::move(path)}; }
Secret Secret::Environment(std::string variable) {
  return {Kind::kEnvironment, std::move(variable)};
}

Result<std::string> Secret::Read() const {
  switch (kind_) {
    case Kind::kFile: {
      auto text = ReadFile(place_, {.max_bytes = kMaxBytes});
      if (!text) return Fail(std::move(text.error()).Wrap("secret"));
      return WithoutNewline(std::move(*text));
    }
    case Kind::kEnvironment: {
      const char* const text = std::getenv(place_.c_str());
      if (text == nullptr) {
        return Fail(Errc::kUnavailable, "secret: the environment has no " + place_);
      }
      std::string value(text);
      if (value.size() > kMaxBytes) {
        return Fail(Errc::kLimit, "secret: " + Describe() + " is longer than 64 KiB");
      }
      return WithoutNewline(std::move(value));
    }
    case Kind::kNone:
      break;
  }
  return Fail(Errc::kUnavailable, "secret: not set");
}

std::string Secret::Describe() const {
  switch (kind_) {
    case Kind::kFile:
      return "file " + place_;
    case Kind::kEnvironment:
      return "environment " + place_;
    case Kind::kNone:
      break;
  }
  return "not set";
}

}  // namespace sidecar
