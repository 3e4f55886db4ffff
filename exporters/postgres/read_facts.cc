#include "exporters/postgres/read_facts.h"

#include "common/base/parse.h"

namespace sidecar::postgres {
namespace {

constexpr std::size_t kColumns = 14;
constexpr char kFieldEnd = '\x1f', kRecordEnd = '\x1e';

std::string_view TakeUntil(std::string_view& rest, char end) {
  const std::size_t at = std::min(rest.find(end), rest.size());
  const std::string_view piece = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return piece;
}

std::vector<Facts::Extension> ReadExtensions(std::string_view text) {
  std::vector<Facts::Extension> extensions;
  while (!text.empty()) {
    std::string_view record = TakeUntil(text, kRecordEnd);
    Facts::Extension& extension = extensions.emplace_back();
    extension.name = TakeUntil(record, kFieldEnd);
    extension.version = TakeUntil(record, kFieldEnd);
    extension.schema = record;
  }
  return extensions;
}

}  // namespace

const char* const kFactsSql =
    "SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.version(),"
    " pg_catalog.current_setting('server_version'), pg_catalog.current_database(),"
    " pg_catalog.current_setting('server_encoding'), pg_catalog.pg_is_in_recovery(),"
    " pg_catalog.current_setting('is_superuser') = 'on',"
    " pg_catalog.pg_has_role('pg_monitor', 'USAGE'),"
    " pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),"
    " extract(epoch FROM pg_catalog.pg_postmaster_start_time())::float8,"
    " extract(epoch FROM pg_catalog.pg_conf_load_time())::float8,"
    " (SELECT pg_catalog.string_agg(e.extname || E'\\x1f' || e.extversion || E'\\x1f' || n.nspname,"
    " E'\\x1e' ORDER BY e.extname) FROM pg_catalog.pg_extension e"
    " JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace),"
    " pg_catalog.pg_backend_pid(),"
    " (SELECT extract(epoch FROM a.backend_start)::text"
    " FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a)";

Result<> FactsReader::Begin(std::span<const Column> columns) {
  if (columns.size() != kColumns) return Fail(Errc::kInternal, "facts: not the columns asked for");
  return {};
}

Result<> FactsReader::Row(std::span<const Cell> cells) {
  const auto text = [&](std::size_t i) { return cells[i].value_or(std::string_view()); };
  const auto number = [&](std::size_t i) { return ParseNumber<double>(text(i)).value_or(0); };
  const auto yes = [&](std::size_t i) { return text(i) == "t"; };
  facts_.version_num = ParseNumber<int>(text(0)).value_or(0);
  facts_.version = text(1);
  facts_.short_version = text(2);
  facts_.database = text(3);
  facts_.encoding = text(4);
  facts_.in_recovery = yes(5);
  facts_.superuser = yes(6);
  facts_.pg_monitor = yes(7);
  facts_.pg_read_all_stats = yes(8);
  facts_.start_time = number(9);
  facts_.conf_load_time = number(10);
  facts_.extensions = ReadExtensions(text(11));
  pid_ = ParseNumber<int>(text(12)).value_or(0);
  started_ = text(13);
  return {};
}

}  // namespace sidecar::postgres
