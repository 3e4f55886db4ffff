#include "common/config/table_reader.h"

#include <algorithm>

#include "common/base/parse.h"
#include "common/config/codecs.h"
#include "common/config/table_node.h"
#include "common/config/values.h"

namespace sidecar {
namespace {

using config::Codec;
using config::Fault;
using config::Given;
using config::Layer;
using config::Option;
using config::Value;
using Node = TableReader::Node;

void Ask(Node& node, std::string_view key) {
  if (std::ranges::find(node.asked, key) == node.asked.end()) node.asked.emplace_back(key);
}

// The option of `key`, new or as it is read again, at its default.
Option& Open(Node& node, std::string_view key, const Codec& codec, std::string_view help) {
  auto found = std::ranges::find(node.options, key, &Option::key);
  if (found == node.options.end()) {
    node.options.emplace_back();
    found = std::prev(node.options.end());
    node.state->order.push_back(&*found);
  }
  *found = Option{};
  found->key = found->printed_key = std::string(key);
  found->info.path = config::Below(node.path, key);
  found->info.type = codec.type;
  found->info.help = std::string(help);
  found->info.origin = "default";
  node.last = &*found;
  node.last_codec = codec;
  return *found;
}

void Take(Option& option, Layer layer, std::string origin) {
  option.layer = layer;
  option.info.origin = std::move(origin);
}

// After a layer was applied: the effective value as text.
void Record(Node& node) {
  Option& option = *node.last;
  option.raw = node.last_codec.print(config::Credentials::kShown);
  option.info.value = node.last_codec.print(config::Credentials::kMasked);
}

void ApplyFile(Node& node, Option& option, const Value& value) {
  if (const std::string wrong = node.last_codec.from_value(value); !wrong.empty()) {
    node.Blame(value.place, "'" + option.key + "' " + wrong);
    return;
  }
  option.place = value.place;
  Take(option, Layer::kFile, value.place.source->At(value.place.offset));
}

// The text of an environment variable, if it is there and text.
const Given* TakeEnvironment(Node& node, const std::string& name) {
  node.state->known_environment.push_back(name);
  Given* const given = node.state->FindEnvironment(name);
  if (given == nullptr) return nullptr;
  given->used = true;
  if (config::FindInvalidUtf8(given->text) == std::string_view::npos) return given;
  node.faults.push_back({{}, name, "not valid UTF-8"});
  return nullptr;
}

void ApplyEnvironment(Node& node, Option& option) {
  if (node.in_array) return;
  const std::string name = config::EnvironmentName(option.info.path);
  const Given* const given = TakeEnvironment(node, name);
  if (given == nullptr) return;
  if (const std::string wrong = node.last_codec.from_text(given->text); !wrong.empty()) {
    node.faults.push_back({{}, name, wrong});
    return;
  }
  Take(option, Layer::kEnvironment, name);
}

TableReader::Node& Read(Node& node, std::string_view key, std::string_view help,
                        const Codec& codec) {
  Ask(node, key);
  Option& option = Open(node, key, codec, help);
  if (const Value* const value = node.Find(key)) ApplyFile(node, option, *value);
  ApplyEnvironment(node, option);
  Record(node);
  return node;
}

// A secret's places in the file: KEY_file, KEY_env. The value itself is refused unseen.
void ApplySecretFile(Node& node, Option& option, Secret& value) {
  const std::string file = option.key + "_file", variable = option.key + "_env";
  if (const Value* const inline_value = node.Find(option.key)) {
    node.Blame(inline_value->key, "'" + option.key + "' would put a secret into this file: use '" +
                                      file + "' or '" + variable + "'");
  }
  const Value* const by_file = node.Find(file);
  const Value* const by_variable = node.Find(variable);
  if (by_file != nullptr && by_variable != nullptr) {
    node.Blame(by_variable->key, "both '" + file + "' and '" + variable + "' are set");
  }
  for (const Value* const given : {by_file, by_variable}) {
    if (given == nullptr) continue;
    if (given->kind != Value::Kind::kString || given->text.empty()) {
      node.Blame(given->place, "'" + (given == by_file ? file : variable) + "' must be " +
                                   (given == by_file ? "the path of a file"
                                                     : "the name of an environment variable"));
      continue;
    }
    value = given == by_file ? Secret::File(given->text) : Secret::Environment(given->text);
    option.place = given->place;
    Take(option, Layer::kFile, given->place.source->At(given->place.offset));
  }
}

void ApplySecretEnvironment(Node& node, Option& option, Secret& value) {
  if (node.in_array) return;
  const std::string name = config::EnvironmentName(option.info.path);
  if (Given* const inline_value = node.state->FindEnvironment(name)) {
    inline_value->used = true;
    node.faults.push_back({{},
                           name,
                           "would put a secret into the configuration: use " + name + "_FILE or " +
                               name + "_ENV (the name of a variable)"});
  }
  const Given* const file = TakeEnvironment(node, name + "_FILE");
  const Given* const variable = TakeEnvironment(node, name + "_ENV");
  if (file != nullptr && variable != nullptr) {
    node.faults.push_back({{}, name + "_FILE", name + "_ENV is set too"});
  }
  for (const Given* const given : {file, variable}) {
    if (given == nullptr) continue;
    if (given->text.empty()) {
      node.faults.push_back({{}, given->name, "is empty"});
      continue;
    }
    value = given == file ? Secret::File(given->text) : Secret::Environment(given->text);
    Take(option, Layer::kEnvironment, given->name);
  }
}

void RecordSecret(Node& node, const Secret& value) {
  Option& option = *node.last;
  option.printed_key = option.key + (value.environment().empty() ? "_file" : "_env");
  Record(node);
  if (value.environment().empty()) return;
  // The variable it names may begin with SIDECAR_ itself: then it is no unknown one.
  if (Given* const named = node.state->FindEnvironment(value.environment())) named->used = true;
}

std::unique_ptr<Node> MakeNode(const Node& above, std::string_view key, const Value* value) {
  auto node = std::make_unique<Node>();
  node->state = above.state;
  node->value = value;
  node->path = config::Below(above.path, key);
  node->header = config::HeaderBelow(above.header, key);
  node->in_array = above.in_array;
  return node;
}

Node::Child* FindChild(Node& node, std::string_view key) {
  const auto found = std::find_if(node.children.begin(), node.children.end(),
                                  [&](const Node::Child& child) { return child.key == key; });
  return found == node.children.end() ? nullptr : &*found;
}

void AddElements(Node& node, Node::Child& child, const Value& list, const std::string& header) {
  if (list.kind != Value::Kind::kArray) {
    node.Blame(list.kind == Value::Kind::kTable ? list.key : list.place,
               "'" + child.key + "' must be an array of tables: [[" + header + "]]");
    return;
  }
  for (std::size_t i = 0; i < list.array.size(); ++i) {
    const Value& item = list.array[i];
    if (item.kind != Value::Kind::kTable) {
      node.Blame(item.place, "'" + child.key + "' must be an array of tables; this is " +
                                 std::string(config::KindName(item)));
      continue;
    }
    child.nodes.push_back(MakeNode(node, child.key, &item));
    child.nodes.back()->path += "[" + std::to_string(i) + "]";
  }
}

void Fingerprinted(const Node& node, std::string& text) {
  for (const Option& option : node.options) {
    text += option.printed_key + " = " + option.raw + "\n";
  }
  for (const Node::Child& child : node.children) {
    for (const auto& below : child.nodes) {
      text += "[" + config::TomlKey(child.key) + "\n";
      Fingerprinted(*below, text);
      text += "]\n";
    }
  }
}

}  // namespace

TableReader& TableReader::Field(std::string_view key, bool& value, std::string_view help) {
  Read(*node_, key, help, config::CodecOf(value));
  return *this;
}

TableReader& TableReader::Field(std::string_view key, std::int64_t& value, std::string_view help,
                                std::int64_t min, std::int64_t max) {
  Read(*node_, key, help, config::CodecOf(value, min, max));
  return *this;
}

TableReader& TableReader::Field(std::string_view key, double& value, std::string_view help,
                                double min, double max) {
  Read(*node_, key, help, config::CodecOf(value, min, max));
  return *this;
}

TableReader& TableReader::Field(std::string_view key, std::string& value, std::string_view help) {
  Read(*node_, key, help, config::CodecOf(value));
  return *this;
}

TableReader& TableReader::Field(std::string_view key, std::vector<std::string>& value,
                                std::string_view help) {
  Read(*node_, key, help, config::CodecOf(value));
  return *this;
}

TableReader& TableReader::Field(std::string_view key, std::map<std::string, double>& value,
                                std::string_view help) {
  Read(*node_, key, help, config::CodecOf(value));
  return *this;
}

TableReader& TableReader::Field(std::string_view key, std::chrono::milliseconds& value,
                                std::string_view help) {
  Read(*node_, key, help, config::CodecOf(value));
  return *this;
}

TableReader& TableReader::Field(std::string_view key, Secret& value, std::string_view help) {
  for (const char* const ending : {"", "_file", "_env"}) Ask(*node_, std::string(key) + ending);
  Option& option = Open(*node_, key, config::CodecOf(value), help);
  ApplySecretFile(*node_, option, value);
  ApplySecretEnvironment(*node_, option, value);
  RecordSecret(*node_, value);
  return *this;
}

TableReader& TableReader::Flag(std::string_view spelling) {
  Option* const option = node_->last;
  if (option == nullptr) return *this;
  option->info.flags.emplace_back(spelling);
  std::vector<Given>& flags = node_->state->flags;
  node_->state->known_flags.emplace_back(spelling);
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (flags[i].name != spelling) continue;
    flags[i].used = true;
    option->uses.push_back(i);
  }
  // Among aliases too, the last on the command line wins and a list keeps the order.
  std::sort(option->uses.begin(), option->uses.end());
  const Codec& codec = node_->last_codec;
  std::vector<std::string> texts;
  texts.reserve(option->uses.size());
  for (const std::size_t use : option->uses) {
    const Given& flag = flags[use];
    std::string wrong;
    texts.push_back(flag.text);
    if (config::FindInvalidUtf8(flag.text) != std::string_view::npos) {
      wrong = "not valid UTF-8";
    } else {
      wrong = codec.from_texts ? codec.from_texts(texts) : codec.from_text(flag.text);
    }
    if (wrong.empty()) {
      Take(*option, Layer::kFlag, "--" + flag.name);
    } else {
      node_->faults.push_back({{}, "--" + flag.name, wrong});
    }
  }
  Record(*node_);
  if (option->info.type == "secret" && option->layer == Layer::kFlag) {
    option->printed_key = option->key + "_file";
  }
  return *this;
}

