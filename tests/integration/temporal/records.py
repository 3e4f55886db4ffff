"""What the exporter must say, from the server's own records (orders.py truth)."""

import collections

from temporal.state_file import remembered
from temporal.watched import Orders

OUTCOMES = {2: "completed", 3: "failed", 4: "canceled", 5: "terminated", 6: "continued_as_new",
            7: "timed_out"}
# Kinds of orders.py of which one id has several runs.
REPEATED = {"replaced", "continued", "retried", "reset", "cron"}


def all_runs(server):
    with Orders(server, "truth") as asked:
        rows = list(asked.lines())
        asked.check()
    return rows


def truth(server):
    return [row for row in all_runs(server) if not row["workflow_id"].startswith("old-")]


def expected(rows):
    """Counters, and sums of nanoseconds."""
    want = collections.Counter()
    sums = collections.Counter()
    for row in rows:
        run = (("task_queue", row["queue"]), ("temporal_namespace", "default"),
               ("workflow_type", row["type"]))
        want["temporal_workflow_start_total", run] += 1
        status = OUTCOMES[row["status"]]
        want[f"temporal_workflow_{status}_total", run] += 1
        timed = tuple(sorted((*run, ("status", status))))
        want["temporal_workflow_execution_time_count", timed] += 1
        sums["temporal_workflow_execution_time_sum", timed] += row["ns"]
        if row["local"]:
            want["temporal_local_activity_total",
                 (("outcome", "completed"), ("temporal_namespace", "default"),
                  ("workflow_type", row["type"]))] += row["local"]
        for done in row["activities"]:
            _count_activity(want, sums, row, done)
    return want, sums


def _count_activity(want, sums, row, done):
    base = {"activity_type": done["type"], "task_queue": done["queue"],
            "temporal_namespace": "default"}
    full = {**base, "workflow_type": row["type"]}
    if done["outcome"] == "timeout":
        named = {**full, "timeout_type": done["timeout"]}
        want["temporal_activity_timeout_total", tuple(sorted(named.items()))] += 1
    else:
        want[f"temporal_activity_{done['outcome']}_total", tuple(sorted(full.items()))] += 1
    want["temporal_activity_attempts_total", tuple(sorted(full.items()))] += done["attempts"]
    failed = done["attempts"] - (done["outcome"] in ("success", "cancel") and done["attempts"] > 0)
    want["temporal_activity_attempt_fail_total", tuple(sorted(full.items()))] += failed
    if done["ns"] is not None:
        timed = tuple(sorted({**base, "outcome": done["outcome"]}.items()))
        want["temporal_activity_execution_time_count", timed] += 1
        sums["temporal_activity_execution_time_sum", timed] += done["ns"]
    if done["wait_ns"] is not None:
        timed = tuple(sorted(base.items()))
        want["temporal_activity_schedule_to_start_time_count", timed] += 1
        sums["temporal_activity_schedule_to_start_time_sum", timed] += done["wait_ns"]


def differences(samples, want, sums):
    """Every counter that is not as the server's records say, in either direction."""
    wrong = []
    names = {name for name, _ in want} | {f"temporal_workflow_{name}_total"
                                          for name in OUTCOMES.values()}
    for key in sorted(set(want) | {key for key in samples if key[0] in names}):
        if samples.get(key, 0) != want.get(key, 0):
            wrong.append(f"{key[0]}{dict(key[1])}: {samples.get(key)} instead of {want.get(key)}")
    for key, nanos in sums.items():
        if abs(samples.get(key, 0) - nanos / 1e9) > 1e-6 * max(1, nanos / 1e9):
            wrong.append(f"{key[0]}{dict(key[1])}: {samples.get(key)} instead of {nanos / 1e9}")
    return wrong


def unseen(rows, kinds):
    """What a load of `kinds` should have led to and did not: then its counters prove less."""
    missing = set(OUTCOMES.values()) - {OUTCOMES[row["status"]] for row in rows}
    done = [activity for row in rows for activity in row["activities"]]
    missing |= {"success", "fail", "timeout", "cancel"} - {one["outcome"] for one in done}
    missing |= {"start_to_close", "schedule_to_start"} - {one["timeout"] for one in done}
    if not any(row["local"] for row in rows):
        missing.add("local activities")
    if not any(row["close"] < row["execution"] for row in rows):
        missing.add("negative durations")
    runs = collections.Counter(row["workflow_id"] for row in rows)
    most = collections.Counter()
    for name, count in runs.items():  # "order-cron-17", "order-schedule-18-2026-…"
        kind = name.split("-")[1]
        most[kind] = max(most[kind], count)
    scheduled = sum(count for name, count in runs.items() if name.split("-")[1] == "schedule")
    missing |= {kind for kind in kinds if most[kind] < (2 if kind in REPEATED else 1)}
    if "schedule" in kinds and scheduled < 2:
        missing.add("a schedule's second run")
    if not any(row["type"] == "Parcel" and "-parcel-" in row["workflow_id"] for row in rows):
        missing.add("children")
    return sorted(missing)


def suspects(server, state):
    """Runs that the exporter counted and the server's list does not have, and the other way."""
    rows = {row["run_id"]: row["workflow_id"] for row in all_runs(server)}
    lines = []
    for what, runs in zip(("started", "closed"), remembered(state), strict=True):
        lines += [f"{what}, not on the server's list: {run}" for run in set(runs) - set(rows)]
        lines += [f"{what} before the exporter: {rows[run]} {run}" for run in runs
                  if rows.get(run, "").startswith("old-")]
        lines += [f"{what}, not counted: {name} {run}" for run, name in rows.items()
                  if run not in runs and not name.startswith("old-")]
    return "\n".join(lines)
