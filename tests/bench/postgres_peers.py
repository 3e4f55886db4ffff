#!/usr/bin/python3
"""Beside Debian's postgres_exporter (0.11.1): what watching costs, on our side and on the server's.

steady: five databases with a few tables, one side at a time, scraped every 15 s as Prometheus does,
so that what runs in the background counts too. CPU of the exporter, CPU of the server (all of it,
less what it takes when nobody watches), time of a scrape, resident memory, logins a scrape.

tables: a thousand tables in each of twenty databases. 0.11.1 reads tables of other databases only with
--auto-discover-databases and queries of its own, which its package ships as an example.
"""

import argparse
import contextlib
import http.client
import pathlib
import re
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import postgres_peer_test  # noqa: E402
import postgres_support  # noqa: E402
import postgres_tables_test  # noqa: E402
import support  # noqa: E402

HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0,"
              "application/openmetrics-text;version=0.0.1;q=0.75,"
              "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Accept-Encoding": "gzip",
    "X-Prometheus-Scrape-Timeout-Seconds": "10",
}
TICKS = 100.0
# The tables of its example, for --extend.query-path.
PEER_TABLES = """
pg_stat_user_tables:
  query: "SELECT current_database() datname, schemaname, relname, seq_scan, seq_tup_read, idx_scan,
    idx_tup_fetch, n_tup_ins, n_tup_upd, n_tup_del, n_tup_hot_upd, n_live_tup, n_dead_tup,
    n_mod_since_analyze, vacuum_count, autovacuum_count, analyze_count, autoanalyze_count
    FROM pg_stat_user_tables"
  metrics:
%s
"""


def peer_tables(folder):
    labels = ("datname", "schemaname", "relname")
    columns = ("seq_scan seq_tup_read idx_scan idx_tup_fetch n_tup_ins n_tup_upd n_tup_del"
               " n_tup_hot_upd n_live_tup n_dead_tup n_mod_since_analyze vacuum_count"
               " autovacuum_count analyze_count autoanalyze_count").split()
    lines = [f'    - {name}: {{usage: "{"LABEL" if name in labels else "COUNTER"}",'
             f' description: "{name}"}}' for name in (*labels, *columns)]
    path = pathlib.Path(folder) / "queries.yaml"
    path.write_text(PEER_TABLES % "\n".join(lines))
    return path


def cpu_seconds(pid):
    """The process's CPU clock: clock_getcpuclockid(3) makes its id so."""
    return time.clock_gettime((~pid << 3) | 2)


def server_cpu(server):
    """The postmaster, its children that have ended, and those that live."""
    def stat(pid):
        with contextlib.suppress(OSError):
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return None
    own = stat(server.popen.pid)
    total = sum(int(own[field]) for field in (11, 12, 13, 14))
    for pid in server.backends():
        fields = stat(pid)
        total += int(fields[11]) + int(fields[12]) if fields else 0
    return total / TICKS


def rss(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


class Watching:
    """Scrapes at an interval over a kept connection, and what they cost."""

    def __init__(self, server, process, user, interval, scrapes):
        self.connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=60)
        self.process = process
        self.one()
        time.sleep(interval)  # warm, and what runs in the background has run
        log = server.folder / "log"
        seen = log.stat().st_size
        own, theirs, walls = cpu_seconds(process.pid), server_cpu(server), []
        for _ in range(scrapes):
            began = time.monotonic()
            answer = self.one()
            walls.append(time.monotonic() - began)
            time.sleep(max(0.0, interval - walls[-1]))
        self.own = (cpu_seconds(process.pid) - own) / scrapes
        self.server = (server_cpu(server) - theirs) / scrapes
        self.wall = statistics.median(walls)
        self.rss = rss(process.pid)
        with open(log, encoding="utf-8", errors="replace") as file:
            file.seek(seen)
            self.logins = file.read().count(f"connection authorized: user={user}") / scrapes
        text = answer.text
        self.bytes = len(text)
        self.series = sum(1 for line in text.splitlines() if line and not line.startswith("#"))

    def one(self):
        answer = support.request(self.process.port, headers=HEADERS, connection=self.connection,
                                 timeout=60)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.text[:200]}")
        return answer


