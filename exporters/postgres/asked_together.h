#pragma once
// Which statements a session asks in one message, and what came of them. A round trip costs the
// client more than reading a short answer does, and a scrape has seventeen (ADR 13): what was asked
// in both of the last two scrapes, by itself and quickly or in such a message, is asked all at once
// when the first of it is. Who asks for one of the others is given what came.
//
// A statement that fails then, or a message that takes long, ends it for a minute, then two, four,
// up to an hour: everything is asked by itself again, with the time of its own, so that no
// statement costs another its rows.
//
// What came is given once, within the scrape, while it is fresh. Holds names of statements and
// results of the session that it belongs to. One thread.
//
//   together.Begin(scrape.id(), now);
//   if (auto result = together.Take("locks")) ...        // came with another
//   const auto names = together.Plan("locks");           // or: ask these now
//   together.Keep(names, std::move(results), took);
//   together.AskedAlone("locks", took);                  // or it alone

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "exporters/postgres/result_rows.h"

namespace sidecar::postgres {

class AskedTogether {
 public:
  // A query of that scrape comes.
  void Begin(std::uint64_t scrape, Mono now);
  // What came of the statement, or null.
  OwnedResult Take(std::string_view name);
  // What to ask with it, itself the first; empty: it is to be asked alone.
  std::vector<std::string> Plan(std::string_view name);
  // What came of them: of the first so many, as the next one failed.
  void Keep(const std::vector<std::string>& names, std::vector<OwnedResult> results, Millis took);
  // It gave its rows, by itself, in that time.
  void AskedAlone(std::string_view name, Millis took);
  // The session's statements or settings are no longer known.
  void Forget();

 private:
  static constexpr Millis kPause{60'000};
  std::uint64_t scrape_ = 0;
  Mono now_{}, kept_at_{};
  std::optional<Mono> not_before_{};
  Millis pause_ = kPause;                    // after the next that fails
  std::vector<std::string> asked_, before_;  // in this scrape, and (sorted) in the last
  std::vector<std::string> alike_;           // in both of the last two, sorted
  bool planned_ = false;                     // in this scrape
  std::map<std::string, OwnedResult, std::less<>> kept_;
};

}  // namespace sidecar::postgres
