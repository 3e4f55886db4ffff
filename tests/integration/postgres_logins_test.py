"""Logins that are refused, hang or are never answered, on a real server: they cost nobody else
anything, leave nothing behind, and never take more connections than there may be."""

import contextlib
import os
import signal
import socket
import threading
import time
import unittest

import postgres_support as pg
import support
from support import optional
from postgres_watcher import BUDGET, Watcher, processes

QUICK = 'login_probe_interval = "2s"\nrefresh_interval = "2s"\n'
ROTATING = ("stat_user_tables", "statio_user_tables", "table_size")
OFTEN = "".join(f'[postgres.collectors.{name}]\ninterval = "1s"\n' for name in ROTATING)
LOGGED = ["log_connections = on", "log_disconnections = on"]


@contextlib.contextmanager
def watched(test, config="", databases=(), tail=OFTEN):
    with pg.Server(settings=LOGGED) as server, support.scratch() as folder:
        server.monitor_role()
        for database in databases:
            server.sql(f"CREATE DATABASE {database}")
            server.sql("CREATE TABLE here (i int)", database=database)
        text = f'[postgres]\ndsn = "{server.dsn()}"\n{config}{tail}'
        with pg.exporter(server, config=text, folder=folder) as exporter:
            watcher = Watcher(test, server, exporter)
            watcher.until(watcher.well, 20, "it works before the fault")
            yield watcher


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
            self.assertLessEqual(processes(watcher.server), most)
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
    def test_three_connections_are_enough(self):
        with watched(self, QUICK + "max_connections = 3\n", ("other",)) as watcher:
            logins = watcher.value("pg_exporter_logins_total", result="ok")
            began = time.monotonic()
            while time.monotonic() - began < 12:
                watcher.scrape()
                self.assertEqual(watcher.failed(), set())
                self.assertLessEqual(processes(watcher.server), 3)
                self.assertEqual(watcher.value("pg_login_up"), 1)
                self.assertEqual(watcher.value("pg_exporter_databases", state="visited"), 2)
                time.sleep(0.3)
            self.assertGreater(watcher.value("pg_exporter_logins_total", result="ok"), logins + 5)
            most, _ = pg.most_at_once(watcher.server.log())
            self.assertLessEqual(most, 3)

    def test_three_connections_and_no_rotation_leave_the_probe_its_place(self):
        off = "".join(f"[postgres.collectors.{name}]\nenabled = false\n" for name in ROTATING)
        with watched(self, QUICK + "max_connections = 3\n", tail=off) as watcher:
            logins = watcher.value("pg_exporter_logins_total", result="ok")
            watcher.until(lambda: watcher.value("pg_exporter_logins_total", result="ok") > logins + 1,
                          15, "the probe logs in")


class Unanswered(unittest.TestCase):
    def test_a_postmaster_that_was_stopped_is_up_soon_after_it_goes_on(self):
        with pg.Server(settings=LOGGED) as server:
            server.monitor_role()
            os.kill(server.popen.pid, signal.SIGSTOP)
            try:
                # With the intervals as shipped, and nothing that would log in before the probe.
                with pg.exporter(server, "--collector.disable-defaults") as exporter:
                    watcher = Watcher(self, server, exporter, dead=True)
                    time.sleep(4)
                    began = time.monotonic()
                    while time.monotonic() - began < 6:
                        watcher.scrape()
                        self.assertEqual(watcher.value("pg_up"), 0)
                        time.sleep(0.5)
                    os.kill(server.popen.pid, signal.SIGCONT)
                    took = watcher.until(lambda: watcher.value("pg_up") == 1 and
                                         watcher.value("pg_login_up") == 1, 10, "it is up")
                    print(f"up {took:.1f} s after SIGCONT")
            finally:
                os.kill(server.popen.pid, signal.SIGCONT)

    def test_a_postmaster_that_was_stopped_for_minutes_is_not_asked_for_more_than_the_budget(self):
        if os.environ.get("MATRIX") != "1":
            optional("a long form: it is in tests/run --matrix (MATRIX=1)")
        with watched(self, QUICK + 'connect_timeout = "1s"\n', ("other",)) as watcher:
            server, watcher.sessions = watcher.server, None
            os.kill(server.popen.pid, signal.SIGSTOP)
            try:
                for pid in server.backends():
                    os.kill(pid, signal.SIGTERM)
                began = time.monotonic()
                # A login is given up on after a minute: they fill the budget, and then some.
                while time.monotonic() - began < 400:
                    watcher.scrape()
                    time.sleep(2)
                self.assertEqual(watcher.value("pg_exporter_connections", state="half_open"), BUDGET)
            finally:
                os.kill(server.popen.pid, signal.SIGCONT)
            took = watcher.until(watcher.well, 30, "it works again")
            most, _ = pg.most_at_once(server.log())
            self.assertLessEqual(most, BUDGET)
            print(f"up {took:.1f} s after SIGCONT, {most} sessions at most")

    def test_a_silent_peer_in_the_servers_place_costs_a_scrape_a_second_while_a_login_is_young(self):
        # The probe's last login is fresh: it is the scrapes' own session that has no answer.
        with watched(self, 'login_probe_interval = "1h"\nrefresh_interval = "1h"\n') as watcher:
            watcher.server.stop(signal.SIGKILL)
            watcher.sessions = None
            with socket.create_server(("127.0.0.1", watcher.server.port)):
                began, waits = time.monotonic(), []
                while time.monotonic() - began < 12:
                    watcher.scrape()
                    self.assertEqual(watcher.value("pg_up"), 0)
                    waits += [watcher.took] if watcher.took > 0.5 else []
                    time.sleep(0.3)
            print(f"scrapes waited {', '.join(f'{wait:.2f}' for wait in waits)} s")
            self.assertLess(max(waits), 1.5)
            self.assertLess(len(waits), 5)

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

    def test_the_second_address_is_tried_when_the_first_is_silent(self):
        with pg.Server(settings=LOGGED) as server, contextlib.ExitStack() as held:
            server.monitor_role()
            server.sql("CREATE DATABASE other")
            silent = held.enter_context(socket.socket())
            silent.bind(("127.0.0.1", 0))
            silent.listen(0)
            port = silent.getsockname()[1]
            for _ in range(4):  # its queue is full, so that it drops who comes next
                client = held.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
            time.sleep(0.1)
            dsn = (f"host=127.0.0.1,127.0.0.1 port={port},{server.port} user=monitor "
                   "dbname=postgres")
            with pg.exporter(server, dsn=dsn) as exporter:
                watcher = Watcher(self, server, exporter)
                took = watcher.until(lambda: watcher.value("pg_up") == 1, 12, "it is up")
                watcher.until(watcher.well, 15, "every lane has got in")
                self.assertLess(watcher.value("pg_login_duration_seconds"), 1, "and goes there first")
                print(f"the second address after {took:.1f} s")


if __name__ == "__main__":
    unittest.main()
