#include "exporters/postgres/sqlstate.h"

#include <algorithm>

namespace sidecar::postgres {
namespace {

bool IsSqlstate(std::string_view text) {
  return text.size() == 5 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

// Where "FATAL:  28P01: " has its SQLSTATE; the severity is in the server's language.
std::size_t FindSqlstate(std::string_view line) {
  constexpr std::string_view kAfterSeverity = ":  ";
  for (std::size_t at = line.find(kAfterSeverity); at != std::string_view::npos;
       at = line.find(kAfterSeverity, at + 1)) {
    const std::size_t code = at + kAfterSeverity.size();
    if (code + 7 > line.size()) return std::string_view::npos;
    if (IsSqlstate(line.substr(code, 5)) && line.substr(code + 5, 2) == ": ") return code;
  }
  return std::string_view::npos;
}

// Of "LOCATION:  CheckMyDatabase, postinit.c:381".
std::string_view FunctionOf(std::string_view line) {
  const std::size_t colon = line.find(":  ");
  const std::size_t begin = colon == std::string_view::npos ? 0 : colon + 3;
  const std::size_t comma = line.find(", ", begin);
  return comma == std::string_view::npos ? std::string_view() : line.substr(begin, comma - begin);
}

}  // namespace

Errc CodeOf(std::string_view sqlstate) {
  constexpr std::pair<std::string_view, Errc> kExact[] = {
      {"57014", Errc::kTimeout},                                     // statement_timeout
      {"55P03", Errc::kTimeout},                                     // lock_timeout
      {"25006", Errc::kDenied},                                      // would write
      {"42501", Errc::kDenied},                                      // insufficient privilege
      {"42P01", Errc::kUnsupported},                                 // no such table,
      {"42703", Errc::kUnsupported},                                 // column,
      {"42883", Errc::kUnsupported},                                 // function,
      {"42704", Errc::kUnsupported},                                 // object,
      {"3F000", Errc::kUnsupported},                                 // schema
      {"0A000", Errc::kUnsupported}, {"53300", Errc::kUnavailable},  // too many connections
      {"3D000", Errc::kUnavailable},                                 // no such database
      {"08P01", Errc::kParse},        // parameters ($1) without values
      {"55000", Errc::kUnavailable},  // e.g. the database accepts no connections
  };
  for (const auto& [state, code] : kExact) {
    if (state == sqlstate) return code;
  }
  constexpr std::pair<std::string_view, Errc> kClasses[] = {
      {"08", Errc::kUnavailable}, {"57", Errc::kUnavailable}, {"28", Errc::kDenied},
      {"42", Errc::kParse},       {"22", Errc::kParse},       {"53", Errc::kLimit},
      {"54", Errc::kLimit},       {"40", Errc::kUnavailable},  // a recovery conflict, a deadlock
      {"58", Errc::kUnavailable}, {"XX", Errc::kUnavailable},  // its disk, its own faults
      {"P0", Errc::kParse},       {"21", Errc::kParse},        // RAISE; one row was wanted
      {"38", Errc::kParse},       {"39", Errc::kParse},        // what a function called
  };
  for (const auto& [begins, code] : kClasses) {
    if (sqlstate.starts_with(begins)) return code;
  }
  return Errc::kInternal;
}

LoginFailure ReadLoginFailure(std::string_view verbose) {
  LoginFailure failure;
  bool located = false;  // what follows the server's message is about its source code
  while (!verbose.empty()) {
    const std::size_t end = std::min(verbose.find('\n'), verbose.size());
    const std::string_view line = verbose.substr(0, end);
    verbose.remove_prefix(std::min(end + 1, verbose.size()));
    const std::size_t code = FindSqlstate(line);
    if (code != std::string_view::npos) {
      failure.sqlstate = line.substr(code, 5);
      failure.function.clear();
      located = true;
    } else if (located && line.find(".c:") != std::string_view::npos) {
      failure.function = FunctionOf(line);
      continue;
    }
    if (line.empty()) continue;
    if (!failure.message.empty()) failure.message += "; ";
    if (code == std::string_view::npos) {
      failure.message += line;
    } else {
      failure.message.append(line.substr(0, code)).append(line.substr(code + 7));
    }
  }
  return failure;
}

bool IsAboutDatabase(const LoginFailure& failure) {
  const std::string_view state = failure.sqlstate;
  // "too many connections" for a database, a role and in all have one SQLSTATE.
  if (state == "53300") return failure.function == "CheckMyDatabase";
  return !state.empty() && !state.starts_with("53") && !state.starts_with("57");
}

}  // namespace sidecar::postgres
