"""Logins that are refused, hang or are slow, on a real server: they cost nobody else anything, leave
nothing behind, and never take more connections than there may be."""

import contextlib
import socket
import threading
import time
import unittest

import postgres_support as pg
import support
from postgres_watcher import BUDGET, QUICK, ROTATING, LOGGED, Watcher, processes, watched

@contextlib.contextmanager
def slow_to_let_in(server, delay):
    """A port behind which each answer of the server takes so long, until the login is done."""
    def pump(source, sink, slow):
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                if slow:
                    time.sleep(delay)
                    slow = b"Z\0\0\0\x05" not in chunk
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client = held.enter_context(front.accept()[0])
                back = held.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                for ends in ((client, back, False), (back, client, True)):
                    threading.Thread(target=pump, args=ends, daemon=True).start()

    with contextlib.ExitStack() as held:
        front = held.enter_context(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=accept, daemon=True).start()
        yield front.getsockname()[1]
        front.shutdown(socket.SHUT_RDWR)


class OneDatabase(unittest.TestCase):
    """What is wrong with one database; it comes first in the order of names."""

    def others_are_served(self, watcher, seconds, most=BUDGET):
        began, seen = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            watcher.scrape()
            self.assertEqual((watcher.value("pg_up"), watcher.value("pg_login_up")), (1, 1))
            self.assertLessEqual(len(processes(watcher.server)), most)
            self.assertLessEqual(watcher.failed(), set(ROTATING))
            ages = [watcher.value("pg_scrape_collector_database_age_seconds",
                                  collector="stat_user_tables", datname=name)
                    for name in ("postgres", "z_other")]
            self.assertNotIn(None, ages)
            if time.monotonic() - began > 8:
                self.assertLess(max(ages), 8, "the others are visited")
                seen += 1
            time.sleep(0.5)
        self.assertGreater(seen, 3)

    def test_has_no_connection_left_for_us(self):
        with watched(self, QUICK, ("a_full", "z_other")) as watcher:
            watcher.server.sql("ALTER DATABASE a_full CONNECTION LIMIT 0")
            watcher.until(lambda: watcher.value("pg_exporter_databases", state="failed") == 1,
                          15, "it is seen")
            self.others_are_served(watcher, 15)
            self.assertIn(("stat_user_tables", "unavailable"), watcher.reasons())
            self.assertIn("too many connections for database", watcher.exporter.output())
            watcher.server.sql("ALTER DATABASE a_full CONNECTION LIMIT -1")
            watcher.until(watcher.well, 15, "it is visited again")

    def test_hangs_a_login(self):
        with watched(self, QUICK + 'connect_timeout = "1s"\n', ("a_hung", "z_other")) as watcher:
            with watcher.server.held("BEGIN", "ALTER DATABASE a_hung RENAME TO b"):
                watcher.until(lambda: watcher.value("pg_exporter_databases", state="failed") == 1,
                              20, "it is seen")
                self.others_are_served(watcher, 20)
                self.assertEqual(watcher.value("pg_exporter_connections", state="half_open"), 1)
            watcher.until(watcher.well, 15, "it is visited again")

    def test_hangs_the_first_statement(self):
        with watched(self, QUICK, ("a_locked", "z_other")) as watcher:
            with watcher.server.held("BEGIN", "LOCK TABLE pg_extension IN ACCESS EXCLUSIVE MODE",
                                     database="a_locked"):
                watcher.until(lambda: watcher.value("pg_exporter_databases", state="failed") == 1,
                              40, "it is seen")
                self.others_are_served(watcher, 20)
                self.assertIn(("stat_user_tables", "timeout"), watcher.reasons())
            watcher.until(watcher.well, 15, "it is visited again")


class Places(unittest.TestCase):
    def test_a_probe_every_two_seconds_and_the_rotation_share_a_place(self):
        with watched(self, QUICK, ("other",)) as watcher:
            logins = watcher.value("pg_exporter_logins_total", result="ok")
            began = time.monotonic()
            while time.monotonic() - began < 12:
                watcher.scrape()
                self.assertEqual(watcher.failed(), set())
                self.assertLessEqual(watcher.value("pg_exporter_connections", state="open"), 3,
                                     "one place is spared, for who comes before a backend has gone")
                self.assertEqual(watcher.value("pg_login_up"), 1)
                self.assertEqual(watcher.value("pg_exporter_databases", state="visited"), 2)
                time.sleep(0.3)
            self.assertGreater(watcher.value("pg_exporter_logins_total", result="ok"), logins + 5)
            most, _ = pg.most_at_once(watcher.server.log())
            self.assertLessEqual(most, BUDGET)

    def test_the_probe_has_its_place_without_a_rotation(self):
        off = "".join(f"[postgres.collectors.{name}]\nenabled = false\n" for name in ROTATING)
        with watched(self, QUICK, tail=off) as watcher:
            logins = watcher.value("pg_exporter_logins_total", result="ok")
            watcher.until(lambda: watcher.value("pg_exporter_logins_total", result="ok") > logins + 1,
                          15, "the probe logs in")


