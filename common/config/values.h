#pragma once
// Values as configuration writes them, and the words around them: durations, booleans, TOML
// literals, suggestions. Pure functions.
//
//   ParseDuration("1m30s");                  // 90 s
//   Nearest("enabeld", {"enabled", "info"});  // "enabled"

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sidecar::config {

// "true", "false", "1", "0".
std::optional<bool> ParseBool(std::string_view text);
// Whole numbers with units, the largest first, each once: d, h, m, s, ms. A hundred years at most.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);
std::string FormatDuration(std::chrono::milliseconds value);

std::string TomlString(std::string_view text);  // quoted and escaped
std::string TomlNumber(double value);
std::string TomlKey(std::string_view key);  // quoted only where it must be

// SIDECAR_HOST_COLLECTORS_CPU_ENABLED of "host.collectors.cpu.enabled".
std::string EnvironmentName(std::string_view path);

// The nearest of `names` by edit distance (two, or a third of the length), or empty.
std::string Nearest(std::string_view word, std::span<const std::string> names);
// "; did you mean 'enabled'?" with the given quotes, or empty.
std::string DidYouMean(std::string_view word, std::span<const std::string> names,
                       std::string_view open = "'", std::string_view close = "'");

// Text from outside for a terminal: control characters and what is not UTF-8 replaced.
std::string Printable(std::string_view text);
// Offset of the first byte that is not UTF-8, or npos.
std::size_t FindInvalidUtf8(std::string_view text);

}  // namespace sidecar::config
