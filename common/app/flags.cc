#include "common/app/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "common/base/parse.h"
#include "common/config/values.h"

namespace sidecar {
namespace {

struct General {
  std::string_view spelling, operand, help;  // no operand: a switch
};
constexpr std::array<General, 8> kGeneral = {{
    {"help", "", "This text; also -h."},
    {"version", "", "The version."},
    {"config.file", "FILE", "The configuration, TOML."},
    {"config.dir", "DIR", "Its *.toml are read in the order of their names and merged."},
    {"config.check", "", "Checks the configuration and ends: 0 if it is valid, 2 if not."},
    {"config.print", "", "Prints the effective configuration, each value with its origin."},
    {"once", "", "Prints one exposition and ends."},
    {"list-collectors", "", "Prints the collectors and whether they are on."},
}};

std::string_view NameOf(std::string_view argument) {  // "--name=value": "name"
  argument.remove_prefix(std::min(argument.find_first_not_of('-'), argument.size()));
  return argument.substr(0, argument.find('='));
}

// The flags there are, by spelling without dashes. A switch takes no operand.
class Spellings {
 public:
  explicit Spellings(std::span<const FieldInfo> fields) {
    for (const General& flag : kGeneral) Add(std::string(flag.spelling), flag.operand.empty());
    for (const FieldInfo& field : fields) {
      const bool is_switch = field.type == "bool";
      for (const std::string& spelling : field.flags) {
        Add(spelling, is_switch);
        if (is_switch) Add("no-" + spelling, true);
      }
    }
  }

  // Exporters in one binary may share a spelling.
  const std::map<std::string, bool, std::less<>>& switches() const { return switches_; }
  const std::vector<std::string>& names() const { return names_; }
  bool Has(std::string_view name) const { return switches_.find(name) != switches_.end(); }
  bool TakesOperand(std::string_view name) const {
    const auto found = switches_.find(name);
    return found != switches_.end() && !found->second;
  }

 private:
  void Add(std::string name, bool is_switch) {
    if (switches_.emplace(name, is_switch).second) names_.push_back(std::move(name));
  }

