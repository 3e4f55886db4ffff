"""The Temporal exporter's counters are exact: whatever happens, they equal the server's own records.

A real server, a real worker and a mix of orders (tests/integration/temporal/orders.py). While they
run the exporter is killed, stopped and cut off; a scraper sees that no counter ever goes down. Then
every counter is compared with the list of all runs and with their histories.

With MATRIX=1 (tests/run --matrix) also the long forms: 2,000 runs, outages, other servers.
"""

import collections
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import unittest
import urllib.parse

from support import (OPENMETRICS, PROMETHEUS, Process, binary, free_port, optional, parse, request,
                     scratch, wait_for)
from temporal.proxy import Proxy
from temporal.state_file import remembered
from temporal_support import SERVERS, Server

ORDERS = pathlib.Path(__file__).resolve().parent / "temporal/orders.py"
OUTCOMES = {2: "completed", 3: "failed", 4: "canceled", 5: "terminated", 6: "continued_as_new",
            7: "timed_out"}
# Of the pieces that the exporter sends. A cut takes every call of the connection along, and those
# of the reconnect: 0.15 made two of three calls fail.
CUT = 0.03
SEED = int(os.environ.get("SEED", "20260821"))


def matrix():
    if os.environ.get("MATRIX") != "1":
        optional("a long form: it is in tests/run --matrix (MATRIX=1)")