def idle(server, seconds):
    """The server's CPU a second while nobody watches, and nothing is left to be written."""
    server.sql("CHECKPOINT")
    time.sleep(5)
    began = server_cpu(server)
    time.sleep(seconds)
    return (server_cpu(server) - began) / seconds


def verdict(met):
    return "met" if met else "NOT met"


def peer(server, user, *flags):
    return postgres_peer_test.peer(_As(server, user), *flags)


class _As:
    """The server as another role sees it, so that its log tells the logins apart."""

    def __init__(self, server, user):
        self.server, self.user = server, user

    def dsn(self, **more):
        return self.server.dsn(self.user, **more)


def roles(server):
    server.monitor_role()
    server.sql("CREATE ROLE peer LOGIN", "GRANT pg_monitor TO peer")


def show(name, ours, theirs, wanted=""):
    print(f"{name:<34} {ours:>12} {theirs:>12}  {wanted}".rstrip())


def table(ours, theirs, base, interval, wanted):
    mine, other = ours.server - base * interval, theirs.server - base * interval
    show("", "ours", "0.11.1")
    show("series a scrape", ours.series, theirs.series)
    show("CPU of the exporter a scrape", f"{ours.own * 1e3:.2f} ms", f"{theirs.own * 1e3:.2f} ms",
         f"{theirs.own / ours.own:.1f} times less, wanted 8: {verdict(theirs.own / ours.own >= 8)}"
         if wanted else f"{theirs.own / ours.own:.1f} times less")
    show("CPU of the server a scrape", f"{mine * 1e3:.1f} ms", f"{other * 1e3:.1f} ms",
         f"wanted no more: {verdict(mine <= other)}" if wanted else "")
    show("time of a scrape", f"{ours.wall * 1e3:.1f} ms", f"{theirs.wall * 1e3:.1f} ms")
    show("resident memory", f"{ours.rss / 1e3:.1f} MB", f"{theirs.rss / 1e3:.1f} MB")
    show("logins a scrape", f"{ours.logins:.2f}", f"{theirs.logins:.2f}",
         f"wanted one a minute: {verdict(ours.logins <= interval / 60 + 0.02)}" if wanted else "")


def steady(options):
    print(f"\nFive databases, a scrape every {options.interval:g} s, {options.scrapes} scrapes")
    with postgres_support.Server(15, settings=("log_connections = on", "autovacuum = off")) as server:
        roles(server)
        for name in ("a", "b", "c"):
            server.sql(f"CREATE DATABASE {name}")
            server.sql("CREATE TABLE t AS SELECT generate_series(1, 1000)", "CREATE TABLE u (i int)",
                       database=name)
        base = idle(server, 30)
        with postgres_support.exporter(server) as process:
            ours = Watching(server, process, "monitor", options.interval, options.scrapes)
        with peer(server, "peer") as process:
            theirs = Watching(server, process, "peer", options.interval, options.scrapes)
        table(ours, theirs, base, options.interval, wanted=True)


def tables(options):
    print("\nA thousand tables in each of twenty databases")
    with support.scratch() as folder, postgres_support.Server(15, settings=(
            "log_connections = on", "autovacuum = off", "allow_system_table_mods = on")) as server:
        roles(server)
        postgres_tables_test.make_databases(server)
        base = idle(server, 10)
        measured = {}
        for name, limit in (("as shipped", None), ("limit raised", 2_000_000)):
            toml = postgres_tables_test.configuration(server, limit)
            with postgres_support.exporter(server, folder=folder, config=toml) as process:
                postgres_tables_test.Visited(server, process)
                measured[name] = Watching(server, process, "monitor", options.interval,
                                          max(4, options.scrapes // 4))
        with peer(server, "peer", "--auto-discover-databases",
                  f"--extend.query-path={peer_tables(folder)}") as process:
            theirs = Watching(server, process, "peer", options.interval,
                              max(4, options.scrapes // 4))
        for name, ours in measured.items():
            print(f"\n{name}:")
            table(ours, theirs, base, options.interval, wanted=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interval", type=float, default=15)
    parser.add_argument("--scrapes", type=int, default=16)
    parser.add_argument("parts", nargs="*", default=["steady", "tables"])
    options = parser.parse_args()
    for part in options.parts:
        {"steady": steady, "tables": tables}[part](options)


if __name__ == "__main__":
    main()
