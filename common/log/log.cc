#include "common/log/log.h"

#include <unistd.h>

#include <array>
#include <ctime>
#include <map>
#include <mutex>

namespace sidecar {
namespace {

constexpr std::size_t kMaxValue = 256;
constexpr std::size_t kMaxMessages = 256;  // distinct messages whose rate is remembered
constexpr std::string_view kLevels[] = {"debug", "info", "warn", "error"};

std::string Timestamp(Wall now) {
  const auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(millis / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 40> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::string result(text.data(), length);
  const std::string fraction = std::to_string(1000 + millis % 1000);
  return result + "." + fraction.substr(1) + "Z";
}

bool NeedsQuotes(std::string_view value) {
  for (const char c : value) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == '\x7f') return true;
  }
  return value.empty();
}

// A JSON string; logfmt quotes in the same way. Bytes from outside may not be UTF-8: those above
// ASCII pass only as whole sequences elsewhere, so control characters are all that is escaped here.
void AppendQuoted(std::string& line, std::string_view value) {
  constexpr char kHex[] = "0123456789abcdef";
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (c == '\t') {
      line += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == '\x7f') {
      line += "\\u00";
      line += kHex[static_cast<unsigned char>(c) >> 4U];
      line += kHex[static_cast<unsigned char>(c) & 0xfU];
    } else {
      line += c;
    }
  }
  line += '"';
}

std::size_t SequenceLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

// At most kMaxValue bytes, no sequence cut in two, a byte that is no UTF-8 as '?'.
std::string Clean(std::string_view value) {
  std::string clean;
  clean.reserve(std::min(value.size(), kMaxValue));
  for (std::size_t i = 0; i < value.size();) {
    const std::size_t length = SequenceLength(static_cast<unsigned char>(value[i]));
    bool whole = length > 0 && i + length <= value.size();
    for (std::size_t k = 1; whole && k < length; ++k) {
      whole = (static_cast<unsigned char>(value[i + k]) & 0xc0U) == 0x80U;
    }
    const std::string_view next = whole ? value.substr(i, length) : std::string_view("?");
    if (clean.size() + next.size() > kMaxValue) return clean + "...";
    clean += next;
    i += whole ? length : 1;
  }
  return clean;
}

void ToStderr(std::string_view line) {
  // One write, so that lines of several processes on one pipe stay whole. A full disk or a closed
  // pipe must not stop the exporter: there is nowhere left to say so.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

struct Log::Impl {
  struct Rate {
    std::int64_t minute = 0;
    int lines = 0, left_out = 0;
  };

  Impl(const Clock& c, LogOptions o, Write w)
      : clock(c), options(o), write(w ? std::move(w) : Write(ToStderr)) {}

  void Line(Level level, std::string_view message, const LogField* fields, std::size_t count) {
    const std::scoped_lock lock(mutex);
    if (level < options.level) return;
    int left_out = 0;
    if (!Admit(message, left_out)) return;
    line.clear();
    if (options.format == LogFormat::kJson) line += '{';
    Field("ts", Timestamp(clock.wall()));
    Field("level", kLevels[static_cast<std::size_t>(level)]);
    Field("msg", message);
    for (std::size_t i = 0; i < count; ++i) Field(fields[i].key, Clean(fields[i].value));
    if (left_out > 0) Field("left_out", std::to_string(left_out));
    if (options.format == LogFormat::kJson) line += '}';
    line += '\n';
    write(line);
  }

  bool Admit(std::string_view message, int& left_out) {
    const auto minute =
        std::chrono::duration_cast<std::chrono::minutes>(clock.mono().time_since_epoch()).count();
    if (rates.size() >= kMaxMessages && !rates.contains(message)) rates.clear();
    Rate& rate = rates[std::string(message)];
    if (rate.minute != minute) {
      left_out = rate.left_out;
      rate = {minute, 0, 0};
    }
    if (rate.lines >= options.burst) {
      ++rate.left_out;
      return false;
    }
    ++rate.lines;
    return true;
  }

  void Field(std::string_view key, std::string_view value) {
    if (options.format == LogFormat::kJson) {
      if (line.size() > 1) line += ',';
      AppendQuoted(line, key);
      line += ':';
      AppendQuoted(line, value);
      return;
    }
    if (!line.empty()) line += ' ';
    line += key;
    line += '=';
    if (NeedsQuotes(value)) {
      AppendQuoted(line, value);
    } else {
      line += value;
    }
  }

  const Clock& clock;
  std::mutex mutex;  // guards what follows
  LogOptions options;
  Write write;
  std::map<std::string, Rate, std::less<>> rates;
  std::string line;
};

Log::Log(const Clock& clock, LogOptions options, Write write)
    : impl_(std::make_unique<Impl>(clock, options, std::move(write))) {}
Log::~Log() = default;

void Log::Set(LogOptions options) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->options = options;
}
void Log::Debug(std::string_view message, Fields fields) {
  impl_->Line(Level::kDebug, message, fields.begin(), fields.size());
}
void Log::Info(std::string_view message, Fields fields) {
  impl_->Line(Level::kInfo, message, fields.begin(), fields.size());
}
void Log::Warn(std::string_view message, Fields fields) {
  impl_->Line(Level::kWarn, message, fields.begin(), fields.size());
}
void Log::Error(std::string_view message, Fields fields) {
  impl_->Line(Level::kError, message, fields.begin(), fields.size());
}

}  // namespace sidecar
