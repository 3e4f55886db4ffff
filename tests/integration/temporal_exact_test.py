"""The Temporal exporter's counters are exact: whatever happens, they equal the server's own records.

A real server, a real worker and a mix of orders (tests/integration/temporal/orders.py). While they
run the exporter is killed, stopped and cut off; a scraper sees that no counter ever goes down. Then
every counter is compared with the list of all runs and with their histories.

With MATRIX=1 (tests/run --matrix) also the long forms: 2,000 runs, outages, other servers.
"""

import contextlib
import json
import os
import signal
import threading
import time
import unittest
import urllib.parse

from support import PROMETHEUS, Process, free_port, optional, request, scratch, wait_for
from temporal.proxy import Proxy
from temporal.records import differences, expected, suspects, truth, unseen
from temporal.watched import LATE_WINDOW, SLICE, SWEEP, Orders, Watched
from temporal_support import SERVERS, Server

# Of the pieces that the exporter sends. A cut takes every call of the connection along, and those
# of the reconnect: 0.15 made two of three calls fail.
CUT = 0.06
SEED = int(os.environ.get("SEED", "20260821"))


def matrix():
    if os.environ.get("MATRIX") != "1":
        optional("a long form: it is in tests/run --matrix (MATRIX=1)")


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
        self.kinds = load.kinds
        return time.monotonic() - begin

    def compare(self, server, *all_watched, seconds=180):
        """Every counter is exact, and still is when nothing can be read again any more."""
        rows = truth(server)
        want, sums = expected(rows)
        begin = time.monotonic()
        for watched in all_watched:
            self.becomes_exact(server, watched, want, sums, seconds)
        took = time.monotonic() - begin
        # What a last outage left is read once more a late window after it, sweeps after that.
        time.sleep(LATE_WINDOW + 2 * SWEEP)
        for watched in all_watched:
            self.assertEqual([], differences(watched.samples(), want, sums), "double, later")
            self.was_watched(watched)
            self.nothing_given_up(watched)
        self.assertEqual([], unseen(rows, self.kinds), "the load did not do what it should")
        starts = sum(number for (name, _), number in want.items()
                     if name == "temporal_workflow_start_total")
        activities = sum(number for (name, _), number in want.items()
                         if name.startswith("temporal_activity_attempts"))
        for watched in all_watched:
            audited = watched.total("temporal_exporter_stream_audits_total")
            print(f"  server {SERVERS[self.cli]}: {starts} runs and {activities} attempts of "
                  f"activities exact in {len(want) + len(sums)} series, {watched.kills} kills, "
                  f"{watched.scrapes} scrapes, {took:.0f} s after the last run and "
                  f"{LATE_WINDOW + 2 * SWEEP} s later, {audited:.0f} minutes audited, seed {SEED}",
                  flush=True)

    def becomes_exact(self, server, watched, want, sums, seconds):
        wrong = ["nothing was scraped"]

        def equal():
            nonlocal wrong
            with contextlib.suppress(OSError):
                wrong = differences(watched.samples(), want, sums)
            return not wrong

        try:
            wait_for(equal, seconds, "the counters equal the server's records")
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(wrong[:40]) + "\n"
                                 + suspects(server, watched.state) + "\n"
                                 + watched.process.output()[-3000:]) from None

    def was_watched(self, watched):
        """To the end, by a scraper that understood every answer."""
        if watched.broken:
            raise AssertionError("the scraper ended") from watched.broken
        self.assertTrue(watched.scraper.is_alive())
        self.assertGreater(watched.scrapes, 0.5 * watched.alive_seconds(), "scrapes")
        self.assertEqual([], watched.fell, "counters that went down")

    def nothing_given_up(self, watched):
        """And the exporter's own audits agree, of at least one minute."""
        for stream in ("started", "closed"):
            for name in ("gap_seconds", "dropped", "too_late", "audit_missing", "audit_extra"):
                self.assertEqual(0, watched.total(f"temporal_exporter_stream_{name}_total",
                                                  stream=stream), f"{stream}: {name}")
            wait_for(lambda stream=stream: watched.total(
                "temporal_exporter_stream_audits_total", stream=stream) > 0,
                     120, f"{stream}: a minute is audited")
        self.assertEqual(0, watched.total("temporal_exporter_state_write_failures_total"))

    cli = "1.9.1"
    kinds = {}

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
            begin = time.monotonic()
            self.old_runs(server)
            with (Watched(directory, server.address) as killed,
                  Watched(other, server.address) as reloaded):
                wait_for(killed.follows, 20, "the streams are followed")
                wait_for(reloaded.follows, 20, "the streams are followed")
                reloads = []

                def disturb(share):
                    if share > 0.15 and not reloads:
                        reloads.append(share)
                        text = reloaded.config.read_text()
                        reloaded.config.write_text(text.replace('"2s"', '"3s"'))
                        reloaded.process.popen.send_signal(signal.SIGHUP)
                    if killed.kills == 0 and share > 0.3:
                        killed.kill()
                    elif killed.kills == 1 and share > 0.6:
                        killed.kill(away=SLICE + 5)

                self.live(server, killed, 300, disturb)
                self.compare(server, killed, reloaded)
                self.assertEqual((2, 1), (killed.kills, len(reloads)))
                self.assertTrue(killed.caught_up_by_slices)
                self.assertEqual(1, reloaded.value("sidecar_config_last_reload_successful"))
            took = time.monotonic() - begin
            print(f"  in {took:.0f} s", flush=True)
            self.assertLess(took, 300)