  std::map<std::string, bool, std::less<>> switches_;
  std::vector<std::string> names_;
};

// What CLI11 2.1.2 gets wrong for us, put right before it looks: "--name=" takes the next argument
// as its value (peers' users write --collector.x.exclude= to exclude nothing), and so does "--name
// --other".
Result<std::vector<std::string>> Prepare(std::span<const char* const> args,
                                         const Spellings& spellings) {
  std::vector<std::string> prepared;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string_view arg = args[i];
    const bool operand = arg.starts_with("--") && spellings.TakesOperand(NameOf(arg));
    if (operand && arg.find('=') == std::string_view::npos) {
      prepared.emplace_back(arg);
      if (i + 1 == args.size() || std::string_view(args[i + 1]).starts_with("--")) {
        return Fail(Errc::kConfig, std::string(arg) + " needs a value");
      }
      prepared.emplace_back(args[++i]);
    } else if (operand && arg.find('=') + 1 == arg.size()) {
      prepared.emplace_back(arg.substr(0, arg.size() - 1));
      prepared.emplace_back();
    } else {
      prepared.emplace_back(arg);
    }
  }
  return prepared;
}

bool IsRefused(std::string_view name, std::span<const std::string_view> refused) {
  if (name.starts_with("no-")) name.remove_prefix(3);
  return std::any_of(refused.begin(), refused.end(), [&](std::string_view flag) {
    if (!flag.ends_with('*')) return flag == name;
    return name.starts_with(flag.substr(0, flag.size() - 1));
  });
}

std::string ExplainUnknown(std::string_view argument, const Spellings& spellings,
                           std::span<const std::string_view> refused) {
  const std::string_view name = NameOf(argument);
  if (!argument.starts_with('-') || name.empty()) return "unexpected argument " + Quoted(argument);
  const std::string shown = config::Printable(name.substr(0, 80));
  const bool one_dash = !argument.starts_with("--");
  if (one_dash && (spellings.Has(name) || IsRefused(name, refused))) {
    return "-" + shown + ": flags have two dashes: --" + shown;
  }
  if (IsRefused(name, refused)) {
    return "--" + shown +
           " is a flag of the exporter this one replaces; it does not exist here yet";
  }
  return std::string("unknown flag ") + (one_dash ? "-" : "--") + shown +
         config::DidYouMean(name, spellings.names(), "--", "");
}

Result<> Store(std::string_view name, const std::string& value, ParsedFlags& parsed) {
  const std::pair<std::string_view, bool*> switches[] = {
      {"help", &parsed.help},          {"version", &parsed.version},
      {"config.check", &parsed.check}, {"config.print", &parsed.print},
      {"once", &parsed.once},          {"list-collectors", &parsed.list_collectors}};
  for (const auto& [spelling, flag] : switches) {
    if (name != spelling) continue;
    const auto on = config::ParseBool(value);
    if (!on)
      return Fail(Errc::kConfig, "--" + std::string(name) + ": not a boolean: " + Quoted(value));
    *flag = *on;
    return {};
  }
  if (name == "config.file" || name == "config.dir") {
    (name == "config.file" ? parsed.config_file : parsed.config_dir) = value;
  } else {
    parsed.values.emplace_back(name, value);
  }
  return {};
}

// --no-x=TEXT is x with the opposite of TEXT; what is no boolean is left for the field to refuse.
std::pair<std::string, std::string> Positive(const std::string& name, const std::string& value,
                                             const std::set<std::string, std::less<>>& negations) {
  if (!negations.contains(name)) return {name, value};
  const auto given = config::ParseBool(value);
  return {name.substr(3), !given ? value : *given ? "false" : "true"};
}

std::set<std::string, std::less<>> Negations(std::span<const FieldInfo> fields) {
  std::set<std::string, std::less<>> negations;
  for (const FieldInfo& field : fields) {
    if (field.type != "bool") continue;
    for (const std::string& spelling : field.flags) negations.insert("no-" + spelling);
  }
  return negations;
}

std::string Operand(std::string_view type) {
  if (type == "integer" || type == "number") return "N";
  if (type == "duration") return "DURATION";
  if (type == "secret") return "FILE";
  return "TEXT";
}

void DescribeFlags(const FieldInfo& field, std::string& text) {
  for (const std::string& spelling : field.flags) {
    text += field.type == "bool" ? "  --[no-]" + spelling
                                 : "  --" + spelling + "=" + Operand(field.type);
    text += field.type == "strings" ? " ...\n" : "\n";
  }
  text += "        " + field.help + "\n        Default " + field.value + ", key " + field.path +
          ", environment " + config::EnvironmentName(field.path) +
          (field.type == "secret" ? "_FILE\n" : "\n");
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kGroups = {{
    {"General", "config."},
    {"Web", "web."},
    {"Log", "log."},
    {"Path", "path."},
    {"Collectors", "collector."},
    {"Other", ""},
}};

std::string_view GroupOf(std::string_view spelling) {
  return std::find_if(kGroups.begin(), kGroups.end() - 1,
                      [&](const auto& group) { return spelling.starts_with(group.second); })
      ->first;
}

}  // namespace

Result<ParsedFlags> ParseFlags(std::span<const char* const> args, std::span<const FieldInfo> fields,
                               std::span<const std::string_view> refused) try {
  const Spellings spellings(fields);
  auto prepared = Prepare(args, spellings);
  if (!prepared) return Fail(std::move(prepared.error()));

  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::map<const CLI::Option*, std::string> names;
  for (const auto& [name, is_switch] : spellings.switches()) {
    CLI::Option* const option = is_switch
                                    ? app.add_flag("--" + name)
                                    : app.add_option("--" + name, CLI::callback_t())->expected(1);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    names.emplace(option, name);
  }
  std::reverse(prepared->begin(), prepared->end());  // as CLI11 wants a vector
  app.parse(std::move(*prepared));

  ParsedFlags parsed;
  const auto negations = Negations(fields);
  std::map<const CLI::Option*, std::size_t> taken;
  for (const CLI::Option* const option : app.parse_order()) {
    const std::string& text = option->results().at(taken[option]++);
    const auto [name, value] = Positive(names.at(option), text, negations);
    if (auto stored = Store(name, value, parsed); !stored) return Fail(std::move(stored.error()));
  }
  std::vector<std::string> unknown = app.remaining();
  parsed.help = parsed.help || std::erase(unknown, "-h") > 0;
  if (!unknown.empty() && !parsed.help) {
    return Fail(Errc::kConfig, ExplainUnknown(unknown.front(), spellings, refused));
  }
  return parsed;
} catch (const std::exception& error) {  // CLI11 reports by throwing
  std::string_view what = error.what();
  return Fail(Errc::kConfig, "flags: " + config::Printable(NextLine(what).value_or("unreadable")));
}

std::string HelpText(std::string_view binary, std::span<const FieldInfo> fields) {
  const std::string name(binary);
  std::string text = "Usage: " + name + " [flags]\n       " + name +
                     " healthcheck [flags]   whether the one with these flags is alive: 0, or 1\n"
                     "\nPrecedence, rising: defaults, files, environment, flags.\n";
  for (const auto& [group, prefix] : kGroups) {
    std::string flags;
    if (group == "General") {
      for (const General& flag : kGeneral) {
        flags += "  --" + std::string(flag.spelling);
        if (!flag.operand.empty()) flags += "=" + std::string(flag.operand);
        flags += "\n        " + std::string(flag.help) + "\n";
      }
    }
    for (const FieldInfo& field : fields) {
      if (!field.flags.empty() && GroupOf(field.flags.front()) == group) {
        DescribeFlags(field, flags);
      }
    }
    if (!flags.empty()) text += "\n" + std::string(group) + ":\n" + flags;
  }
  return text + "\nKeys without a flag: --config.print shows them all.\n";
}

}  // namespace sidecar
