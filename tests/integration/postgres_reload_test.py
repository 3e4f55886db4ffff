"""200 reloads while one query hangs and two Prometheus scrape: sessions, series, descriptors."""

import re
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
# A family of each kind of member: in the scrape, in the background, from the rotation.
FAMILIES = ("pg_up", "pg_locks_count", "pg_stat_database_xact_commit", "pg_settings_max_connections",
            "pg_database_size_bytes", "pg_stat_user_tables_n_tup_ins",
            "pg_statio_user_tables_heap_blocks_hit")


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
            for family in FAMILIES:
                if not re.search(rf"^{family}(_total)?[ {{]", text, re.M):
                    self.faults.append(f"scrape {self.count}: no {family}")


class Reload(unittest.TestCase):
    def test_200_reloads_while_a_query_hangs(self):
        with pg.Server(settings=["log_connections = on", "log_disconnections = on"]) as server, \
                support.scratch() as folder:
            server.monitor_role()
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
                self.assertGreaterEqual(sessions.looks, RELOADS)
                self.assertEqual(support.successes(exporter.scrape().text, "pg")["hanging"], 0)
                first, last = readings[10:50], readings[-50:]
                # A scraper's connection may be open in every reading of one of the two.
                self.assertAlmostEqual(min(r[0] for r in first), min(r[0] for r in last), delta=2,
                                       msg="descriptors")
                self.assertLessEqual(min(r[1] for r in last), max(r[1] for r in first) * 1.05)
                print(f"{RELOADS} reloads under {sum(s.count for s in scrapers)} scrapes, the "
                      f"slowest {max(s.slowest for s in scrapers):.2f} s; most sessions "
                      f"{sessions.most} seen, {most} logged, of {total}; descriptors "
                      f"{min(r[0] for r in first)} to {min(r[0] for r in last)}; RSS kB {max(r[1] for r in first)} to "
                      f"{max(r[1] for r in last)}")

    def _wait_until_served(self, exporter):
        def served():
            text, _ = pg.scrape(exporter, 2)
            return all(re.search(rf"^{family}(_total)?[ {{]", text, re.M) for family in FAMILIES)
        support.wait_for(served, 30, "every family is served")

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