PROMETHEUS_CONFIG = """\
global: {{scrape_interval: 2s, scrape_timeout: 2s}}
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
              Watched(directory, server.address, scraped=False) as watched):
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

        gained = []

        def all_gained():
            found = self.api(port, "query", query=query)["result"]
            gained[:] = [float(one["value"][1]) for one in found]
            return gained == [completed]

        try:
            wait_for(all_gained, 60, f"{completed} completed runs in Prometheus")
        except AssertionError as error:
            raise AssertionError(f"{error}, but {gained}") from None

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
    """Kills the exporter every 20 s of the load; at their share of it the other things happen once.

    While the server is away too; not while the exporter is stopped, as that is what it is for.
    """

    EVERY = 20

    def __init__(self, watched, server, **once):
        self.watched, self.server = watched, server
        self.once = sorted((share, act) for act, share in once.items())
        self.due = time.monotonic() + self.EVERY
        self.spared = 0

    def __call__(self, share):
        self.kill_when_due()
        if self.once and share >= self.once[0][0]:
            getattr(self, self.once.pop(0)[1])()

    def kill_when_due(self):
        while time.monotonic() >= self.due:
            self.watched.kill()
            self.due += self.EVERY

    def restart_server(self):
        """Away for longer than a slice, so that what it was is caught up by slices."""
        self.server.kill()
        until = time.monotonic() + SLICE + 5
        while time.monotonic() < until:
            self.kill_when_due()
            time.sleep(0.2)
        self.server.start()

    def stop_exporter(self):
        """For longer than its late window: soon after a kill, so that it has time afterwards."""
        self.watched.kill()
        self.due = time.monotonic() + self.EVERY
        time.sleep(3)
        self.watched.process.popen.send_signal(signal.SIGSTOP)
        self.watched.stopped += 2 * LATE_WINDOW + 5
        time.sleep(2 * LATE_WINDOW + 5)
        self.watched.process.popen.send_signal(signal.SIGCONT)
        while time.monotonic() >= self.due:
            self.due += self.EVERY
            self.spared += 1

    def check(self, seconds):
        """Of a load that took so long, now that it is over."""
        self.kill_when_due()
        kills = int(seconds / self.EVERY) - self.spared
        if self.watched.kills < kills or self.once:
            raise AssertionError(f"{self.watched.kills} kills instead of {kills}; {self.once}")


class TemporalMatrixTest(Exact):
    def through_trouble(self, runs, cli, flags=(), visibility=6, streams="", cut=CUT, **once):
        self.cli = cli
        with (scratch() as directory, Server(*flags, cli=cli) as server, Orders(server, "worker"),
              Proxy(("127.0.0.1", server.port), cut, SEED) as proxy):
            self.old_runs(server, min(runs, 200))
            with Watched(directory, proxy.address, visibility, streams) as watched:
                wait_for(watched.follows, 60, "the streams are followed")
                trouble = Trouble(watched, server, **once)
                took = self.live(server, watched, runs, trouble, seconds=1_500)
                trouble.check(took)
                self.compare(server, watched, seconds=420)
                failed = watched.failed_calls()
                throttled = watched.total("temporal_exporter_rpc_throttled_total")
                print(f"  load of {took:.0f} s, {proxy.cut} of {proxy.pieces} pieces cut,"
                      f" {failed:.0%} of calls failed, {throttled:.0f} of them throttled",
                      flush=True)
                self.assertTrue(watched.caught_up_by_slices)
                self.assertGreaterEqual(failed, 0.10)
                return throttled

    def test_two_thousand_runs_through_kills_outages_throttling_and_failing_calls(self):
        matrix()
        # Small pages and a budget of its own above the server's: it is the server that throttles.
        throttled = self.through_trouble(
            2_000, "1.9.1", ("--dynamic-config-value", "frontend.namespaceRPS.visibility=10"),
            20, "page_size = 10\npages_per_run = 30\n", cut=0.09, restart_server=0.3,
            stop_exporter=0.6)
        self.assertGreater(throttled, 0, "the server throttled nothing")

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
