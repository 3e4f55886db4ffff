"""What one query does to its session, its place and its lane costs nobody else: not the other
collectors, not the next configuration, not the budget."""

import contextlib
import os
import signal
import threading
import time
import unittest

import postgres_support as pg
import support
from postgres_watcher import BUDGET, OFTEN, QUICK, Watcher, processes, watched


def query(name, sql, more=""):
    return (f'[[postgres.queries]]\nname = "{name}"\n{more}sql = """{sql}"""\n'
            f'metrics = [{{ name = "{name}_value", column = "v", type = "gauge", help = "h" }}]\n')


# Nothing but pg_terminate_backend ends it: not its own timeout.
DEAF = ("CREATE FUNCTION deaf() RETURNS int LANGUAGE plpgsql AS $$ BEGIN LOOP BEGIN"
        " PERFORM pg_sleep(1000); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$")


@contextlib.contextmanager
def freezing(server, text):
    """Every backend of ours that runs this, as it comes."""
    frozen, done = set(), threading.Event()

    def freeze():
        while not done.wait(0.05):
            for [pid] in server.sql("SELECT pid FROM pg_stat_activity WHERE state = 'active' AND"
                                    f" application_name = '{pg.APPLICATION}' AND query LIKE"
                                    f" '%{text}%'"):
                if int(pid) not in frozen:
                    os.kill(int(pid), signal.SIGSTOP)
                    frozen.add(int(pid))

    thread = threading.Thread(target=freeze)
    thread.start()
    try:
        yield frozen
    finally:
        done.set()
        thread.join()
        for pid in frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


