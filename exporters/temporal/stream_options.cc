#include "exporters/temporal/stream_options.h"

namespace sidecar::temporal {

void StreamOptions::Read(TableReader& table) {
  table.Field("interval", interval, "Time between two reads of a stream.")
      .Field("sweep", sweep, "Time between two reads back to where runs may still appear late.")
      .Field("fast_window", fast_window,
             "Read again by every read; 0s: 10s on SQL stores, 30s on others.")
      .Field("late_window", late_window,
             "A run that becomes visible later than this after its time is lost; 0s: 2m on SQL "
             "stores, 5m on others.")
      .Field("slice", slice, "Time read at once while behind.")
      .Field("max_backfill", max_backfill, "Further behind than this is given up, as a gap.")
      .Field("pages_per_run", pages_per_run, "Pages of one stream at a time.", 1, 1'000)
      .Field("page_size", page_size, "Rows of a page; 0: 1000, or 200 on SQLite.", 0, 1'000)
      .Field("seen_limit", seen_limit, "Runs remembered by a stream.", 1'000, 10'000'000)
      .Field("exemplars", exemplars, "Adds workflow_id and run_id to execution times.")
      .Field("series_limit", series_limit,
             "Series of all namespaces' workflows, and of activities.", 100, 10'000'000)
      .Field("namespace_series_limit", namespace_series_limit,
             "Series of one namespace; what is beyond counts as workflow_type=\"__other__\".", 100,
             10'000'000)
      .Field("histories_per_second", histories_per_second,
             "Histories of closed runs read for their activities, in each namespace; 0: none.", 0,
             1'000)
      .Field("history_events_limit", history_events_limit, "Longer histories are not read.", 1,
             100'000)
      .Field("history_queue", history_queue, "Closed runs that wait for their history to be read.",
             1, 100'000);
  for (const auto& [key, value] : {std::pair{"interval", interval},
                                   {"sweep", sweep},
                                   {"slice", slice},
                                   {"max_backfill", max_backfill}}) {
    if (value < Millis(500)) table.Reject(key, "must be at least 500ms");
  }
  if (late_window != Millis(0) && late_window < Millis(10'000)) {
    table.Reject("late_window", "must be 0 or at least 10s: servers need seconds to show a run");
  }
  if (max_backfill < slice) table.Reject("max_backfill", "must not be shorter than slice");
}

}  // namespace sidecar::temporal
