#pragma once
// Key-value log lines to stderr, logfmt or JSON. The message is constant, the data is in fields, so
// that one line can be counted and found. Thread-safe. A message of one level repeats at most
// `burst` times a minute; the next minute says how many were left out. Values are cut at 256 bytes.
//
//   log.Warn("collector failed", {{"collector", name}, {"reason", "parse"}, {"err", e.message}});

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace sidecar {

enum class Level : std::uint8_t { kDebug, kInfo, kWarn, kError };
enum class LogFormat : std::uint8_t { kLogfmt, kJson };

struct LogOptions {
  Level level = Level::kInfo;
  LogFormat format = LogFormat::kLogfmt;
  int burst = 60;  // lines of one message and minute
};

struct LogField {
  std::string_view key;
  std::string value;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  template <class N>
    requires std::is_arithmetic_v<N>
  LogField(std::string_view k, N v) : key(k), value(std::to_string(v)) {}
};

class Log {
 public:
  using Fields = std::initializer_list<LogField>;
  using Write = std::function<void(std::string_view line)>;  // default: one write(2) to stderr

  explicit Log(const Clock& clock, LogOptions options = {}, Write write = {});
  ~Log();

  void Set(LogOptions options);  // a reload
  void Debug(std::string_view message, Fields fields = {});
  void Info(std::string_view message, Fields fields = {});
  void Warn(std::string_view message, Fields fields = {});
  void Error(std::string_view message, Fields fields = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sidecar
