#!/usr/bin/python3
"""What temporal-exporter asks of a real Temporal server: calls a minute, idle and at 100 closes a
second, for 1 and for 20 namespaces, with the configuration as shipped.

The calls are the server's own count (its Prometheus endpoint, service_requests) of the methods that
the exporter says it uses: the load starts and terminates, the server's own workers poll. Exits 1
when a figure is above the documented budget: 2 visibility calls a second and namespace, 20 others,
50 in all (exporters/temporal/README.md), when the counters were ever later than a minute, when a
counter is not what the load did once the streams have caught up, or when the load itself was less
than nine tenths of its rate.

  RELEASE_TREE=build/release TOOLS_DIR=build/tools tests/bench/temporal_calls.py [--minutes 3]
"""

import argparse
import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import support  # noqa: E402
import temporal_support  # noqa: E402

CLOSES = pathlib.Path(__file__).resolve().parent / "temporal_closes.py"
VISIBILITY = re.compile("(List|Count|Scan)WorkflowExecutions")
VISIBILITY_BUDGET, OTHER_BUDGET, TOTAL_BUDGET = 2.0 * 60, 20.0 * 60, 50.0 * 60  # a minute
LATEST = 60.0  # seconds: a slice, from which on the streams say that they catch up
REQUEST = re.compile(r'^service_requests\{([^}]*)\} ([0-9.e+]+)', re.M)
LABEL = re.compile(r'(\w+)="([^"]*)"')


def calls(port, exporter):
    """(namespace, operation) to the frontend's count of requests."""
    samples = support.parse(exporter.scrape().text)["temporal_exporter_rpc_total"].samples
    methods = {dict(labels)["method"] for _, labels in samples}
    found = {}
    for labels, number in REQUEST.findall(support.request(port).text):
        named = dict(LABEL.findall(labels))
        if named.get("service_name") != "frontend" or named["operation"] not in methods:
            continue
        key = named.get("namespace", ""), named["operation"]
        found[key] = found.get(key, 0) + float(number)
    return found


def cpu_seconds(pid):
    """The process's CPU clock: clock_getcpuclockid(3) makes its id so."""
    return time.clock_gettime((~pid << 3) | 2)


def rss_kb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


class Lag:
    """The longest time that any stream was behind while `with` lasts, by a scrape every 15 s. Each
    asks the server for its health: four of the other calls a minute."""

    def __init__(self, exporter):
        self.exporter, self.longest = exporter, 0.0
        self.stop = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(1)

    def _watch(self):
        while not self.stop.wait(15):
            families = support.parse(self.exporter.scrape().text)
            lags = families["temporal_exporter_stream_lag_seconds"].samples.values()
            self.longest = max(self.longest, *lags)

    def __enter__(self):
        self.watching = self.pool.submit(self._watch)
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.watching.result()  # raises what it raised
        self.pool.shutdown()


class Bench:
    def __init__(self, minutes, rate):
        self.minutes, self.rate, self.over = minutes, rate, []

    def measure(self, title, server, metrics_port, exporter, work):
        before, cpu = calls(metrics_port, exporter), cpu_seconds(exporter.pid)
        began = time.monotonic()
        with Lag(exporter) as lag:
            what = work()
        minutes = (time.monotonic() - began) / 60
        cpu = (cpu_seconds(exporter.pid) - cpu) / (minutes * 60)
        rates = {key: (number - before.get(key, 0)) / minutes
                 for key, number in calls(metrics_port, exporter).items()}
        visibility, others = {}, {}
        for (namespace, operation), rate in rates.items():
            kind = visibility if VISIBILITY.match(operation) else others
            kind[namespace] = kind.get(namespace, 0) + rate
        most, other = max(visibility.values(), default=0), max(others.values(), default=0)
        total = sum(rates.values())
        print(f"{title:28} {sum(visibility.values()):9.1f} {most:9.1f} {sum(others.values()):9.1f}"
              f" {total:9.1f} {100 * cpu:7.2f} {rss_kb(exporter.pid):9d}"
              f" {lag.longest:7.1f}  {what}", flush=True)
        operations = {}
        for (_, operation), rate in rates.items():
            operations[operation] = operations.get(operation, 0) + rate
        most_asked = sorted(operations.items(), key=lambda item: -item[1])[:4]
        print("  " + ", ".join(f"{name} {rate:.1f}" for name, rate in most_asked if rate > 0),
              flush=True)
        if lag.longest == 0 or lag.longest > LATEST:
            self.over.append(f"{title}: the counters were {lag.longest:.0f} s late")
        for name, value, budget in (("visibility", most, VISIBILITY_BUDGET),
                                    ("other", other, OTHER_BUDGET), ("all", total, TOTAL_BUDGET)):
            if value > budget:
                self.over.append(f"{title}: {name} calls {value:.0f} a minute, budget {budget:.0f}")

    def load(self, server, names):
        done = subprocess.run(
            [str(server.bin / "python"), str(CLOSES), server.address, str(self.rate),
             str(self.minutes * 60), *names], stdout=subprocess.PIPE, text=True, check=True)
        self.closed = json.loads(done.stdout.splitlines()[-1])
        rate = self.closed["closed"] / self.closed["seconds"]
        if rate < 0.9 * self.rate:
            self.over.append(f"{len(names)} namespace(s): only {rate:.1f} closes/s were made")
        return f"{rate:.1f} closes/s"

    def caught_up(self, exporter):
        """Seconds until both counters are what the load did."""
        began = time.monotonic()

        def equal():
            families = support.parse(exporter.scrape().text)
            return all(sum(number for (sample, _), number in families[name].samples.items()
                           if sample == name) == self.closed["closed"]
                       for name in ("temporal_workflow_start_total",
                                    "temporal_workflow_terminated_total") if name in families)
        try:
            support.wait_for(equal, 300, "the counters are what the load did")
        except AssertionError as error:
            self.over.append(str(error))
        print(f"{'':28} starts and terminations exact {time.monotonic() - began:.0f} s after the"
              " load's end", flush=True)

    def namespaces(self, count):
        names = ["default", *(f"space-{number}" for number in range(1, count))]
        metrics_port = support.free_port()
        with (temporal_support.Server("--metrics-port", str(metrics_port),
                                      namespaces=names[1:]) as server,
              support.exporter(f"--temporal.address={server.address}", "--log.level=error",
                               name="temporal-exporter") as exporter):
            support.wait_for(
                lambda: support.value(exporter.scrape().text,
                                      "temporal_exporter_namespaces_watched") == count, 60,
                f"{count} namespaces")
            time.sleep(60)  # what is done once at the start is done

            def idle():
                time.sleep(self.minutes * 60)
                return ""
            self.measure(f"idle, {count} namespace(s)", server, metrics_port, exporter, idle)
            self.measure(f"{self.rate:g} closes/s, {count} namespace(s)", server, metrics_port,
                         exporter, lambda: self.load(server, names))
            self.caught_up(exporter)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--namespaces", type=int, nargs="*", default=[1, 20])
    options = parser.parse_args()
    print(f"{'calls a minute':28} {'visib.':>9} {'most/ns':>9} {'others':>9} {'all':>9}"
          f" {'CPU %':>7} {'RSS kB':>9} {'lag s':>7}")
    bench = Bench(options.minutes, options.rate)
    for count in options.namespaces:
        bench.namespaces(count)
    for line in bench.over:
        print(line)
    sys.exit(1 if bench.over else 0)


if __name__ == "__main__":
    main()