class Orders:
    """orders.py doing one thing in the background; `with` ends it."""

    def __init__(self, server, *words, address=None):
        self.log = open(server.directory / f"orders-{words[0]}.log", "w+b")  # noqa: SIM115
        self.popen = subprocess.Popen(
            [str(server.bin / "python"), str(ORDERS), address or server.address, "default",
             *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
            text=True)
        self.started = 0
        if words[0] == "worker":
            if self.popen.stdout.readline() != "ready\n":
                raise AssertionError("the worker did not start: " + self.said())
            # The SDK logs what fails to stdout: a pipe that nobody empties stops it for good.
            threading.Thread(target=self.popen.stdout.read, daemon=True).start()

    def said(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")[-3000:]

    def lines(self):
        """What it says in JSON; the SDK says other things on the same stream."""
        return (json.loads(line) for line in self.popen.stdout if line.startswith("{"))

    def follow(self):
        for line in self.lines():
            self.started = line["started"]

    def check(self):
        if self.popen.wait() != 0:
            raise AssertionError("orders.py: " + self.said())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self.popen.stdout.close()
        self.log.close()


class Watched:
    """The exporter on one port over its lives, and a scraper that watches every counter."""

    def __init__(self, directory, address, extra="", streams=""):
        self.port = free_port()
        self.config = directory / "temporal.toml"
        self.state = directory / "state"
        self.config.write_text(
            f"[temporal]\naddress = {json.dumps(address)}\nnamespaces = [\"default\"]\n"
            f"state_file = {json.dumps(str(self.state))}\n{extra}"
            "[temporal.budget]\nvisibility_per_second = 6\nexecution_per_second = 60\n"
            f"[temporal.streams]\ninterval = \"2s\"\nhistories_per_second = 50\n{streams}")
        self.process = None
        self.kills = self.scrapes = 0
        self.fell = []
        self.seen = {}
        self.stop = threading.Event()
        self.start()
        self.scraper = threading.Thread(target=self._watch, daemon=True)
        self.scraper.start()

    def start(self):
        self.process = Process(
            [binary("temporal-exporter"), f"--web.listen-address=127.0.0.1:{self.port}",
             f"--config.file={self.config}"], self.port)

    def kill(self):
        self.process.popen.kill()
        self.process.popen.wait()
        self.kills += 1
        self.start()

    def text(self):
        return request(self.port, headers={"Accept": OPENMETRICS}).text

    def samples(self):
        """(name, labels) to value of the counters and histograms of workflows and activities."""
        found = {}
        for family in parse(self.text()).values():
            for (name, labels), number in family.samples.items():
                if name.startswith(("temporal_workflow_", "temporal_activity_",
                                    "temporal_local_activity_")):
                    found[name, labels] = number
        return found

    def _watch(self):
        while not self.stop.wait(0.4):
            try:
                samples = self.samples()
            except (OSError, ValueError, AssertionError):
                continue  # it is dead or just born
            except Exception as error:  # noqa: BLE001
                if "http" in type(error).__module__:
                    continue
                raise
            self.scrapes += 1
            for key, number in samples.items():
                if not key[0].endswith(("_total", "_bucket", "_sum", "_count")):
                    continue
                if number < self.seen.get(key, 0) - 1e-9:
                    self.fell.append((key, self.seen[key], number))
                self.seen[key] = number

    def value(self, name, **labels):
        for family in parse(self.text()).values():
            for (sample, pairs), number in family.samples.items():
                if sample == name and labels.items() <= dict(pairs).items():
                    return number
        return None

    def failed_calls(self):
        """The share of this life's calls that the server did not answer."""
        calls = collections.Counter()
        for family in parse(self.text()).values():
            for (name, labels), number in family.samples.items():
                if name == "temporal_exporter_rpc_total":
                    calls[dict(labels)["code"] == "OK"] += number
        return calls[False] / max(1, calls.total())

    def follows(self):
        with contextlib.suppress(OSError):
            return self.value("temporal_exporter_stream_lag_seconds", stream="closed") is not None
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.scraper.join()
        self.process.__exit__()


def all_runs(server):
    with Orders(server, "truth") as asked:
        rows = list(asked.lines())
        asked.check()
    return rows


def truth(server):
    return [row for row in all_runs(server) if not row["workflow_id"].startswith("old-")]


def expected(rows):
    """What the exporter must say, from the server's records."""
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
            count_activity(want, sums, row, done)
    return want, sums


def count_activity(want, sums, row, done):
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


class Exact(unittest.TestCase):
    """One life of a namespace, with what a case does to it."""

    maxDiff = None

    def live(self, server, watched, runs, disturb, seconds=600):
        """Runs a load; `disturb(share)` is called every half second with what is done of it."""
        begin = time.monotonic()
        with Orders(server, "load", runs, SEED, "order") as load:
            follower = threading.Thread(target=load.follow, daemon=True)
            follower.start()
            while load.popen.poll() is None:
                disturb(load.started / runs)
                time.sleep(0.5)
                self.assertLess(time.monotonic() - begin, seconds,
                                f"the load takes too long: {load.started} of {runs}")
            follower.join()
            load.check()
        return time.monotonic() - begin

    def compare(self, server, watched, seconds=180):
        want, sums = expected(truth(server))
        wrong = ["nothing was scraped"]

        def equal():
            nonlocal wrong
            with contextlib.suppress(OSError):
                wrong = differences(watched.samples(), want, sums)
            return not wrong

        begin = time.monotonic()
        try:
            wait_for(equal, seconds, "the counters equal the server's records")
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(wrong[:40]) + "\n"
                                 + suspects(server, watched.state) + "\n"
                                 + watched.process.output()[-3000:]) from None
        self.assertEqual([], watched.fell, "counters that went down")
        starts = sum(number for (name, _), number in want.items()
                     if name == "temporal_workflow_start_total")
        activities = sum(number for (name, _), number in want.items()
                         if name.startswith("temporal_activity_attempts"))
        print(f"  server {SERVERS[self.cli]}: {starts} runs and {activities} attempts of "
              f"activities exact in {len(want) + len(sums)} series, {watched.kills} kills, "
              f"{watched.scrapes} scrapes, {time.monotonic() - begin:.0f} s after the last run, "
              f"seed {SEED}", flush=True)

    cli = "1.9.1"

    def old_runs(self, server, count=30):
        """Runs of before the exporter: none of them may be counted."""
        with Orders(server, "load", count, SEED + 1, "old") as load:
            load.follow()
            load.check()
        # One that was terminated before its time (start delay, cron) starts up to 4 s from now.
        time.sleep(5)


class TemporalExactTest(Exact):
    def test_counters_equal_the_servers_records_over_two_kills_and_a_reload(self):
        """Two exporters on one namespace: one is killed twice, the other reloaded."""
        with (scratch() as directory, scratch() as other, Server() as server,
              Orders(server, "worker")):
            self.old_runs(server)
            with (Watched(directory, server.address) as killed,
                  Watched(other, server.address) as reloaded):
                wait_for(killed.follows, 20, "the streams are followed")
                wait_for(reloaded.follows, 20, "the streams are followed")
                reloads = []

                def disturb(share):
                    if killed.kills < (share > 0.3) + (share > 0.6):
                        killed.kill()
                    if share > 0.45 and not reloads:
                        reloads.append(share)
                        text = reloaded.config.read_text()
                        reloaded.config.write_text(text.replace('"2s"', '"3s"'))
                        reloaded.process.popen.send_signal(signal.SIGHUP)

                self.live(server, killed, 300, disturb)
                self.compare(server, killed)
                self.compare(server, reloaded)
                self.assertEqual((2, 1), (killed.kills, len(reloads)))
                self.assertEqual(1, reloaded.value("sidecar_config_last_reload_successful"))


PROMETHEUS_CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: temporal
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
# reference/first-users.md: their panels and alerts.
FIRST_USERS = (
    "rate(temporal_workflow_start_total[5m])",
    "rate(temporal_workflow_completed_total[5m])",
    "histogram_quantile(0.95, rate(temporal_workflow_execution_time_bucket[5m]))",
    "rate(temporal_activity_success_total[5m]) / (rate(temporal_activity_success_total[5m])"
    " + rate(temporal_activity_fail_total[5m]))",
    "rate(temporal_workflow_failed_total[15m]) / rate(temporal_workflow_completed_total[15m])",
)


class TemporalPrometheusTest(Exact):
    """What a real Prometheus makes of it."""

    def api(self, port, path, **parameters):
        url = f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        answer = json.loads(request(port, url).text)
        self.assertEqual("success", answer["status"], answer)
        return answer["data"]

    def test_the_first_users_queries_and_exemplars_that_exist(self):
        port = free_port()
        with (scratch() as directory, Server() as server, Orders(server, "worker"),
              Watched(directory, server.address) as watched):
            config = directory / "prometheus.yml"
            config.write_text(PROMETHEUS_CONFIG.format(port=watched.port))
            with Process([PROMETHEUS, f"--config.file={config}",
                          f"--storage.tsdb.path={directory / 'data'}",
                          "--enable-feature=exemplar-storage",
                          f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"], port):
                wait_for(watched.follows, 20, "the streams are followed")
                self.live(server, watched, 60, lambda share: None)
                rows = truth(server)
                for query in FIRST_USERS:
                    def numbers(query=query):
                        found = self.api(port, "query", query=query)["result"]
                        return [n for n in (float(one["value"][1]) for one in found) if n == n]
                    wait_for(lambda numbers=numbers: any(n > 0 for n in numbers()), 60, query)
                self.increases(port, rows)
                self.exemplars(port, rows)

    def increases(self, port, rows):
        """A new series began at zero, so its first run is not lost to increase()."""
        completed = sum(row["status"] == 2 for row in rows)
        query = "sum(max_over_time(temporal_workflow_completed_total[10m]) - " \
                "min_over_time(temporal_workflow_completed_total[10m]))"

        def gained():
            found = self.api(port, "query", query=query)["result"]
            return bool(found) and float(found[0]["value"][1]) == completed

        wait_for(gained, 60, f"{completed} completed runs in Prometheus")

    def exemplars(self, port, rows):
        runs = {(row["workflow_id"], row["run_id"]) for row in rows}

        def stored():
            found = self.api(port, "query_exemplars",
                             query="temporal_workflow_execution_time_bucket",
                             start=time.time() - 600, end=time.time() + 60)
            return [one["labels"] for series in found for one in series["exemplars"]]

        labels = wait_for(stored, 60, "exemplars are stored")
        for one in labels:
            self.assertIn((one["workflow_id"], one["run_id"]), runs)


class Trouble:
    """Kills the exporter every 20 s; at their share of the load the other things happen once."""

    def __init__(self, watched, **once):
        self.watched = watched
        self.once = sorted((share, act) for act, share in once.items())
        self.server = None
        self.killed_at = time.monotonic()

    def __call__(self, share):
        if self.once and share >= self.once[0][0]:
            getattr(self, self.once.pop(0)[1])()
            self.killed_at = time.monotonic()
        if time.monotonic() - self.killed_at > 20:
            self.watched.kill()
            self.killed_at = time.monotonic()

    def restart_server(self):
        self.server.kill()
        time.sleep(5)
        self.server.start()

    def stop_exporter(self):
        """For longer than its late window, which the test makes 20 s."""
        self.watched.process.popen.send_signal(signal.SIGSTOP)
        time.sleep(45)
        self.watched.process.popen.send_signal(signal.SIGCONT)


class TemporalMatrixTest(Exact):
    def through_trouble(self, runs, cli, flags=(), streams="", **once):
        self.cli = cli
        with (scratch() as directory, Server(*flags, cli=cli) as server, Orders(server, "worker"),
              Proxy(("127.0.0.1", server.port), CUT, SEED) as proxy):
            self.old_runs(server, min(runs, 200))
            with Watched(directory, proxy.address, streams=streams) as watched:
                wait_for(watched.follows, 60, "the streams are followed")
                trouble = Trouble(watched, **once)
                trouble.server = server
                took = self.live(server, watched, runs, trouble, seconds=1_500)
                self.compare(server, watched, seconds=300)
                failed = watched.failed_calls()
                print(f"  load of {took:.0f} s, {proxy.cut} of {proxy.pieces} pieces cut,"
                      f" {failed:.0%} of the last life's calls failed", flush=True)

    def test_two_thousand_runs_through_kills_outages_throttling_and_failing_calls(self):
        matrix()
        self.through_trouble(2_000, "1.9.1",
                             ("--dynamic-config-value", "frontend.namespaceRPS.visibility=10"),
                             'late_window = "20s"\n', restart_server=0.4, stop_exporter=0.7)

    def test_server_1_31(self):
        matrix()
        self.through_trouble(200, "1.8.3", restart_server=0.5)

    def test_server_1_30(self):
        matrix()
        self.through_trouble(200, "1.6.2", restart_server=0.5)

    def test_server_1_29(self):
        matrix()
        self.through_trouble(200, "1.5.1", restart_server=0.5)


if __name__ == "__main__":
    unittest.main()