class OneLogin(unittest.TestCase):
    """What can wait for a login: the shipped intervals, thirty times as fast."""

    CONFIG = "".join(f"[postgres.collectors.{name}]\nenabled = false\n" for name in ROTATING) + """
[[postgres.queries]]
name = "rows"
scope = "database"
interval = "2s"
login_interval = "{patience}"
sql = "SELECT count(*) AS n FROM pg_description"
metrics = [{{ name = "pg_descriptions", column = "n", type = "gauge", help = "Comments." }}]
"""

    def watch(self, watcher, databases, seconds):
        """The greatest age of each database's rows, in which order they were read again, the logins
        meanwhile, and how long that was."""
        began, oldest, last, visits = time.monotonic(), dict.fromkeys(databases, 0.0), {}, []
        watcher.scrape()
        logins = watcher.value("pg_exporter_logins_total", result="ok")
        while time.monotonic() - began < seconds:
            watcher.scrape()
            self.assertEqual(watcher.failed(), set())
            self.assertEqual(watcher.value("pg_login_up"), 1)
            ages = {name: watcher.age("rows", name) for name in databases}
            visits += sorted((name for name in databases if ages[name] < last.get(name, 0)),
                             key=lambda name: -ages[name])
            oldest = {name: max(oldest[name], ages[name]) for name in databases}
            last = ages
            time.sleep(0.3)
        logins = watcher.value("pg_exporter_logins_total", result="ok") - logins
        return oldest, visits, logins, time.monotonic() - began

    def test_serves_the_probe_and_visits_the_database_that_waited_longest(self):
        others = ("a", "b", "c")
        with watched(self, QUICK, others, self.CONFIG.format(patience="60s")) as watcher:
            oldest, visits, logins, seconds = self.watch(watcher, ("postgres", *others), 20)
            self.assertLessEqual(logins, seconds / 2 + 1, "one every two seconds")
            self.assertLess(oldest["postgres"], 6, "read on the slow session")
            visits = [name for name in visits if name in others]
            self.assertGreaterEqual(len(visits), 5)
            for three in zip(visits, visits[1:], visits[2:]):
                self.assertEqual(set(three), set(others), "each is the third that is visited")

    def test_is_made_for_what_has_waited_too_long(self):
        others = [f"d{n}" for n in range(8)]
        with watched(self, QUICK, others, self.CONFIG.format(patience="5s")) as watcher:
            oldest, _, logins, _ = self.watch(watcher, others, 20)
            self.assertGreater(logins, 20, "eight databases every five seconds")
            self.assertLess(max(oldest.values()), 10)

    def test_leaves_a_database_of_the_dsn_that_fails_to_the_rotation(self):
        with watched(self, QUICK, ("other",), self.CONFIG.format(patience="6s")) as watcher:
            watcher.server.sql("REVOKE SELECT ON pg_description FROM PUBLIC")
            watcher.until(lambda: watcher.failed() == {"rows"}, 15, "it is seen")
            began = time.monotonic()
            while time.monotonic() - began < 12:
                watcher.scrape()
                self.assertEqual(watcher.failed(), {"rows"})
                self.assertLess(watcher.age("rows", "other"), 10)
                time.sleep(0.5)
            watcher.server.sql("GRANT SELECT ON pg_description TO PUBLIC")
            watcher.until(watcher.well, 10, "it is read again")
            time.sleep(4)
            watcher.until(lambda: watcher.age("rows") < 3, 5, "on the slow session")


class Slow(unittest.TestCase):
    def ups_of_a_slow_login(self, scrapes, config=""):
        """pg_up of so many scrapes, two seconds apart, of a server whose login takes 1.6 s."""
        with (pg.Server() as server, slow_to_let_in(server, 0.4) as port,
              support.scratch() as folder):
            server.sql("CREATE ROLE monitor LOGIN PASSWORD 'word'", "GRANT pg_monitor TO monitor")
            server.hba("host all monitor 127.0.0.1/32 scram-sha-256")
            text = f'[postgres]\ndsn = "{server.dsn(port=port, password="word")}"\n{config}'
            with pg.exporter(server, "--collector.disable-defaults", config=text,
                             folder=folder) as exporter:
                watcher = Watcher(self, server, exporter, dead=True)
                time.sleep(4)  # until the probe's is over
                ups = []
                for _ in range(scrapes):
                    watcher.scrape()
                    ups.append(watcher.value("pg_up"))
                    self.assertLess(watcher.took, 2.5)
                    time.sleep(2)
                return ups

    def test_a_scrape_waits_for_a_login_as_long_as_the_probes_took(self):
        self.assertEqual(self.ups_of_a_slow_login(1), [1])

    def test_a_login_of_many_slow_steps_is_done_in_the_second_scrape_at_the_latest(self):
        self.assertEqual(self.ups_of_a_slow_login(2, 'connect_timeout = "1s"\n'), [0, 1])


if __name__ == "__main__":
    unittest.main()
