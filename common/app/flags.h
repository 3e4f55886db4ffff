#pragma once
// Command-line flags, made from the described configuration: nothing is spelled twice. CLI11 stays
// in the .cc. The peers' spellings: --collector.cpu, --no-collector.cpu, --collector.cpu=false,
// --web.listen-address=:9100 or --web.listen-address :9100; one dash is refused. Pure functions.
//
//   auto flags = ParseFlags(args, Describe().Fields(), {});

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/document.h"

namespace sidecar {

struct ParsedFlags {
  std::string config_file, config_dir;
  bool check = false, print = false, once = false, list_collectors = false;
  bool help = false, version = false;
  std::vector<std::pair<std::string, std::string>> values;  // for Sources::flags
};

// `args` without the program's name. kConfig: one line, naming the flag, with a suggestion where
// one is near. A flag in `refused` (all that begin so, if it ends in '*') is known from a peer but
// does not exist here yet: the error says so. Texts are not checked here but by the field that
// reads them.
Result<ParsedFlags> ParseFlags(std::span<const char* const> args, std::span<const FieldInfo> fields,
                               std::span<const std::string_view> refused);
// --help: grouped (general, web, log, path, collectors), with defaults and environment names.
std::string HelpText(std::string_view binary, std::span<const FieldInfo> fields);

}  // namespace sidecar
