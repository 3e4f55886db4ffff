#!/usr/bin/python3
"""Beside node_exporter with the same collectors: CPU, system calls and memory of a scrape.

Both run at once and are scraped in turn over a kept connection; each figure is the median of the
rounds. CPU is the process's own clock, exited threads included. A lone figure says little on a shared
machine: read the ratios.
"""

import argparse
import http.client
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import support  # noqa: E402

WAYS = {
    "as Prometheus scrapes": {
        "Accept": "application/openmetrics-text;version=1.0.0,"
                  "application/openmetrics-text;version=0.0.1;q=0.75,"
                  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "Accept-Encoding": "gzip",
        "X-Prometheus-Scrape-Timeout-Seconds": "10",
    },
    "plain text": {"Accept": support.TEXT},
}


def cpu_seconds(pid):
    """The process's CPU clock: clock_getcpuclockid(3) makes its id so."""
    return time.clock_gettime((~pid << 3) | 2)


class Side:
    def __init__(self, name, process):
        self.name, self.process = name, process
        self.connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=15)
        self.cpu, self.wall = {}, {}

    def scrape(self, count, headers):
        for _ in range(count):
            answer = support.request(self.process.port, headers=headers,
                                     connection=self.connection)
            assert answer.status == 200, answer.status
        return answer

    def measure(self, way, count):
        before, began = cpu_seconds(self.process.pid), time.monotonic()
        self.scrape(count, WAYS[way])
        self.wall.setdefault(way, []).append((time.monotonic() - began) / count)
        self.cpu.setdefault(way, []).append((cpu_seconds(self.process.pid) - before) / count)

    def median_cpu(self, way):
        return statistics.median(self.cpu[way])

    def rss(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def calls(self, way, count):
        """System calls of a scrape, by strace; None where it may not attach."""
        if not shutil.which("strace"):
            return None
        tracer = subprocess.Popen(["strace", "-c", "-f", "-p", str(self.process.pid)],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        if tracer.poll() is None:
            self.scrape(count, WAYS[way])
            tracer.send_signal(2)
        _, said = tracer.communicate(timeout=30)
        total = [line.split() for line in said.splitlines() if line.endswith(" total")]
        return int(total[0][3]) / count if total else None


def verdict(ratio, wanted):
    return f"{1 / ratio:5.1f} times less, wanted {1 / wanted:.0f}: " + (
        "met" if ratio <= wanted else "NOT met")


def report(ours, theirs, calls):
    for way in WAYS:
        mine, other = ours.median_cpu(way), theirs.median_cpu(way)
        print(f"CPU a scrape, {way:<22} {mine * 1e6:8.0f} us {other * 1e6:8.0f} us  "
              f"{verdict(mine / other, 1 / 10)}")
    for way in WAYS:
        mine, other = (statistics.median(side.wall[way]) for side in (ours, theirs))
        print(f"time a scrape, {way:<21} {mine * 1e6:8.0f} us {other * 1e6:8.0f} us  "
              f"{other / mine:5.1f} times less")
    if calls[0] is None or calls[1] is None:
        print("system calls a scrape: not measured, strace is absent or may not attach")
    else:
        print(f"system calls a scrape {'':<15} {calls[0]:8.1f}    {calls[1]:8.1f}     "
              f"{verdict(calls[0] / calls[1], 1 / 15)}")
    mine, other = ours.rss() / 1e6, theirs.rss() / 1e6
    print(f"resident memory {'':<21} {mine:8.1f} MB {other:8.1f} MB  "
          f"wanted at most 10 MB: {'met' if mine <= 10 else 'NOT met'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--scrapes", type=int, default=100, help="a round, a way and a side")
    options = parser.parse_args()
    try:
        path, version = support.new_peer(), "1.12.1"
    except unittest.SkipTest as absent:
        path, version = support.DEBIAN_PEER, "1.5.0 of Debian"
        print(absent)
    flags = ["--web.disable-exporter-metrics", *support.shared_only()]
    with support.peer(path) as peer, support.exporter(*flags) as host:
        ours, theirs = Side("host-exporter", host), Side("node_exporter", peer)
        for way in WAYS:  # warm
            for side in (ours, theirs):
                side.scrape(50, WAYS[way])
        for number in range(options.rounds):
            for side in (ours, theirs) if number % 2 else (theirs, ours):
                for way in WAYS:
                    side.measure(way, options.scrapes)
        print(f"host-exporter beside node_exporter {version}, collectors "
              f"{' '.join(support.COLLECTORS)};\nmedian of {options.rounds} alternating rounds of "
              f"{options.scrapes} scrapes; bytes of a plain scrape: "
              f"{len(ours.scrape(1, WAYS['plain text']).body)} and "
              f"{len(theirs.scrape(1, WAYS['plain text']).body)}\n")
        print(f"{'':<37} {'ours':>8}    {'theirs':>8}")
        calls = [side.calls("as Prometheus scrapes", 20) for side in (ours, theirs)]
        report(ours, theirs, calls)
        for side in (ours, theirs):
            side.connection.close()


if __name__ == "__main__":
    main()