class Isolation(unittest.TestCase):
    def test_a_query_whose_backends_freeze_has_no_other_turn_and_nobody_else_loses_a_place(self):
        config = QUICK + 'session_max_age = "8s"\n'
        frozen_query = query("freezes", "SELECT 1 AS v /* freeze me */, pg_sleep(0.3)",
                             'timeout = "1s"\n')
        slow = '[postgres.collectors.settings]\ninterval = "1s"\n'
        with watched(self, config, ("other",), tail=OFTEN + slow) as watcher:
            (watcher.folder / "postgres.toml").write_text(
                f'[postgres]\ndsn = "{watcher.server.dsn()}"\n{config}{OFTEN}{slow}{frozen_query}')
            watcher.begins()
            with freezing(watcher.server, "freeze me") as frozen:
                os.kill(watcher.exporter.pid, signal.SIGHUP)
                watcher.until(lambda: frozen and watcher.failed() == {"freezes"}, 15,
                              "it alone fails")
                began = time.monotonic()
                while time.monotonic() - began < 20:
                    os.kill(watcher.exporter.pid, signal.SIGHUP)  # nothing of it is forgotten
                    watcher.scrape()
                    self.assertEqual(watcher.failed(), {"freezes"})
                    watcher.up(1, 1)
                    self.assertLessEqual(len(processes(watcher.server)), BUDGET)
                    time.sleep(0.5)
                self.assertEqual(len(frozen), 1, "no other turn")
            watcher.until(watcher.well, 15, "it has its turn again")
            self.assertNotIn(pg.TOO_MANY, watcher.server.log())

    def test_a_reload_that_changes_the_connection_loses_nobody_a_place(self):
        with pg.Server() as server, support.scratch() as folder:
            server.monitor_role(BUDGET)
            server.sql(DEAF)

            def config(number):
                return (f'[postgres]\ndsn = "{server.dsn()}"\nlock_timeout = "{200 + number}ms"\n'
                        + query("deaf", "SELECT deaf() AS v", 'timeout = "2s"\n'))

            with pg.exporter(server, "--web.enable-lifecycle", "--no-config.watch",
                             config=config(0), folder=folder) as exporter:
                watcher = Watcher(self, server, exporter)
                for number in range(1, 6):
                    watcher.until(lambda: watcher.failed() == {"deaf"}, 15, "it alone fails")
                    (folder / "postgres.toml").write_text(config(number))
                    answer = support.request(exporter.port, "/-/reload", "POST")
                    self.assertEqual(answer.status, 200, answer.text)
                    for _ in range(4):
                        watcher.scrape()
                        watcher.up(1, 1)
                watcher.until(lambda: watcher.failed() == {"deaf"}, 15, "it alone fails")
                self.assertNotIn(pg.TOO_MANY, server.log())

    def test_a_query_that_a_reload_takes_out_is_ended_and_its_lane_goes_on(self):
        with pg.Server() as server, support.scratch() as folder:
            server.monitor_role(BUDGET)
            base = (f'[postgres]\ndsn = "{server.dsn()}"\n'
                    '[postgres.collectors.settings]\ninterval = "1s"\n')
            hanging = query("hanging", "SELECT 1 AS v, pg_sleep(3600)", 'timeout = "10m"\n')
            with pg.exporter(server, "--web.enable-lifecycle", "--no-config.watch",
                             config=base + hanging, folder=folder) as exporter:
                watcher = Watcher(self, server, exporter)
                watcher.until(lambda: watcher.failed() == {"hanging"}, 15, "it hangs")
                time.sleep(6)  # what has waited for it is older than three intervals
                for changed in (query("hanging", "SELECT 2 AS v, pg_sleep(3600)",
                                      'timeout = "10m"\n'), ""):
                    (folder / "postgres.toml").write_text(base + changed)
                    answer = support.request(exporter.port, "/-/reload", "POST")
                    self.assertEqual(answer.status, 200, answer.text)
                    for _ in range(5):
                        watcher.scrape()
                        self.assertIsNotNone(watcher.value("pg_settings_max_connections"))
                watcher.until(lambda: watcher.value("pg_exporter_connections",
                                                    state="half_open") == 0, 10, "it is ended")
                self.assertEqual(watcher.failed(), set())
                self.assertEqual([row for row in server.sessions() if "pg_sleep" in row[3]], [])

    def test_config_check_takes_the_one_place_that_an_exporter_leaves(self):
        with watched(self, QUICK, ("other",)) as watcher:
            server = watcher.server
            server.sql("CREATE DATABASE third")
            check = [support.binary("postgres-exporter"), "--config.check",
                     f"--config.file={watcher.folder / 'postgres.toml'}"]
            for number in range(6):
                done = support.run(check)
                self.assertIn("stat_user_tables", done.stdout)
                self.assertNotIn("fails", done.stdout)
                watcher.scrape()
                self.assertEqual(watcher.failed(), set(), number)
                watcher.up(1, 1)
            self.assertNotIn(pg.TOO_MANY, server.log())

    def test_what_a_query_sets_for_its_session_is_not_the_next_ones(self):
        loose = query("loose", "SELECT length(set_config('statement_timeout', '0', false)"
                               " || set_config('default_transaction_read_only', 'off', false)) AS v")
        strict = query("strict", "SELECT 1 AS v WHERE current_setting('statement_timeout') <> '0'"
                                 " AND current_setting('transaction_read_only') = 'on'")
        with pg.Server() as server, support.scratch() as folder:
            server.monitor_role(BUDGET)
            config = f'[postgres]\ndsn = "{server.dsn()}"\n{loose}{strict}'
            with pg.exporter(server, config=config, folder=folder) as exporter:
                for _ in range(6):
                    text, _ = pg.scrape(exporter, 5)
                    self.assertIsNotNone(support.value(text, "loose_value"))
                    self.assertEqual(support.value(text, "strict_value"), 1)

    def test_what_is_no_query_costs_its_neighbours_nothing(self):
        odd = (query("opens", "BEGIN") + query("breaks", "SELECT 1 / 0 AS v") +
               query("sets", "SET statement_timeout = 1") + query("forgets", "DISCARD ALL"))
        good = (query("slow", "SELECT 1 AS v, pg_sleep(0.05)") +
                query("moves", "SELECT xact_commit AS v FROM pg_stat_database WHERE datname ="
                               " current_database()"))
        with pg.Server(settings=["log_connections = on"]) as server, support.scratch() as folder:
            server.monitor_role(BUDGET)
            config = f'[postgres]\ndsn = "{server.dsn()}"\n{odd}{good}'
            with pg.exporter(server, config=config, folder=folder) as exporter:
                pg.scrape(exporter, 5)
                logins = server.log().count("connection authorized: user=monitor")
                seen = []
                for _ in range(4):
                    time.sleep(1.2)  # a backend's statistics are told once a second
                    text, _ = pg.scrape(exporter, 5)
                    failed = {name for name, good in support.successes(text, "pg").items()
                              if not good}
                    self.assertEqual(failed, {"opens", "breaks", "sets", "forgets"})
                    seen.append(support.value(text, "moves_value"))
                self.assertEqual(sorted(set(seen)), seen, "it has news in every scrape")
                self.assertLessEqual(server.log().count("connection authorized: user=monitor"),
                                     logins + 1, "it costs no session")

    def test_a_row_that_is_refused_behind_rows_as_before_fails_the_query_each_time(self):
        names = ("named", "empty")
        queries = "".join(
            query(name, f"SELECT v, text FROM monitor_{name} ORDER BY v", 'labels = ["text"]\n')
            for name in names)
        with pg.Server() as server, support.scratch() as folder:
            server.monitor_role(BUDGET)
            for name in names:
                server.sql(f"CREATE TABLE monitor_{name} (v int, text text)",
                           f"GRANT SELECT ON monitor_{name} TO monitor")
            server.sql("INSERT INTO monitor_named VALUES (1, 'one')")
            config = f'[postgres]\ndsn = "{server.dsn()}"\n{queries}'
            with pg.exporter(server, config=config, folder=folder) as exporter:
                def succeeded():
                    text, _ = pg.scrape(exporter, 5)
                    return [(support.successes(text, "pg")[name], f"{name}_value" in text)
                            for name in names]
                self.assertEqual([succeeded(), succeeded()], 2 * [[(1, True), (1, False)]])
                for name in names:
                    server.sql(f"INSERT INTO monitor_{name} VALUES (2, repeat('x', 2000))")
                for _ in range(3):
                    self.assertEqual(succeeded(), [(0, False), (0, False)])
                for name in names:
                    server.sql(f"DELETE FROM monitor_{name} WHERE v = 2")
                self.assertEqual([succeeded(), succeeded()], 2 * [[(1, True), (1, False)]])

    def test_a_reload_ends_what_a_task_runs_in_the_database_of_the_dsn(self):
        hanging = query("hanging", "SELECT 1 AS v FROM (SELECT pg_sleep(s) FROM t) x",
                        'scope = "database"\ndatabases = ["postgres"]\ntimeout = "30s"\n'
                        'interval = "2s"\nlogin_interval = "10m"\n')
        with pg.Server() as server, support.scratch() as folder:
            server.monitor_role(BUDGET)
            server.sql("CREATE TABLE t (s float8)", "INSERT INTO t VALUES (0)",
                       "GRANT SELECT ON t TO monitor")
            base = f'[postgres]\ndsn = "{server.dsn()}"\n'
            running = lambda: [row for row in server.sessions()
                               if "pg_sleep(s)" in row[3] and row[2] == "active"]
            with pg.exporter(server, "--web.enable-lifecycle", "--no-config.watch",
                             config=base + hanging, folder=folder) as exporter:
                has = lambda name: f"\n{name}_value" in pg.scrape(exporter, 5)[0]
                support.wait_for(lambda: has("hanging"), 20, "its first row")
                server.sql("UPDATE t SET s = 3600")
                support.wait_for(running, 30, "it hangs")
                (folder / "postgres.toml").write_text(
                    base + query("fresh", "SELECT 1 AS v", 'interval = "2s"\n'))
                self.assertEqual(support.request(exporter.port, "/-/reload", "POST").status, 200)
                support.wait_for(lambda: has("fresh"), 10, "the new query's first row")
                support.wait_for(lambda: not running(), 10, "the old one's end")


if __name__ == "__main__":
    unittest.main()
