"""Starts the built binaries and their peers, scrapes them, and reads what they say.

Everything listens on 127.0.0.1 on a free port and is ended by its process id.
"""

import contextlib
import dataclasses
import gzip
import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = pathlib.Path(os.environ.get("RELEASE_TREE", ROOT / "build/release"))
TOOLS = pathlib.Path(os.environ.get("TOOLS_DIR", ROOT / "build/tools"))
PROMETHEUS = TOOLS / "prometheus/usr/bin/prometheus"
PROMTOOL = TOOLS / "prometheus/usr/bin/promtool"
DEBIAN_PEER = TOOLS / "node-exporter/usr/bin/prometheus-node-exporter"

# Those that node_exporter has too.
COLLECTORS = ("cpu", "diskstats", "filefd", "filesystem", "loadavg", "meminfo", "netdev",
              "pressure", "stat", "textfile", "time", "uname", "vmstat")
TEXT = "text/plain;version=0.0.4"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def optional(reason):
    """Skips a test that may be skipped in CI too: the run says so."""
    raise unittest.SkipTest("optional: " + reason)


def new_peer():
    """node_exporter 1.12.1 where there is one: tests/run builds it when Go is new enough."""
    mark = b"github.com/prometheus/node_exporter\tv1.12.1"
    for path in (pathlib.Path("/opt/peers/bin/node_exporter"), TOOLS / "go/bin/node_exporter"):
        if path.exists() and mark in path.read_bytes():
            return path
    optional("no node_exporter 1.12.1: it is built by 'go install', which needs Go 1.25 or later")


def binary(name):
    return RELEASE / "bin" / name


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(command, timeout=30, **options):
    return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout, check=False, **options)


def wait_for(condition, seconds=10, what="condition"):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


@contextlib.contextmanager
def scratch():
    path = pathlib.Path(tempfile.mkdtemp(prefix="sidecar-exporters."))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def text(self):
        raw = self.body
        if self.headers.get("content-encoding") == "gzip":
            raw = gzip.decompress(raw)
        return raw.decode("utf-8")


def request(port, path="/metrics", method="GET", headers=None, connection=None, timeout=15):
    own = connection is None
    if own:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, headers=headers or {})
        reply = connection.getresponse()
        named = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(reply.status, named, reply.read())
    finally:
        if own:
            connection.close()


