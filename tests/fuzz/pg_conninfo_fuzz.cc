// A DSN, and what libpq says of a login that failed. No error repeats what was given; a secret
// never comes through.

#include <cstdlib>
#include <string>
#include <string_view>

#include "exporters/postgres/conninfo.h"
#include "exporters/postgres/sqlstate.h"

namespace {

void Check(bool good) {
  if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sidecar::postgres;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto parsed = ParseDsn(text);
  if (!parsed) {
    Check(!parsed.error().message.empty() && parsed.error().message.size() < 100);
  } else {
    for (const auto& [key, value] : *parsed) Check(!key.empty() && key.size() < 64);
  }
  // A word that none of our own texts holds: what comes back of the input is found by it.
  constexpr std::string_view kWord = "\x02hunter2\x03";
  for (const std::string& marked : {text + std::string(kWord), std::string(kWord) + text}) {
    const auto again = ParseDsn(marked);
    Check(again || again.error().message.find(kWord) == std::string::npos);
  }
  const LoginFailure failure = ReadLoginFailure(text);
  Check(failure.sqlstate.empty() || failure.sqlstate.size() == 5);
  Check(failure.message.find('\n') == std::string::npos);
  Check(failure.message.size() <= 2 * text.size());
  const std::string secret = text.substr(0, 8);
  const std::string redacted = Redacted(text, secret);
  Check(redacted.find('\n') == std::string::npos);
  if (secret.size() == 8 && secret.find_first_of("\n\t*; ") == std::string::npos) {
    Check(redacted.find(secret) == std::string::npos);
  }
  return 0;
}
