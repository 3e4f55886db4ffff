"""Scrapes an exporter through a fault, and holds it to its deadline and its budget meanwhile."""

import contextlib
import pathlib
import re
import time

import postgres_support as pg
import support

BUDGET = 4
DEADLINE = 5.0  # what the scrapes here say that they wait
QUICK = 'login_probe_interval = "2s"\nrefresh_interval = "2s"\n'
ROTATING = ("stat_user_tables", "statio_user_tables", "table_size")
OFTEN = "".join(f'[postgres.collectors.{name}]\ninterval = "1s"\n' for name in ROTATING)
LOGGED = ["log_connections = on", "log_disconnections = on"]


def processes(server, user="monitor"):
    """The pids of the backends that the server has for it, as the kernel knows them: also those that
    have not got as far as pg_stat_activity."""
    pids = set()
    for pid in server.backends():
        with contextlib.suppress(OSError):
            title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
            pids |= {pid} if title.startswith(f"postgres: {user} ") else set()
    return pids


class Watcher:
    """Scrapes one exporter, and at each scrape looks at the sessions that it has."""

    def __init__(self, test, server, exporter, dead=False):
        self.test, self.server, self.exporter = test, server, exporter
        self.sessions = pg.Sessions(server) if server and not dead else None
        self.slowest, self.took, self.text = 0.0, 0.0, ""
        self.before = {}

    def scrape(self):
        self.text, self.took = pg.scrape(self.exporter, DEADLINE)
        self.slowest = max(self.slowest, self.took)
        self.test.assertLess(self.took, DEADLINE, "the scrape's deadline")
        if self.sessions:
            self.test.assertLessEqual(self.sessions.look(), BUDGET, "sessions")
        self.test.assertLessEqual(self.connections(), BUDGET)
        return self.text

    def connections(self):
        return sum(support.value(self.text, "pg_exporter_connections", state=state)
                   for state in ("open", "half_open"))

    def value(self, name, **labels):
        return support.value(self.text, name, **labels)

    def failed(self):
        return {name for name, good in support.successes(self.text, "pg").items() if not good}

    def age(self, collector="stat_user_tables", database="postgres"):
        return self.value("pg_scrape_collector_database_age_seconds", collector=collector,
                          datname=database)

    def errors(self):
        """By collector and reason, how many there were since the exporter began."""
        return {(collector, reason): int(float(count)) for collector, reason, count in re.findall(
            r'sidecar_collector_errors_total{[^}]*collector="([^"]+)"[^}]*reason="([^"]+)"} (\S+)',
            self.text)}

    def begins(self):
        """The fault: what was before it does not count."""
        self.before, self.slowest = self.errors(), 0.0

    def reasons(self):
        """(collector, reason) of the errors since the fault began."""
        return {key for key, count in self.errors().items() if count > self.before.get(key, 0)}

    def until(self, condition, seconds, what):
        """Scrapes twice a second until it holds; how long that took."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            self.scrape()
            if condition():
                return time.monotonic() - began
            time.sleep(0.5)
        self.test.fail(f"{what}: not within {seconds} s; failed: {self.failed()}; "
                       f"{self.exporter.output()[-2000:]}")

    def up(self, up, login):
        """What pg_up and pg_login_up say now."""
        self.test.assertEqual((self.value("pg_up"), self.value("pg_login_up")), (up, login))

    def well(self):
        return not self.failed() and self.value("pg_up") == 1 and self.value("pg_login_up") == 1

    def row(self, fault, reasons, slowest, recovery=None, within=None, perhaps=()):
        """Holds the fault to its row of the README's table: the reasons shown since it began, the
        slowest scrape and the seconds to recovery, both with slack for a machine that is busy."""
        self.scrape()
        shown = {reason for _, reason in self.reasons()}
        self.test.assertEqual(shown - set(perhaps), set(reasons), f"{fault}: {self.reasons()}")
        self.test.assertLess(self.slowest, slowest + 1, fault)
        if recovery is not None:
            self.test.assertLess(recovery, 2 * within + 2, fault)
        if self.server:
            most, _ = pg.most_at_once(self.server.log())
            self.test.assertLessEqual(most, BUDGET, "sessions that the server had at once")
            self.test.assertNotIn(pg.TOO_MANY, self.server.log(), "one more than it allows")
        took = "-" if recovery is None else f"{recovery:.1f}"
        print(f"| {fault} | {', '.join(sorted(shown)) or '-'} | {self.slowest:.2f} | {took} |")


@contextlib.contextmanager
def watched(test, config="", databases=(), tail=OFTEN):
    with pg.Server(settings=LOGGED) as server, support.scratch() as folder:
        server.monitor_role(BUDGET)
        for database in databases:
            server.sql(f"CREATE DATABASE {database}")
            server.sql("CREATE TABLE here (i int)", database=database)
        text = f'[postgres]\ndsn = "{server.dsn()}"\n{config}{tail}'
        with pg.exporter(server, config=text, folder=folder) as exporter:
            watcher = Watcher(test, server, exporter)
            watcher.folder = folder
            watcher.until(watcher.well, 20, "it works before the fault")
            yield watcher