class Process:
    """A server in the background; `with` ends it."""

    def __init__(self, command, port, ready="/-/ready", env=None):
        self.port = port
        self.log = tempfile.TemporaryFile()
        self.popen = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL,
                                      stdout=self.log, stderr=self.log, env=env)
        try:
            wait_for(lambda: self._answers(ready), 20, f"{command[0]} answers on {port}")
        except BaseException:
            self.end()
            raise

    def _answers(self, path):
        if self.popen.poll() is not None:
            raise AssertionError(f"ended with {self.popen.returncode}: {self.output()}")
        try:
            return request(self.port, path, timeout=5).status == 200
        except OSError:
            return False

    @property
    def pid(self):
        return self.popen.pid

    def output(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    def scrape(self, path="/metrics", accept=TEXT, **more):
        return request(self.port, path, headers={"Accept": accept, **more})

    def end(self, sig=signal.SIGTERM):
        """Returns the exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(sig)
        try:
            return self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError("did not end within 15 s of its signal") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self.log.close()


def exporter(*flags, name="host-exporter", env=None):
    port = free_port()
    return Process([binary(name), f"--web.listen-address=127.0.0.1:{port}", *flags], port, env=env)


def on_by_default():
    """The host exporter's collectors that are on unless told otherwise."""
    lines = run([binary("host-exporter"), "--list-collectors"]).stdout.splitlines()
    return sorted(line.split()[0] for line in lines if line.split()[1] == "on")


def shared_only():
    """Flags that leave on only the collectors that node_exporter has too."""
    return [f"--no-collector.{name}" for name in on_by_default() if name not in COLLECTORS]


def peer(path, *flags):
    """node_exporter with the collectors that we have, and with lo, which Debian leaves out."""
    port = free_port()
    only = [f"--collector.{name}" for name in COLLECTORS]
    return Process([path, f"--web.listen-address=127.0.0.1:{port}", "--collector.disable-defaults",
                    "--web.disable-exporter-metrics", "--collector.netdev.device-exclude=^$",
                    *only, *flags], port, ready="/")


@dataclasses.dataclass
class Family:
    type: str = "untyped"
    help: str = ""
    samples: dict = dataclasses.field(default_factory=dict)  # (name, labels) to value


_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: # .*)?$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?')
_SUFFIXES = ("_total", "_bucket", "_sum", "_count", "_info")


def parse(text):
    """Families of an exposition, text or OpenMetrics, by name. A malformed line raises."""
    families = {}
    for line in text.splitlines():
        if line.startswith("# "):
            words = line.split(" ", 3)
            if words[1] in ("TYPE", "HELP"):
                family = families.setdefault(words[2], Family())
                setattr(family, words[1].lower(), words[3] if len(words) > 3 else "")
            continue
        if not line:
            continue
        sample = _SAMPLE.match(line)
        if not sample:
            raise ValueError(f"not a sample: {line!r}")
        name, labels, value = sample.groups()
        base = name
        if base not in families:
            base = next((name[:-len(end)] for end in _SUFFIXES
                         if name.endswith(end) and name[:-len(end)] in families), name)
        key = (name, tuple(sorted(_LABEL.findall(labels or ""))))
        samples = families.setdefault(base, Family()).samples
        if key in samples:
            raise ValueError(f"twice: {line!r}")
        samples[key] = float(value)
    return families


def value(text, name, **labels):
    """The one sample of that name and those labels among others; None if there is none."""
    for family in parse(text).values():
        for (sample, pairs), number in family.samples.items():
            if sample == name and labels.items() <= dict(pairs).items():
                return number
    return None


def successes(text, prefix="node"):
    """<prefix>_scrape_collector_success by collector."""
    family = parse(text).get(f"{prefix}_scrape_collector_success", Family())
    return {dict(labels)["collector"]: number for (_, labels), number in family.samples.items()}


def copied_proc(directory):
    """A directory with the files of /proc that the collectors read, as they are now."""
    for name in ("stat", "meminfo", "vmstat", "loadavg", "diskstats", "net/dev", "1/net/dev",
                 "self/net/dev", "1/mountinfo", "self/mountinfo", "1/mounts", "self/mounts",
                 "pressure/cpu", "pressure/io", "pressure/memory", "pressure/irq",
                 "sys/fs/file-nr"):
        with contextlib.suppress(OSError):
            content = pathlib.Path("/proc", name).read_bytes()
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(content)
    return directory


def reviewed_remarks():
    """What promtool may say of our metrics: tests/lint/promtool_allow.txt."""
    lines = (ROOT / "tests/lint/promtool_allow.txt").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def promtool_remarks(text):
    """What promtool says of an exposition beyond the reviewed list."""
    said = subprocess.run([str(PROMTOOL), "check", "metrics"], input=text, text=True,
                          capture_output=True, timeout=30, check=False)
    return [line for line in (said.stdout + said.stderr).splitlines()
            if line and line not in reviewed_remarks()]


class Load:
    """Scrapers that never stop; `faults` has what was not answered, `resets` what went down."""

    def __init__(self, exporter, number, counters=("node_context_switches_total",)):
        self.exporter, self.counters = exporter, counters
        self.faults, self.resets, self.count = [], [], 0
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(number)]

    def _run(self):
        last = {}
        while not self._done.is_set():
            try:
                answer = self.exporter.scrape()
            except OSError as error:
                self.faults.append(repr(error))
                continue
            if answer.status != 200:
                self.faults.append(f"{answer.status}: {answer.body[:100]}")
                continue
            self.count += 1
            for name in self.counters:
                number = value(answer.text, name)
                if number is None or number < last.get(name, number):
                    self.resets.append(f"{name}: {last.get(name)} to {number}")
                last[name] = number

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        for thread in self._threads:
            thread.join(30)
