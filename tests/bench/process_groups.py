#!/usr/bin/python3
"""process_groups beside process-exporter: CPU of a scrape and resident memory.

Starts N idle processes of ten names, and both exporters with the same rule, no smaps and no
threads. They are scraped in turn, a round of scrapes each, so that what else the machine does meets
both. CPU is read from each exporter's own clock (nanoseconds, all threads), memory from VmRSS.

  tests/bench/process_groups.py --processes 10000 --peer /opt/peers/bin/process-exporter

The peer comes from the Go proxy: a module that requires github.com/ncabatoff/process-exporter
v0.8.7, and `go build github.com/ncabatoff/process-exporter/cmd/process-exporter`.
Exits 1 when a ratio is not reached. Everything it starts it ends, by pid.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

SLEEPERS = r"""
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(int argc, char** argv) {
  const int count = argc > 1 ? atoi(argv[1]) : 0;
  const pid_t parent = getpid();
  for (int i = 0; i < count; ++i) {
    const pid_t pid = fork();
    if (pid < 0) return perror("fork"), 1;
    if (pid == 0) {
      char name[16];
      prctl(PR_SET_PDEATHSIG, SIGKILL);  /* none outlives a benchmark that was killed */
      if (getppid() != parent) _exit(0);
      snprintf(name, sizeof name, "idle_%d", i % 10);
      prctl(PR_SET_NAME, name);
      while (1) pause();
    }
    printf("%d\n", pid);
  }
  puts("ready");
  fflush(stdout);
  while (1) pause();
}
"""
RULE_YAML = 'process_names:\n  - name: "{{.Comm}}"\n    cmdline: [".+"]\n'
RULE_TOML = """
[host]
listen = ["127.0.0.1:%d"]
[host.collectors]
disable_defaults = true
[host.collectors.process_groups]
enabled = true
timeout = "30s"
children = true
[[host.collectors.process_groups.groups]]
name = "{{.Comm}}"
cmdline = [".+"]
"""
WANTED = {"cpu": 1 / 10, "rss": 1 / 3}
GROUP = re.compile(rb'^namedprocess_namegroup_num_procs\{groupname="idle_\d"\} (\d+)', re.M)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid):
    return time.clock_gettime((~pid << 3) | 2)  # CPUCLOCK_SCHED of the process


def status_kb(pid, key):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M).group(1))


def end(process):
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def sleepers(folder, count):
    source = folder / "sleepers.c"
    source.write_text(SLEEPERS)
    binary = folder / "sleepers"
    subprocess.run(["gcc", "-O2", "-static", "-o", binary, source], check=True)
    process = subprocess.Popen([binary, str(count)], stdout=subprocess.PIPE, text=True)
    pids = []
    try:
        for line in process.stdout:
            if line == "ready\n":
                break
            pids.append(int(line))
        if len(pids) != count:
            raise SystemExit(f"only {len(pids)} of {count} processes could be started")
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        end(process)


class Exporter:
    def __init__(self, name, command, port, log):
        self.name, self.port = name, port
        self.cpu, self.wall = [], []
        self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def scrape(self):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/metrics",
            headers={"X-Prometheus-Scrape-Timeout-Seconds": "30"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def await_ready(self):
        for _ in range(300):
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self.process.returncode}")
            with contextlib.suppress(OSError):
                return self.scrape()
            time.sleep(0.1)
        raise SystemExit(f"{self.name} does not answer")

    def round(self, scrapes):
        before, began = cpu_seconds(self.process.pid), time.monotonic()
        for _ in range(scrapes):
            body = self.scrape()
        self.cpu.append((cpu_seconds(self.process.pid) - before) / scrapes)
        self.wall.append((time.monotonic() - began) / scrapes)
        return body


def check(name, body, count):
    seen = sum(int(value) for value in GROUP.findall(body))
    if seen != count:
        raise SystemExit(f"{name} shows {seen} of {count} processes")


def report(ours, peer, count):
    print(f"{count} idle processes, median of {len(ours.cpu)} rounds")
    print(f"{'':28}{'CPU ms/scrape':>14}{'wall ms':>10}{'RSS MB':>9}{'peak MB':>9}")
    rows = {}
    for exporter in (ours, peer):
        pid = exporter.process.pid
        rows[exporter.name] = statistics.median(exporter.cpu), status_kb(pid, "VmRSS")
        print(
            f"{exporter.name:28}{rows[exporter.name][0] * 1e3:14.2f}"
            f"{statistics.median(exporter.wall) * 1e3:10.1f}"
            f"{rows[exporter.name][1] / 1024:9.1f}{status_kb(pid, 'VmHWM') / 1024:9.1f}"
        )
    good = True
    for at, key in enumerate(("cpu", "rss")):
        ratio = rows[ours.name][at] / rows[peer.name][at]
        reached = ratio <= WANTED[key]
        good &= reached
        print(f"{key}: 1/{1 / ratio:.1f} (wanted 1/{1 / WANTED[key]:.0f}){'' if reached else ' MISSED'}")
    return good


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scrapes", type=int, default=10, help="of each exporter in a round")
    parser.add_argument("--exporter", default=str(root / "build/release/bin/host-exporter"))
    parser.add_argument("--peer", default="/opt/peers/bin/process-exporter")
    options = parser.parse_args()
    for binary in (options.exporter, options.peer):
        if shutil.which(binary) is None:
            raise SystemExit(f"{binary} is not there: see --help")
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(sleepers(folder, options.processes))
        log = stack.enter_context(open(folder / "log", "w"))
        ports = free_port(), free_port()
        (folder / "ours.toml").write_text(RULE_TOML % ports[0])
        (folder / "peer.yaml").write_text(RULE_YAML)
        ours = Exporter(
            "host-exporter",
            [options.exporter, "--config.file", str(folder / "ours.toml")],
            ports[0],
            log,
        )
        stack.callback(end, ours.process)
        peer = Exporter(
            "process-exporter",
            [options.peer, "-config.path", str(folder / "peer.yaml"), "-threads=false",
             "-gather-smaps=false", f"-web.listen-address=127.0.0.1:{ports[1]}"],
            ports[1],
            log,
        )
        stack.callback(end, peer.process)
        for exporter in (ours, peer):
            check(exporter.name, exporter.await_ready(), options.processes)
        for _ in range(options.rounds):
            for exporter in (ours, peer):
                check(exporter.name, exporter.round(options.scrapes), options.processes)
        return 0 if report(ours, peer, options.processes) else 1


if __name__ == "__main__":
    sys.exit(main())
