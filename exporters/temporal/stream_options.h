#pragma once
// [temporal.streams]: how closely runs are followed. Plain data; a reload replaces it.
//
//   StreamOptions options;
//   options.Read(table);

#include <cstdint>

#include "common/base/clock.h"
#include "common/config/table_reader.h"

namespace sidecar::temporal {

struct StreamOptions {
  Millis interval{10'000};          // between two reads of a stream
  Millis sweep{60'000};             // between two reads back to the floor
  Millis fast_window{0};            // read again each time; 0: by store, 10 s on SQL, 30 s else
  Millis late_window{0};            // a run visible later than this is lost; 0: 120 s or 300 s
  Millis slice{60'000};             // of time read at once when behind
  Millis max_backfill{3'600'000};   // further behind than this is given up, and said so
  std::int64_t pages_per_run = 10;  // of one stream and one run of its task
  std::int64_t page_size = 0;       // 0: 1,000, or 200 on SQLite
  std::int64_t seen_limit = 500'000;
  bool exemplars = true;                         // workflow ids can be customer data
  std::int64_t series_limit = 45'000;            // of all namespaces, and of each kind
  std::int64_t namespace_series_limit = 15'000;  // past it workflow_type="__other__"
  double histories_per_second = 5;
  std::int64_t history_events_limit = 5'000;  // longer histories are not read
  std::int64_t history_queue = 5'000;         // closed runs that wait to be read

  void Read(TableReader& table);
};

}  // namespace sidecar::temporal
