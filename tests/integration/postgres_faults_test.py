"""What can go wrong with a server, on a real one: every answer comes inside its deadline, there are
never more sessions than the budget, the other collectors are served, and it recovers by itself.

Each test asserts a row of the table in exporters/postgres/README.md, and prints what it measured.
"""

import contextlib
import os
import signal
import socket
import threading
import time
import unittest

import postgres_support as pg
import support
from postgres_watcher import BUDGET, DEADLINE, Watcher

QUICK = 'login_probe_interval = "2s"\nrefresh_interval = "2s"\n'
LOGGED = ["log_connections = on", "log_disconnections = on"]
SLOW = '[[postgres.queries]]\nname = "slow"\nsummary = "s"\ntimeout = "20s"\n' \
       'sql = "SELECT 1 AS n, pg_sleep(20)"\n' \
       '[[postgres.queries.metrics]]\nname = "slow_rows"\ncolumn = "n"\nhelp = "h"\n' \
       'type = "gauge"\n'


class Faults(unittest.TestCase):
    @contextlib.contextmanager
    def watched(self, config="", settings=(), initdb=("--encoding=UTF8",), flags=(), before=()):
        with pg.Server(settings=[*LOGGED, *settings], initdb=initdb) as server, support.scratch() as folder:
            server.monitor_role(BUDGET)
            server.sql("CREATE TABLE known (i int)", *before)
            text = f'[postgres]\ndsn = "{server.dsn()}"\n{QUICK}{config}'
            with pg.exporter(server, *flags, config=text, folder=folder) as exporter:
                watcher = Watcher(self, server, exporter)
                watcher.folder = folder
                watcher.until(watcher.well, 20, "it works before the fault")
                yield watcher

    def own_only(self, watcher):
        """What the exporter says of itself, and nothing of the server."""
        families = {name for name in support.parse(watcher.text) if name.startswith("pg_")}
        others = {name for name in families
                  if not name.startswith(("pg_exporter_", "pg_scrape_collector_"))}
        self.assertEqual(others, {"pg_up", "pg_login_up"} | (
            others & {"pg_login_duration_seconds"}))

    def logins_are_waited_for_no_more(self, watcher):
        """Scrapes wait a second each while a login is young, another's or their own; then none."""
        quick = waited = 0
        while quick < 5:
            watcher.scrape()
            watcher.up(0, 0)
            quick, waited = (quick + 1, waited) if watcher.took < 0.5 else (0, waited + 1)
            self.assertLess(waited, 6, "scrapes still wait")
            time.sleep(0.3)

    def sessions_serve(self, watcher):
        """Nobody can log in: what the kept sessions read is fresh, databases are as they were."""
        age, fresh = watcher.age(), 0
        for _ in range(10):
            commits = watcher.value("pg_stat_database_xact_commit", datname="postgres")
            time.sleep(0.2)
            watcher.scrape()
            watcher.up(1, 0)
            fresh += watcher.value("pg_stat_database_xact_commit", datname="postgres") > commits
            self.assertNotIn("locks", watcher.failed())
            self.assertIsNotNone(watcher.value("pg_stat_user_tables_n_tup_ins", relname="known"))
            self.assertGreater(watcher.age(), age, "what databases had, with its age")
            age = watcher.age()
        self.assertGreater(fresh, 0, "what sessions read is fresh")

    def test_a_locked_table_costs_nobody_anything_but_its_size(self):
        quick = '[postgres.collectors.stat_user_tables]\ninterval = "1s"\n' \
                '[postgres.collectors.table_size]\ninterval = "1s"\n'
        with self.watched(quick) as watcher:
            server = watcher.server
            watcher.begins()
            server.sql("CREATE TABLE locked (i int)", "CREATE TABLE free (i int)",
                       "INSERT INTO free SELECT generate_series(1, 1000)")
            watcher.until(lambda: watcher.value("pg_stat_user_tables_n_live_tup",
                                                relname="free") == 1000, 15, "rows of the table")
            with server.held("BEGIN", "LOCK TABLE locked IN ACCESS EXCLUSIVE MODE"):
                for number in range(6):
                    server.sql("INSERT INTO free VALUES (1)")
                    watcher.scrape()
                    self.assertEqual(watcher.failed(), set(), number)
                    time.sleep(0.5)
                watcher.until(
                    lambda: watcher.value("pg_stat_user_tables_n_live_tup", relname="free") > 1000,
                    15, "fresh rows of another table")
                watcher.up(1, 1)
                waiting = server.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type ="
                                     f" 'Lock' AND application_name = '{pg.APPLICATION}'")
                self.assertEqual(waiting, [["0"]])
            watcher.row("ACCESS EXCLUSIVE lock on a user table", (), 0.1)

    def test_kill_9_of_the_server_in_the_middle_of_a_scrape(self):
        with self.watched(SLOW.replace("pg_sleep(20)", "pg_sleep(0.3)")) as watcher:
            server = watcher.server
            crash = threading.Timer(0.15, lambda: server.stop(signal.SIGKILL))
            watcher.sessions = None
            watcher.begins()
            crash.start()
            watcher.scrape()
            crash.join()
            watcher.scrape()
            self.assertEqual(watcher.value("pg_up"), 0)
            self.assertIn(("core", "unavailable"), watcher.reasons())
            down = watcher.until(lambda: watcher.value("pg_login_up") == 0, 10, "login is down")
            watcher.up(0, 0)
            self.assertEqual(watcher.value("pg_exporter_last_scrape_error"), 1)
            self.assertIsNone(watcher.value("pg_stat_database_xact_commit", datname="postgres"))
            self.assertIsNotNone(watcher.value("pg_settings_max_connections"))
            age = watcher.age()
            watcher.scrape()
            self.assertGreater(watcher.age(), age, "what databases had, with its age")
            self.assertLess(watcher.slowest, 1.5, "a server that refuses is said to be down at once")
            server.start()
            watcher.sessions = pg.Sessions(server)
            took = watcher.until(watcher.well, 30, "it works again")
            watcher.row("kill -9 of the server mid-scrape", ("unavailable",), 0.4, took, 9)
            self.assertLess(down, 10)

    def test_a_backend_that_is_stopped(self):
        with self.watched() as watcher:
            server = watcher.server
            pids = [int(row[0]) for row in server.sessions()]
            self.assertTrue(pids)
            watcher.begins()
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            try:
                watcher.scrape()
                self.assertEqual(watcher.value("pg_up"), 1, "the server lets us in again")
                watcher.until(lambda: watcher.value("pg_up") == 1 and
                              not watcher.failed() & {"core", "locks", "stat_activity"},
                              15, "served by another session")
                for _ in range(6):
                    watcher.scrape()
                    watcher.up(1, 1)
                    time.sleep(0.5)
                self.assertGreater(watcher.value("pg_exporter_connections", state="half_open"), 0)
            finally:
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)
            took = watcher.until(
                lambda: watcher.well() and
                watcher.value("pg_exporter_connections", state="half_open") == 0,
                30, "nothing half open")
            watcher.row("SIGSTOP of the backends of all its sessions", (), 1.2, took, 10,
                        perhaps=("limit", "timeout", "unavailable"))

    def test_the_postmaster_is_stopped(self):
        with self.watched() as watcher:
            server = watcher.server
            watcher.sessions = None  # psql cannot log in either
            watcher.begins()
            os.kill(server.popen.pid, signal.SIGSTOP)
            try:
                watcher.until(lambda: watcher.value("pg_login_up") == 0, 15, "login is down")
                self.sessions_serve(watcher)
                self.assertIn("login failed", watcher.exporter.output())
            finally:
                os.kill(server.popen.pid, signal.SIGCONT)
            watcher.sessions = pg.Sessions(server)
            took = watcher.until(watcher.well, 30, "it works again")
            watcher.row("SIGSTOP of the postmaster", (), 0.1, took, 9, perhaps=("unavailable",))

    def test_start_up_while_the_postmaster_is_stopped(self):
        with pg.Server(settings=LOGGED) as server:
            server.monitor_role()
            os.kill(server.popen.pid, signal.SIGSTOP)
            try:
                with pg.exporter(server) as exporter:
                    watcher = Watcher(self, server, exporter, dead=True)
                    self.logins_are_waited_for_no_more(watcher)
                    self.own_only(watcher)
                    os.kill(server.popen.pid, signal.SIGCONT)
                    watcher.sessions = pg.Sessions(server)
                    took = watcher.until(watcher.well, 30, "it works")
                    watcher.row("SIGSTOP of the postmaster before the start", ("unavailable",), 1,
                                took, 9)
            finally:
                os.kill(server.popen.pid, signal.SIGCONT)

    def test_all_connection_slots_are_taken(self):
        with self.watched(settings=["max_connections = 10", "superuser_reserved_connections = 3"],
                          flags=["--no-collector.stat_statements"]) as watcher:
            server = watcher.server
            server.sql("CREATE ROLE other LOGIN")
            watcher.begins()
            with contextlib.ExitStack() as taken:
                for _ in range(10):
                    try:
                        taken.enter_context(server.held("SELECT 1", user="other"))
                    except AssertionError:
                        break
                watcher.until(lambda: watcher.value("pg_login_up") == 0, 15, "login is down")
                self.sessions_serve(watcher)
                self.assertRegex(watcher.exporter.output(),
                                 "too many clients already|remaining connection slots are reserved")
            took = watcher.until(watcher.well, 30, "it works again")
            watcher.row("connection slots exhausted", (), 0.1, took, 9, perhaps=("unavailable",))

    def test_a_wrong_password_then_the_right_one_in_the_file(self):
        with pg.Server(settings=LOGGED) as server, support.scratch() as folder:
            server.monitor_role()
            server.sql("ALTER ROLE monitor PASSWORD 'rechte''s \"wort'")
            server.hba("host all all 127.0.0.1/32 scram-sha-256")
            secret = folder / "password"
            secret.write_text("falsches-wort\n")
            config = f'[postgres]\ndsn = "{server.dsn()}"\npassword_file = "{secret}"\n{QUICK}'
            with pg.exporter(server, config=config, folder=folder) as exporter:
                watcher = Watcher(self, server, exporter)
                watcher.scrape()
                watcher.up(0, 0)
                self.assertIn(("core", "denied"), watcher.reasons())
                self.own_only(watcher)
                secret.write_text("rechte's \"wort\n")
                took = watcher.until(watcher.well, 30, "it works")
                watcher.row("wrong password, then the right one in the file", ("denied",), 0.1,
                            took, 9)
                shown = exporter.output() + watcher.text + \
                    support.request(exporter.port, "/config").text + \
                    support.request(exporter.port, "/status").text
                for word in ("falsches-wort", "rechte's"):
                    self.assertNotIn(word, shown)

    def test_a_password_changed_under_a_running_session(self):
        with self.watched() as watcher:
            watcher.begins()
            watcher.server.sql("ALTER ROLE monitor NOLOGIN")
            watcher.until(lambda: watcher.value("pg_login_up") == 0, 15, "login is down")
            self.sessions_serve(watcher)
            watcher.server.sql("ALTER ROLE monitor LOGIN")
            took = watcher.until(watcher.well, 30, "it works again")
            self.assertIn("is not permitted to log in", watcher.exporter.output())
            watcher.row("role set to NOLOGIN", (), 0.1, took, 9, perhaps=("denied",))

    def test_a_role_without_rights(self):
        with pg.Server(settings=LOGGED) as server:
            server.sql("CREATE ROLE monitor LOGIN", "CREATE DATABASE closed",
                       "REVOKE CONNECT ON DATABASE closed FROM public",
                       "CREATE TABLE hidden (i int)")
            with support.scratch() as folder, pg.exporter(
                    server, config=f'[postgres]\ndsn = "{server.dsn()}"\n{QUICK}'
                    '[postgres.collectors.wal]\ninterval = "1s"\n', folder=folder) as exporter:
                watcher = Watcher(self, server, exporter)
                watcher.until(lambda: watcher.value("pg_exporter_databases", state="pending") == 0
                              and watcher.value("pg_exporter_databases", state="visited") == 1,
                              15, "the rotation")
                watcher.scrape()
                self.assertEqual(watcher.failed() - {"wal"}, {
                    "blocking", "long_running_transactions", "stat_activity",
                    "stat_progress_vacuum", "stat_replication"})
                self.assertIn(("wal", "denied"), watcher.reasons())
                watcher.up(1, 1)
                self.assertEqual(watcher.value("pg_exporter_databases", state="denied"), 1)
                server.sql("GRANT pg_monitor TO monitor")
                took = watcher.until(watcher.well, 30, "the grant is seen")
                watcher.row("role without rights", ("denied",), 0.1, took, 5)

    def test_a_database_dropped_while_it_is_read(self):
        config = '[postgres.collectors.stat_user_tables]\ninterval = "1s"\n' \
                 '[[postgres.queries]]\nname = "sleepy"\nsummary = "s"\nscope = "database"\n' \
                 'databases = ["doomed"]\ninterval = "1s"\ntimeout = "4s"\n' \
                 'sql = "SELECT 1 AS n, pg_sleep(2)"\n[[postgres.queries.metrics]]\n' \
                 'name = "sleepy_rows"\ncolumn = "n"\nhelp = "h"\ntype = "gauge"\n'
        with self.watched(config, before=["CREATE DATABASE doomed", "CREATE DATABASE kept"]) \
                as watcher:
            server = watcher.server
            for database in ("doomed", "kept"):
                server.sql("CREATE TABLE here (i int)", database=database)
            found = lambda name, database: watcher.value(name, datname=database) is not None
            watcher.until(lambda: found("sleepy_rows", "doomed") and
                          found("pg_stat_user_tables_n_tup_ins", "kept"), 60, "both are read")
            support.wait_for(lambda: any("pg_sleep" in row[3] and row[2] == "active"
                                         for row in server.sessions()), 20, "it is being read")
            watcher.begins()
            server.sql("DROP DATABASE doomed WITH (FORCE)")
            took = watcher.until(
                lambda: watcher.failed() == {"sleepy"} and not any(
                    found(name, "doomed") for name in ("pg_stat_user_tables_n_tup_ins",
                                                       "sleepy_rows", "pg_stat_database_xact_commit")),
                30, "its series vanish")
            self.assertTrue(found("pg_stat_user_tables_n_tup_ins", "kept"))
            watcher.up(1, 1)
            watcher.until(lambda: ("sleepy", "unsupported") in watcher.reasons(), 5,
                          "no database is left that it is for")
            watcher.row("database dropped while it is read", ("unsupported",), 0.1, took, 3,
                        perhaps=("unavailable",))

    def test_a_relation_name_that_is_no_utf8(self):
        with self.watched('[postgres.collectors.stat_user_tables]\ninterval = "1s"\n',
                          initdb=("--encoding=SQL_ASCII",)) as watcher:
            server = watcher.server
            server.sql("CREATE TABLE fine (i int)",
                       r"""DO $$ BEGIN EXECUTE convert_from('\x435245415445205441424c4520226bc3ff22'
                       ::bytea || ' (i int)'::bytea, 'SQL_ASCII'); END $$""")
            watcher.until(lambda: watcher.value("pg_stat_user_tables_n_tup_ins", relname="fine")
                          is not None, 15, "the tables are read")
            self.assertEqual(watcher.failed(), set())
            self.assertIsNotNone(watcher.value("pg_stat_user_tables_n_tup_ins", relname=r"k\\xc3\\xff"))
            watcher.up(1, 1)
            watcher.row("relation name in invalid UTF-8", (), 0.1)

    def test_a_standby_is_promoted(self):
        with pg.Server(settings=["wal_level = replica", "max_wal_senders = 4"]) as primary:
            primary.monitor_role()
            primary.hba("host all all 127.0.0.1/32 trust")
            with pg.Server(base=primary, settings=LOGGED) as standby, pg.exporter(standby) as exporter:
                watcher = Watcher(self, standby, exporter)
                watcher.until(watcher.well, 20, "it works on a standby")
                self.assertEqual(watcher.value("pg_in_recovery"), 1)
                watcher.begins()
                standby.sql("SELECT pg_promote()")
                took = watcher.until(
                    lambda: watcher.well() and watcher.value("pg_in_recovery") == 0 and
                    watcher.value("pg_replication_is_replica") == 0, 30, "it is seen as a primary")
                self.assertEqual(watcher.value("pg_exporter_logins_total", result="failed"), 0)
                watcher.row("promotion of the standby", (), 0.1, took, 1)

    def test_a_peer_that_accepts_and_never_answers(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            accepted = []

            def accept():
                with contextlib.suppress(OSError):
                    while True:
                        accepted.append(silent.accept()[0])

            threading.Thread(target=accept, daemon=True).start()
            environment = {"DATA_SOURCE_NAME": f"host=127.0.0.1 port={port} user=x dbname=postgres"}
            with pg.exporter(None, env=environment) as exporter:
                watcher = Watcher(self, None, exporter)
                self.logins_are_waited_for_no_more(watcher)
                self.own_only(watcher)
                self.assertLessEqual(len(accepted), BUDGET)
                watcher.row("peer that accepts and never answers", ("unavailable",), 1)
            for connection in accepted:
                connection.close()


class Prompt(unittest.TestCase):
    def test_without_a_server_pg_up_is_0_at_once(self):
        environment = {"DATA_SOURCE_NAME":
                       f"host=127.0.0.1 port={support.free_port()} user=x dbname=postgres"}
        with pg.exporter(None, env=environment) as exporter:
            watcher = Watcher(self, None, exporter)
            watcher.scrape()
            self.assertEqual(watcher.value("pg_up"), 0)
            self.assertLess(watcher.slowest, 0.5)
            watcher.until(lambda: watcher.value("pg_login_up") == 0, 5, "the login is tried")
            watcher.row("no server", ("unavailable",), 0.1)
            self.assertEqual(support.request(exporter.port, "/-/ready").status, 200)


if __name__ == "__main__":
    unittest.main()
