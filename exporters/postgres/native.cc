#include "exporters/postgres/native.h"

#include "exporters/postgres/natives.h"
#include "exporters/postgres/setting_name.h"

namespace sidecar::postgres {

const NativeSpec* FindNative(std::string_view name) {
  static constexpr NativeSpec kNatives[] = {
      {"blocking", &MakeBlocking, &BlockingFamilies},
      {"settings", &MakeSettings, &SettingsFamilies, kSettingPrefix},
      {"stat_statements", &MakeStatements, &StatementsFamilies}};
  for (const NativeSpec& native : kNatives) {
    if (native.name == name) return &native;
  }
  return nullptr;
}

Result<> RunStatement(const QueryDef& def, Session& session, const Scrape& scrape,
                      RowReader& rows) {
  auto variant = Choose(def, session.facts());
  if (!variant) return Fail(std::move(variant.error()));
  const std::string text = StatementText(def, **variant, session.facts());
  return session.Query(scrape,
                       {.name = def.name,
                        .sql = text,
                        .timeout = def.timeout,
                        .own_search_path = !def.builtin,
                        .few_rows = HasFewRows(def)},
                       rows);
}

}  // namespace sidecar::postgres
