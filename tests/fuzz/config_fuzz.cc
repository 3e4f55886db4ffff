// Bytes as a configuration file, read with every type of field, reported, printed, and what was
// printed read again: it must load and print the same.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/config/document.h"

namespace sidecar {
namespace {

void Read(TableReader root) {
  bool flag = true;
  std::int64_t integer = 5;
  double number = 0.5;
  std::string text = "text";
  std::vector<std::string> list = {"a", "b"};
  std::chrono::milliseconds duration{90'000};
  Secret secret;
  root.Field("b", flag, "").Field("i", integer, "", -100, 100'000);
  root.Field("d", number, "", -1e300, 1e300).Field("s", text, "");
  TableReader table = root.Table("t");
  table.Field("l", list, "").Field("w", duration, "").Field("p", secret, "");
  table.Table("u-v").Field("s", text, "").Reject("s", "a rule");
  for (TableReader& item : root.Tables("a")) {
    item.Field("s", text, "").Field("p", secret, "");
    for (TableReader& below : item.Tables("a")) below.Field("i", integer, "", 0, 9);
  }
  root.Ignore("o");
}

std::string ValuesOf(const Document& document) {
  std::string values;
  for (const FieldInfo& field : document.Fields()) values += field.path + "=" + field.value + "\n";
  return values;
}

void Fuzz(std::string_view text) {
  auto document = Document::Parse(text, "fuzz.toml");
  if (!document) return;
  Read(document->Root());
  static_cast<void>(document->Root().Finish());
  static_cast<void>(document->Root().Fingerprint());
  auto again = Document::Parse(document->Print(), "printed.toml");
  if (!again) std::abort();
  Read(again->Root());
  if (ValuesOf(*again) != ValuesOf(*document)) std::abort();
}

}  // namespace
}  // namespace sidecar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sidecar::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