TableReader TableReader::Table(std::string_view key) {
  if (Node::Child* const child = FindChild(*node_, key)) {
    if (!child->array) return TableReader(child->nodes.front().get());
  }
  Ask(*node_, key);
  node_->last = nullptr;
  const Value* value = node_->Find(key);
  if (value != nullptr && value->kind != Value::Kind::kTable) {
    node_->Blame(value->place, "'" + std::string(key) + "' must be a table: [" +
                                   config::HeaderBelow(node_->header, key) + "]");
    value = nullptr;
  }
  Node::Child& child = node_->children.emplace_back();
  child.key = std::string(key);
  child.nodes.push_back(MakeNode(*node_, key, value));
  return TableReader(child.nodes.front().get());
}

std::vector<TableReader> TableReader::Tables(std::string_view key) {
  Node::Child* child = FindChild(*node_, key);
  if (child == nullptr || !child->array) {
    Ask(*node_, key);
    node_->last = nullptr;
    child = &node_->children.emplace_back();
    child->key = std::string(key);
    child->array = true;
    if (const Value* const list = node_->Find(key)) {
      AddElements(*node_, *child, *list, config::HeaderBelow(node_->header, key));
    }
    if (describing()) {
      child->nodes.push_back(MakeNode(*node_, key, nullptr));
      child->nodes.back()->path += "[]";
    }
    for (const auto& node : child->nodes) node->element = node->in_array = true;
  }
  std::vector<TableReader> readers;
  readers.reserve(child->nodes.size());
  for (const auto& node : child->nodes) readers.emplace_back(node.get());
  return readers;
}

