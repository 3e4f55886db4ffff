"""The exporter under test over its lives, a scraper that watches it, and orders.py as a process."""

import collections
import contextlib
import http.client
import json
import pathlib
import subprocess
import threading
import time

from support import OPENMETRICS, Process, binary, free_port, parse, request

ORDERS = pathlib.Path(__file__).resolve().parent / "orders.py"
COUNTED = ("temporal_workflow_", "temporal_activity_", "temporal_local_activity_")
# Small, so that a test of minutes reaches all of it: sweeps, slices after any pause, and what is
# read once more a late window after an outage.
LATE_WINDOW, SWEEP, SLICE = 20, 5, 15


class Orders:
    """orders.py doing one thing in the background; `with` ends it."""

    def __init__(self, server, *words, address=None):
        self.log = open(server.directory / f"orders-{words[0]}.log", "w+b")  # noqa: SIM115
        self.popen = subprocess.Popen(
            [str(server.bin / "python"), str(ORDERS), address or server.address, "default",
             *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
            text=True)
        self.started, self.kinds = 0, {}
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
            self.started, self.kinds = line["started"], line["kinds"]

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
    """The exporter on one port over its lives, and a scraper that watches every counter.

    Without the scraper (scraped=False) where another reader needs every zero: a new series is
    shown as zero until one reader has had it.
    """

    def __init__(self, directory, address, visibility=6, streams="", scraped=True):
        self.port = free_port()
        self.config = directory / "temporal.toml"
        self.state = directory / "state"
        self.config.write_text(
            f"[temporal]\naddress = {json.dumps(address)}\nnamespaces = [\"default\"]\n"
            f"state_file = {json.dumps(str(self.state))}\n[temporal.budget]\n"
            f"visibility_per_second = {visibility}\nexecution_per_second = 60\n"
            f"[temporal.streams]\ninterval = \"2s\"\nsweep = \"{SWEEP}s\"\nslice = \"{SLICE}s\"\n"
            f"late_window = \"{LATE_WINDOW}s\"\nhistories_per_second = 50\n"
            + (streams or "pages_per_run = 1\n"))
        self.process = None
        self.kills = self.scrapes = 0
        self.fell, self.seen = [], {}
        # Of the exporter's counters about itself, which begin anew with each life.
        self.totals = collections.Counter()
        self.life, self.last = 0, {}
        self.caught_up_by_slices = False
        self.broken = None
        self.began, self.stopped = time.monotonic(), 0  # seconds
        self.stop = threading.Event()
        self.start()
        self.scraper = threading.Thread(target=self._watch, daemon=True)
        if scraped:
            self.scraper.start()

    def start(self):
        self.process = Process(
            [binary("temporal-exporter"), f"--web.listen-address=127.0.0.1:{self.port}",
             f"--config.file={self.config}"], self.port)

    def kill(self, away=0):
        """Dead for `away` seconds."""
        self.process.popen.kill()
        self.process.__exit__()
        self.kills += 1
        self.stopped += away
        time.sleep(away)
        self.start()

    def families(self):
        answer = request(self.port, headers={"Accept": OPENMETRICS})
        if answer.status != 200 or not answer.text.endswith("# EOF\n"):
            raise ValueError(f"{answer.status}: {answer.text[-200:]!r}")
        return parse(answer.text)

    def samples(self):
        """(name, labels) to value of the counters and histograms of workflows and activities."""
        return {key: number for family in self.families().values()
                for key, number in family.samples.items() if key[0].startswith(COUNTED)}

    def _watch(self):
        while not self.stop.wait(0.4):
            try:
                self._scrape()
            except (OSError, http.client.HTTPException):
                continue  # it is dead, stopped or just born
            except Exception as error:  # noqa: BLE001  (whatever it is, the test must know)
                self.broken = error
                return

    def _scrape(self):
        life = self.kills
        families = self.families()
        self.scrapes += 1
        for family in families.values():
            for key, number in family.samples.items():
                if key[0].startswith(COUNTED):
                    self._count(key, number)
        if life != self.kills:
            return  # of which life is it?
        if life != self.life:
            self.life, self.last = life, {}
        for family in families.values():
            for key, number in family.samples.items():
                if key[0].startswith("temporal_exporter_") and family.type == "counter":
                    self.totals[key] += number - self.last.get(key, 0)
                    self.last[key] = number
                elif key[0] == "temporal_exporter_stream_catching_up" and number == 1:
                    self.caught_up_by_slices = True

    def _count(self, key, number):
        if not key[0].endswith(("_total", "_bucket", "_sum", "_count")):
            return
        if number < self.seen.get(key, 0) - 1e-9:
            self.fell.append((key, self.seen[key], number))
        self.seen[key] = number

    def value(self, name, **labels):
        for family in self.families().values():
            for (sample, pairs), number in family.samples.items():
                if sample == name and labels.items() <= dict(pairs).items():
                    return number
        return None

    def total(self, name, **labels):
        """Of all lives."""
        return sum(number for (sample, pairs), number in dict(self.totals).items()
                   if sample == name and labels.items() <= dict(pairs).items())

    def failed_calls(self):
        """The share of calls that the server did not answer."""
        calls = self.total("temporal_exporter_rpc_total")
        return 1 - self.total("temporal_exporter_rpc_total", code="OK") / max(1, calls)

    def alive_seconds(self):
        return time.monotonic() - self.began - self.stopped

    def follows(self):
        with contextlib.suppress(OSError):
            return self.value("temporal_exporter_stream_lag_seconds", stream="closed") is not None
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        if self.scraper.ident:
            self.scraper.join()
        self.process.__exit__()
