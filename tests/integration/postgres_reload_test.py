"""200 reloads while one query hangs and two Prometheus scrape: sessions, series, descriptors."""

import re
import statistics
import threading
import time
import unittest

import postgres_support as pg
import support

BUDGET = 4
RELOADS = 200
TIMEOUT = 1
HANGING = '''
[[postgres.queries]]
name = "hanging"
summary = "Hangs."
timeout = "2m"
sql = "SELECT 1 AS n, pg_sleep(3600)"
[[postgres.queries.metrics]]
name = "hanging_rows"
column = "n"
help = "h"
type = "gauge"
'''
# Series of each kind of member: in the scrape, in the background, from the rotation; of two
# databases. Each is in every scrape.
SERIES = (("pg_up", {}), ("pg_login_up", {}),
          ("pg_locks_count", {"datname": "postgres", "mode": "accesssharelock"}),
          ("pg_stat_database_xact_commit", {"datname": "postgres"}),
          ("pg_stat_database_xact_commit", {"datname": "second"}),
          ("pg_settings_max_connections", {}), ("pg_wal_segments", {}), ("pg_wal_size_bytes", {}),
          ("pg_database_size_bytes", {"datname": "postgres"}),
          ("pg_database_size_bytes", {"datname": "second"}),
          *((name, {"datname": database, "relname": "t"})
            for name in ("pg_stat_user_tables_n_tup_ins", "pg_statio_user_tables_heap_blocks_hit",
                         "pg_stat_user_tables_table_size_bytes")
            for database in ("postgres", "second")),
          ("pg_stat_statements_calls_total", {"datname": "postgres"}))
_SAMPLE = re.compile(r"^([a-z_]+?)(?:_total)?(?:\{(.*)\})? ", re.M)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def missing(text):
    """Those of SERIES that an exposition, text or OpenMetrics, does not have."""
    there = {}
    wanted = {name.removesuffix("_total") for name, _ in SERIES}
    for name, labels in _SAMPLE.findall(text):
        if name in wanted:
            there.setdefault(name, []).append(dict(_LABEL.findall(labels)).items())
    return [(name, labels) for name, labels in SERIES
            if not any(labels.items() <= found
                       for found in there.get(name.removesuffix("_total"), ()))]


class Scraper(threading.Thread):
    """Scrapes as Prometheus does, and keeps what was missing."""

    def __init__(self, exporter, accept):
        super().__init__(daemon=True)
        self.exporter, self.accept = exporter, accept
        self.done = threading.Event()
        self.faults, self.count, self.slowest = [], 0, 0.0

    def run(self):
        while not self.done.is_set():
            began = time.monotonic()
            try:
                answer = self.exporter.scrape(
                    accept=self.accept, **{"X-Prometheus-Scrape-Timeout-Seconds": str(TIMEOUT)})
            except OSError as error:
                self.faults.append(f"scrape {self.count}: {error!r}")
                continue
            took = time.monotonic() - began
            self.slowest = max(self.slowest, took)
            self.count += 1
            if answer.status != 200 or took > TIMEOUT:
                self.faults.append(f"scrape {self.count}: {answer.status} after {took:.2f} s")
                continue
            text = answer.text
            if not re.search(r"^pg_up 1(\.0)?$", text, re.M):
                self.faults.append(f"scrape {self.count}: not up")
            self.faults += [f"scrape {self.count}: no {series}" for series in missing(text)]


class Reload(unittest.TestCase):
    def test_200_reloads_while_a_query_hangs(self):
        with pg.Server(settings=["log_connections = on", "log_disconnections = on",
                                 "shared_preload_libraries = 'pg_stat_statements'"]) as server, \
                support.scratch() as folder:
            server.monitor_role(BUDGET)
            server.sql("CREATE EXTENSION pg_stat_statements")
            server.sql("CREATE DATABASE second")
            for database in ("postgres", "second"):
                server.sql("CREATE TABLE t (i int)", "INSERT INTO t VALUES (1)", database=database)
            config = f'[postgres]\ndsn = "{server.dsn()}"\n{HANGING}'
            with pg.exporter(server, "--web.enable-lifecycle", "--no-config.watch", config=config,
                             folder=folder) as exporter:
                self._wait_until_served(exporter)
                scrapers = [Scraper(exporter, support.TEXT), Scraper(exporter, support.OPENMETRICS)]
                for scraper in scrapers:
                    scraper.start()
                sessions = pg.Sessions(server)
                readings = self._reload(exporter, folder, config, sessions)
                for scraper in scrapers:
                    scraper.done.set()
                for scraper in scrapers:
                    scraper.join(30)
                    self.assertEqual(scraper.faults, [])
                    self.assertGreater(scraper.count, 40)
                self.assertLessEqual(sessions.most, BUDGET)
                most, total = pg.most_at_once(server.log())
                self.assertLessEqual(most, BUDGET)
                self.assertNotIn(pg.TOO_MANY, server.log(), "one more than the server allows")
                self.assertGreaterEqual(sessions.looks, RELOADS)
                self.assertEqual(support.successes(exporter.scrape().text, "pg")["hanging"], 0)
                first, last = (tuple(statistics.median(column) for column in zip(*part))
                               for part in (readings[:50], readings[-50:]))
                print(f"{RELOADS} reloads under {sum(s.count for s in scrapers)} scrapes, the "
                      f"slowest {max(s.slowest for s in scrapers):.2f} s; most sessions "
                      f"{sessions.most} seen, {most} logged, of {total}; medians of the first and "
                      f"the last 50: descriptors {first[0]:.0f} and {last[0]:.0f}, "
                      f"RSS {first[1]:.0f} and {last[1]:.0f} kB")
                self.assertEqual(last[0], first[0], "descriptors")
                self.assertLessEqual(abs(last[1] - first[1]), 0.05 * first[1], "RSS")

    def _wait_until_served(self, exporter):
        until = time.monotonic() + 30
        while lacking := missing(pg.scrape(exporter, 2)[0]):
            self.assertLess(time.monotonic(), until, lacking)
            time.sleep(0.2)

    def _reload(self, exporter, folder, config, sessions):
        readings = []
        for number in range(RELOADS):
            (folder / "postgres.toml").write_text(f"{config}# {number}\n")
            answer = support.request(exporter.port, "/-/reload", "POST")
            self.assertEqual(answer.status, 200, answer.text)
            sessions.look()
            time.sleep(0.1)
            status = (f"/proc/{exporter.pid}/status", f"/proc/{exporter.pid}/fd")
            with open(status[0], encoding="utf-8") as file:
                resident = int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
            readings.append((len(support.os.listdir(status[1])), resident))
        return readings


if __name__ == "__main__":
    unittest.main()