void TableReader::Ignore(std::string_view key) {
  Ask(*node_, key);
  node_->ignored.emplace_back(key);
  node_->state->ignored_environment.push_back(
      config::EnvironmentName(config::Below(node_->path, key)) + "_");
  if (const Value* const value = node_->Find(key)) {
    if (value->kind == Value::Kind::kTable) return;
    node_->Blame(value->place, "'" + std::string(key) + "' must be a table: [" +
                                   config::HeaderBelow(node_->header, key) + "]");
  }
}

void TableReader::Reject(std::string_view key, const std::string& why) {
  if (describing()) return;
  const std::string message = key.empty() ? why : "'" + std::string(key) + "': " + why;
  for (const Option& option : node_->options) {
    if (key.empty() || option.key != key) continue;
    if (option.layer == Layer::kFile) return node_->Blame(option.place, message);
    if (option.layer != Layer::kDefault) {
      node_->faults.push_back({{}, option.info.origin, why});
      return;
    }
  }
  if (const Value* const value = key.empty() ? nullptr : node_->Find(key)) {
    return node_->Blame(value->place, message);
  }
  if (node_->value != nullptr && !node_->path.empty()) {
    return node_->Blame(node_->value->place, message);
  }
  node_->faults.push_back({{}, node_->path.empty() ? "configuration" : node_->Shown(), message});
}

bool TableReader::Has(std::string_view key) const {
  for (const Option& option : node_->options) {
    if (option.key == key) return option.layer != Layer::kDefault;
  }
  if (node_->Find(key) != nullptr) return true;
  const std::string name = config::EnvironmentName(config::Below(node_->path, key));
  return !node_->in_array && node_->state->FindEnvironment(name) != nullptr;
}

bool TableReader::describing() const { return node_->state->describing; }

std::string TableReader::Fingerprint() const {
  std::string text;
  Fingerprinted(*node_, text);
  return text;
}

Result<> TableReader::Finish() {
  if (describing()) return {};
  std::vector<Fault> faults;
  if (node_->state->node.get() == node_) {
    faults = node_->state->faults;
    config::CollectFaults(*node_, faults);
    config::CollectUnused(*node_->state, faults);
  } else {
    config::CollectFaults(*node_, faults);
  }
  return config::Report(std::move(faults));
}

}  // namespace sidecar
