#pragma once
// A request's target taken apart. Pure functions; hostile input is safe and costs linear time.
//
//   const auto target = http::ParseTarget("/metrics?collect%5B%5D=cpu");
//   http::QueryValues(target->query, "collect[]");  // {"cpu"}

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sidecar::http {

struct Target {
  std::string path;   // decoded
  std::string query;  // as it came
};

// Origin form ("/a?b") or absolute form ("http://host/a?b"). Nothing for other forms, and for a
// path with a malformed escape.
std::optional<Target> ParseTarget(std::string_view text);

// Values of `key` in order: percent-decoded, '+' a blank; a malformed escape stays as it is.
std::vector<std::string> QueryValues(std::string_view query, std::string_view key);

}  // namespace sidecar::http
